"""What people and institutions are registered by, typed before it is used. Pure.

A value is normalised, then judged by a fixed order of checks, of which the first that fails is the
reason; what it says itself (birth, sex, province) is read from it. Rules: health-card dossier 10.
"""
