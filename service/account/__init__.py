"""Residents' logins, sessions and real-name registration.

Owns ``account``, ``account_login``, ``account_record``, ``account_session`` and
``real_name_attempt``. A platform's subject is stored blind and sealed; an account reaches records
by relations, today only its own. Knows nothing of codes or insurance.
"""
