"""What the twin's modules hand each other: persons, institutions, messages, refusals."""

from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

BEIJING = timezone(timedelta(hours=8))
FEN_MAX = 10**11


class Refused(Exception):
    """A business refusal: ``infcode`` -1 with this text. Nothing was done."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Enrolment(msgspec.Struct, kw_only=True, frozen=True):
    """One row of ``insuinfo``."""

    insutype: str
    psn_type: str
    insuplc_admdvs: str
    psn_insu_stas: str = "1"
    cvlserv_flag: str = "0"
    emp_name: str = ""
    psn_insu_date: str = ""
    paus_insu_date: str = ""


class Person(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An invented insured person. Purses start with these sums; ratios are ten-thousandths."""

    psn_no: str
    psn_name: str
    certno: str
    gend: str
    brdy: str
    enrolments: list[Enrolment]
    naty: str = "01"
    balance_fen: int = 0
    mutual_fen: int = 0
    civil_servant_e4: int = 0
    relief_e4: int = 0
    cut_points_e4: int = 0
    cut_factor_e4: int = 10_000
    account_in_policy_only: bool = False
    identities: list[str] = []


class Institution(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An institution that may sign in."""

    code: str
    name: str
    level: str


class CatalogueItem(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How a national catalogue code is covered."""

    code: str
    level: str
    selfpay_e4: int
    limit_e6: int
    kind: str = "14"
    restricted: bool = False


class Message(msgspec.Struct, kw_only=True, frozen=True):
    """A request that passed the gate."""

    infno: str
    msgid: str
    institution: str
    area: str
    insuplc: str
    operator: str
    sign_no: str
    at: datetime
    input: dict[str, Any]


class Style(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where regions differ and no public source decides: the twin can do either."""

    infcode_text: bool = False
    output_text: bool = False
    negative_reversal: bool = False
    same_reversal_number: bool = False
    absent_original: str = "accept"
    """2601 for a message that never came: ``accept`` and bar it for ever, or ``reject``."""
    statement_lists_all: bool = False
    """3202 also lists what agrees."""
    discharge_order: str = "any"
    """2402 ``before-settlement`` or ``after-settlement`` (2304), or ``any``."""
    reversal_order: str = "visit"
    """Last settled, first reversed: within the ``visit``, over the ``person``, or ``none``."""


def node(source: dict[str, Any], name: str) -> dict[str, Any]:
    """An inner node that must be there. Raises ``Refused``."""
    found = source.get(name)
    if not isinstance(found, dict):
        raise Refused(f"缺少节点 {name}")
    return found


def rows(source: dict[str, Any], name: str, at_most: int) -> list[dict[str, Any]]:
    """A list of nodes, at least one. Raises ``Refused``."""
    found = source.get(name)
    if not isinstance(found, list) or not 0 < len(found) <= at_most:
        raise Refused(f"节点 {name} 条数不符")
    if not all(isinstance(row, dict) for row in found):
        raise Refused(f"节点 {name} 格式不符")
    return found


def need(source: dict[str, Any], name: str, length: int) -> str:
    """A text that must be there and fit. Raises ``Refused``."""
    found = source.get(name)
    if not isinstance(found, str) or not found.strip():
        raise Refused(f"{name} 不能为空")
    if len(found) > length:
        raise Refused(f"{name} 超长")
    return found


def local(at: datetime) -> datetime:
    """Beijing time."""
    return at.astimezone(BEIJING)


def clock_text(at: datetime) -> str:
    """``yyyy-MM-dd HH:mm:ss`` in Beijing time."""
    return local(at).strftime("%Y-%m-%d %H:%M:%S")
