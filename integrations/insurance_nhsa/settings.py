"""What differs between regions and institutions (dossier 10.1). Only data, no secret."""

import msgspec

from integrations.ports.insurance import Finding


class Transactions(msgspec.Struct, frozen=True, kw_only=True):
    """Transaction numbers; some regions speak the A versions."""

    sign_in: str = "9001"
    read_person: str = "1101"
    register_visit: str = "2201"
    cancel_visit: str = "2202"
    upload_diagnoses: str = "2203A"
    upload_charges: str = "2204"
    withdraw_charges: str = "2205"
    presettle: str = "2206"
    settle: str = "2207"
    reverse: str = "2208"
    undo: str = "2601"
    find_visit: str = "5201"
    find_settlement: str = "5203"
    admit: str = "2401"
    discharge: str = "2402"
    change_admission: str = "2403"
    cancel_admission: str = "2404"
    cancel_discharge: str = "2405"
    upload_stay_charges: str = "2301"
    withdraw_stay_charges: str = "2302"
    presettle_stay: str = "2303"
    settle_stay: str = "2304"
    reverse_stay: str = "2305"
    compare_totals: str = "3201"
    compare_lines: str = "3202"
    upload_file: str = "9101"
    download_file: str = "9102"


def _line_findings() -> dict[str, Finding]:
    return {
        "101": Finding.ONLY_THERE,
        "102": Finding.ONLY_HERE,
        "103": Finding.AMOUNTS_DIFFER,
    }


class NhsaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One institution's line to its bureau."""

    code: str
    """Our name of this line, as in the registry of partners."""
    address: str
    """Without a slash at the end."""
    credential_url: str
    """Where ``ec.query`` goes."""
    institution_code: str
    institution_name: str
    area: str
    """``mdtrtarea_admvs``: the pooling area of the institution, six digits."""
    operator_no: str
    operator_name: str
    operator_mac: str
    operator_ip: str
    url_pattern: str = "{address}/{infno}"
    """An agent on the spot that takes everything at one address leaves ``{infno}`` out."""
    receiver: str = "HIS"
    infver: str = "V1.0"
    operator_type: str = "1"
    transactions: Transactions = Transactions()
    refusal_codes: frozenset[str] = frozenset({"-1", "-2"})
    """``infcode`` values that are explicit refusals. All others but 0 are Unknown."""
    sign_in_hints: tuple[str, ...] = ("未签到", "签到失效", "签到已失效", "请先签到")
    """Texts in ``err_msg`` that mean the sign-in is gone: the one text we look at."""
    settlement_way: str = "01"
    """``psn_setlway``: 01 by item."""
    approval_flag: str = "1"
    """``hosp_appr_flag`` of charge lines: 1 leaves the catalogue's own rule in force."""
    clearing_type: str = "11"
    """``clr_type`` that statements of the outpatient chain ask for; regions differ."""
    balanced_codes: frozenset[str] = frozenset({"0", "000000"})
    """``stmt_rslt`` values of 3201 that mean agreement; not confirmed, every other is none."""
    line_findings: dict[str, Finding] = msgspec.field(default_factory=_line_findings)
    """``stmt_rslt`` of a line of 3202; not confirmed. ``balanced_codes`` agree here too."""
    upload_as_numbers: bool = True
    """9101 carries the file as a list of bytes; False: as Base64. Not confirmed."""
    lookup: str = "by-visit"
    """``by-visit``: 5203 takes ``mdtrt_id`` alone. ``by-reference``: 5201 names ``setl_id``."""


class MobileSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One institution's line to the mobile payment centre. Holds secrets: they show in no repr."""

    code: str
    """Our name of this line."""
    institution_code: str
    """``orgCodg``."""
    address: str
    """Up to and with ``/org/local/api/hos``, without a slash at the end."""
    app_id: str
    app_secret: str
    private_key_hex: str
    """Our SM2 key: 32 bytes in hex."""
    centre_public_key: str
    """As the centre hands it out: hex or Base64."""
    version: str = "2.0.1"
    settlement_way: str = "01"
    approval_flag: str = "1"
    success_codes: frozenset[str] = frozenset({"0"})
    refusal_codes: frozenset[str] = frozenset({"-1"})
    """``code`` values that are explicit refusals; not confirmed. All others are Unknown."""

    def __repr__(self) -> str:
        return f"MobileSettings({self.institution_code!r})"
