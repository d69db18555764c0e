"""Re-keying: stored rows move from older key versions to the present one, while business goes on.

Owns the progress of the job. Knows no table: features list theirs, ``service.features`` gathers.
"""
