"""The partner's output nodes to our words (dossier 1.5, 1.7, 1.11). Pure; answers only.

Every amount passes the identities before it leaves this module.
"""

from datetime import datetime

from integrations.insurance_nhsa import wire
from integrations.insurance_nhsa.amounts import (
    ACCOUNT_FUND,
    AMOUNT_FIELDS,
    AmountUnreadable,
    amounts_of,
    detail_faults,
    identity_faults,
    line_faults,
    read_fen,
    read_fen_or,
)
from integrations.insurance_nhsa.envelope import AnswerUnreadable, text_of
from integrations.insurance_nhsa.wire_settlement import (
    FindSettlementOutput,
    SetlDetail,
    SetlInfo,
    SettleOutput,
)
from integrations.kit.clocktext import ClockTextError, parse_spaced
from integrations.ports.insurance import Enrolment, InsuredPerson, Settled, Split
from integrations.ports.insurance_inpatient import ChargeTaken, Scope
from integrations.ports.money import FEN_MAX
from integrations.ports.outcomes import Accepted, Unknown

RESIDENT_TYPES = ("390", "391")
FUND_CODES = {
    "cvlserv_pay": "320100",
    "hifes_pay": "370100",
    "hifmi_pay": "390200",
    "hifob_pay": "330100",
    "hifdm_pay": "350100",
    "maf_pay": "610100",
    "oth_pay": "999997",
}
"""``fund_pay_type`` for each named amount, used where no detail rows tell it."""

EVIDENCE_FIELDS = ("setl_id", "mdtrt_id", "setl_time", "medins_setl_id", *AMOUNT_FIELDS, "balc")


def insured_person(output: wire.PersonOutput) -> InsuredPerson:
    """1101: who it is and every enrolment. Raises ``AnswerUnreadable``."""
    person = output.baseinfo
    if not isinstance(person, wire.BaseInfo) or not text_of(person.psn_no):
        raise AnswerUnreadable("no person in the answer")
    enrolments = output.insuinfo if isinstance(output.insuinfo, list) else []
    return InsuredPerson(
        person_no=text_of(person.psn_no),
        name=text_of(person.psn_name),
        id_no=text_of(person.certno).upper(),
        enrolments=[_enrolment(row) for row in enrolments],
    )


def _enrolment(row: wire.InsuInfo) -> Enrolment:
    try:
        balance = read_fen_or(row.balc, 0)
    except AmountUnreadable as fault:
        raise AnswerUnreadable("balance is no amount") from fault
    return Enrolment(
        insurance_type=text_of(row.insutype),
        region=text_of(row.insuplc_admdvs),
        active=text_of(row.psn_insu_stas) == "1",
        balance_fen=balance,
        person_type=text_of(row.psn_type),
    )


def visit_ref_of(output: wire.VisitOutput) -> str:
    """2201: the visit number. Raises ``AnswerUnreadable``."""
    node = output.data
    found = text_of(node.mdtrt_id) if isinstance(node, wire.VisitNumber) else ""
    if not found:
        raise AnswerUnreadable("no visit number in the answer")
    return found


def charges_taken(output: wire.ChargesOutput, line_nos: list[str]) -> list[ChargeTaken]:
    """2301: every line that was sent, and no other. Raises ``AnswerUnreadable``."""
    rows = output.result if isinstance(output.result, list) else []
    if sorted(text_of(row.feedetl_sn) for row in rows) != sorted(line_nos):
        raise AnswerUnreadable("lines of the answer are not those sent")
    return [ChargeTaken(line_no=text_of(row.feedetl_sn), scope=_scope(row)) for row in rows]


def _scope(row: wire.FeeResult) -> Scope | None:
    """Regions leave single parts out, or count otherwise: then none is believed."""
    parts = (row.fulamt_ownpay_amt, row.overlmt_amt, row.preselfpay_amt, row.inscp_scp_amt)
    if any(text_of(part) == "" for part in parts) or line_faults(row):
        return None
    try:
        full_own, over_limit, first_pay, in_scope = (read_fen(part) for part in parts)
    except AmountUnreadable as fault:
        raise AnswerUnreadable("a part is no amount") from fault
    return Scope(
        full_own_fen=full_own,
        over_limit_fen=over_limit,
        first_pay_fen=first_pay,
        in_scope_fen=in_scope,
    )


def split_of(
    info: SetlInfo, details: list[SetlDetail], total_fen: int | None
) -> Accepted[Split] | Unknown:
    """The division of a bill, or ``answer-contradicts`` with the raw amounts.

    ``total_fen`` is what was asked to be divided; None where the question named no amount.
    """
    amounts, faults = amounts_of(info)
    faults += identity_faults(amounts)
    if total_fen is not None and amounts["medfee_sumamt"] != total_fen:
        faults.append("other-total")
    balance = _balance(info, faults)
    if faults:
        return contradiction(info, faults)
    return Accepted(
        Split(
            total_fen=amounts["medfee_sumamt"],
            fund_fen=amounts["fund_pay_sumamt"],
            account_fen=amounts["acct_pay"],
            cash_fen=amounts["psn_cash_pay"],
            hospital_fen=amounts["hosp_part_amt"],
            mutual_aid_fen=amounts["acct_mulaid_pay"],
            full_own_fen=amounts["fulamt_ownpay_amt"],
            over_limit_fen=amounts["overlmt_selfpay"],
            first_pay_fen=amounts["preselfpay_amt"],
            in_scope_fen=amounts["inscp_scp_amt"],
            funds=_funds(info, amounts, details),
            balance_after_fen=balance,
        )
    )


