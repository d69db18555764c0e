"""The pages residents and kiosks see. No rules of the business: they speak HTTP like any caller."""
