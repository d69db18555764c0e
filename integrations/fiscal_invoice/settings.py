"""What one institution's line to the fiscal e-invoice platform needs.

Holds a secret, so its text form shows only the institution.
"""

import msgspec


class ChargeGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of charge on the invoice, and which catalogue codes belong to it."""

    code: str
    """As agreed with the platform, which maps it to the province's own list."""
    name: str
    prefixes: tuple[str, ...] = ()


class FiscalInvoiceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One institution. Codes without a public list are data here, never guessed in code."""

    institution_code: str
    base_url: str
    """Up to, and without, ``/api/medical``."""
    appid: str
    key: str
    place_code: str
    """The billing point (``placeCode``)."""
    payee: str
    author: str
    checker: str
    card_types: dict[str, str] = msgspec.field(default_factory=lambda: {"01": "1"})
    """The platform's ``cardType`` by CV02.01.101 code; others get no invoice by themselves."""
    groups: tuple[ChargeGroup, ...] = ()
    other_group: ChargeGroup
    """For lines that no prefix names."""
    unit: str = "项"
    """For charges and lines alike: bills name no unit."""
    deposit_channel: str = ""
    """The platform's ``payChannelCode`` of what was paid in advance for a stay. No public source
    names one: while this is empty a discharge that counts a deposit gets no invoice by itself."""
    centre_channel: str = ""
    """The same of own money that the insurance's payment centre collected."""
    cover_channel: str = ""
    """The same of what a commercial insurer bears."""
    absent_codes: tuple[str, ...] = ()
    """Result codes by which ``getEBillByBusNo`` says that there is no such invoice. No public
    source lists them: while this is empty an absence is not believed, and a person must look."""

    def __repr__(self) -> str:
        return f"FiscalInvoiceSettings({self.institution_code!r})"
