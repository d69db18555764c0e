"""Alipay's open platform for one merchant account: the RSA2 gateway and v3 REST.

Speaks the partner's words; gives the core's words through ``integrations.ports.payments``.
Knows no database and no other partner.
"""
