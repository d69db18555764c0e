"""The console of the platform's own staff: who signs in, with which roles, and what they do there.

Owns ``console_operator``. What they see and decide belongs to the features below: persons to
``person``, work items to ``casework``.
"""
