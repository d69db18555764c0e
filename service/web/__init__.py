"""The pages of residents and kiosks. No rules of the business: pages speak HTTP like any caller."""
