"""Commercial insurers over our own generic claims profile. No public wire exists for one."""