def _balance(info: SetlInfo, faults: list[str]) -> int:
    try:
        balance = read_fen_or(info.balc, 0)
    except AmountUnreadable:
        faults.append("unreadable:balc")
        return 0
    if not 0 <= balance <= FEN_MAX:
        faults.append("range:balc")
    return balance


def _funds(info: SetlInfo, amounts: dict[str, int], details: list[SetlDetail]) -> dict[str, int]:
    """What each fund pays: the detail rows where they add up, else the named amounts."""
    if details and not detail_faults(amounts, details):
        rows: dict[str, int] = {}
        for row in details:
            kind = text_of(row.fund_pay_type)
            if kind != ACCOUNT_FUND:
                rows[kind] = rows.get(kind, 0) + read_fen_or(row.fund_payamt, 0)
        if sum(rows.values()) == amounts["fund_pay_sumamt"] and all(
            paid >= 0 for paid in rows.values()
        ):
            return rows
    pool = "390100" if text_of(info.insutype) in RESIDENT_TYPES else "310100"
    named = {pool: amounts["hifp_pay"]}
    for field, code in FUND_CODES.items():
        named[code] = amounts[field]
    return {code: paid for code, paid in named.items() if paid}


def contradiction(info: SetlInfo, faults: list[str]) -> Unknown:
    """``answer-contradicts``, with the raw amounts and references and nothing personal."""
    evidence = {name: text_of(getattr(info, name)) for name in EVIDENCE_FIELDS}
    evidence = {name: text[:64] for name, text in evidence.items() if text}
    evidence["faults"] = ",".join(faults)
    return Unknown("answer-contradicts", evidence)


def setlinfo_in(output: SettleOutput) -> tuple[SetlInfo, list[SetlDetail]]:
    """The two nodes of a (pre-)settlement. Raises ``AnswerUnreadable``."""
    if not isinstance(output.setlinfo, SetlInfo):
        raise AnswerUnreadable("no setlinfo in the answer")
    details = output.setldetail if isinstance(output.setldetail, list) else []
    return output.setlinfo, details


def settled_of(
    info: SetlInfo,
    details: list[SetlDetail],
    *,
    total_fen: int | None,
    visit_ref: str,
) -> Accepted[Settled] | Unknown:
    """A settlement in our words; one without reference or time, or of another visit, is Unknown."""
    split = split_of(info, details, total_fen)
    if isinstance(split, Unknown):
        return split
    at = _time(text_of(info.setl_time))
    reference = text_of(info.setl_id)
    faults = []
    if not reference:
        faults.append("absent:setl_id")
    if at is None:
        faults.append("unreadable:setl_time")
    if text_of(info.mdtrt_id) not in ("", visit_ref):
        faults.append("other-visit")
    if faults or at is None:
        return contradiction(info, faults)
    return Accepted(
        Settled(
            settlement_ref=reference,
            split=split.value,
            settled_at=at,
            clearing_type=text_of(info.clr_type),
            clearing_region=text_of(info.clr_optins),
        )
    )


def _time(text: str) -> datetime | None:
    try:
        return parse_spaced(text)
    except ClockTextError:
        return None


def live_settlement(
    output: FindSettlementOutput, visit_ref: str
) -> Accepted[Settled | None] | Unknown:
    """5203: the one settlement of the visit that is not reversed, or None.

    Reversed ones carry ``refd_setl_flag`` 1 or amounts below zero, by region.
    """
    node = output.setlinfo
    rows = node if isinstance(node, list) else [node] if isinstance(node, SetlInfo) else []
    live = [row for row in rows if _is_live(row) and text_of(row.mdtrt_id) in ("", visit_ref)]
    if not live:
        return Accepted(None)
    if len(live) > 1:
        return contradiction(live[0], ["several-settlements"])
    details = output.setldetail if isinstance(output.setldetail, list) else []
    found = settled_of(
        live[0], details if len(rows) == 1 else [], total_fen=None, visit_ref=visit_ref
    )
    return found if isinstance(found, Unknown) else Accepted(found.value)


def live_settlements(
    output: FindSettlementOutput, visit_ref: str
) -> Accepted[list[Settled]] | Unknown:
    """5203 of a stay, which may have been settled in between: every one that stands."""
    node = output.setlinfo
    rows = node if isinstance(node, list) else [node] if isinstance(node, SetlInfo) else []
    details = output.setldetail if isinstance(output.setldetail, list) else []
    found = []
    for row in rows:
        if not _is_live(row) or text_of(row.mdtrt_id) not in ("", visit_ref):
            continue
        own = details if len(rows) == 1 else []
        settled = settled_of(row, own, total_fen=None, visit_ref=visit_ref)
        if isinstance(settled, Unknown):
            return settled
        found.append(settled.value)
    return Accepted(found)


def _is_live(row: SetlInfo) -> bool:
    if text_of(row.refd_setl_flag) == "1" or not text_of(row.setl_id):
        return False
    try:
        return read_fen(row.medfee_sumamt) >= 0
    except AmountUnreadable:
        return True
