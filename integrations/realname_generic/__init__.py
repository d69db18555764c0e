"""A real-name source over our own generic two-factor profile. No public wire exists for one."""
