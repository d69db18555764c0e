"""Hospitals' own systems, as far as we call them: events are posted to the address they named."""
