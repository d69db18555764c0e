"""Which registrations are one person's: keys, comparison, weights, vetoes, clusters. Pure.

    registration -> traits -> keys -> candidate pairs -> bits -> partition

A registration is typed first (``traits``): whose its number is, what its name is, and only that
counts. Registrations that share a key (``keys``) are compared field by field (``comparing``), the
agreement is weighed in bits against a prior that grows with the population (``weighing``), and what
speaks against one person whatever the bits is a veto (``vetoes``). Pairs are joined best first, and
a cluster never holds what one person cannot be (``clustering``). Rules: master-index dossier 4, 5.
"""
