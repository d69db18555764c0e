"""The twin of a fiscal e-invoice platform, written from dossier section 8, sharing nothing."""
