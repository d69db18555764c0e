"""Money taken by a cashier, and what waits for one."""
