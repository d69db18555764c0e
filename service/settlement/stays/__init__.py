"""Deposits of an inpatient stay, counted at its discharge."""
