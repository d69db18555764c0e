"""The patient master index.

Owns ``record``, ``match_key``, ``match_claim``, ``decision``, ``link``, ``person``, ``golden``,
``review``, ``assertion`` (stewards' rulings), ``person_change``, ``person_alias`` and
``index_load`` (how far the first load of a file is). A record never changes; a person is the set of
records with an open link to it, so whoever holds a record id asks here who that is today. Sends
nothing to a partner.
"""
