"""The pages residents and kiosks see. No rules of the business: pages speak HTTP like any caller."""
