"""Our own health codes and every scan at a terminal.

Owns ``code``, ``code_use``, ``scan``, ``institution_scan``, the revocation lists (``code_list``,
its mark, steps and deltas) and what cut-off readers report (``shown_code``, ``shown_log``). A
one-time code is not stored when it is issued; its use is, once. A scan is the handle that a
terminal and its hospital work with: they learn a pseudonym, never a record id. The insurer is
asked after the scan is committed.
"""
