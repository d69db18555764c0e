"""The fiscal e-invoice platform for medical bills, as one partner of ours: wire and signature."""
