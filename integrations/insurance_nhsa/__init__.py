"""The national medical-insurance interface for institutions (NHSA), as one partner of ours."""
