"""WeChat Pay API v3 for one merchant account, and the pure parts of V2 and of mixed payment.

Speaks the partner's words; gives the core's words through ``integrations.ports.payments``.
Knows no database and no other partner.
"""
