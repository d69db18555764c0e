"""Dividing and settling: 2206, 2207, and what 2303 and 2304 share with them (dossier 1.7, 1.8)."""

import json
from typing import Any

import msgspec

from integrations.sandbox.insurance.book import Book, Row
from integrations.sandbox.insurance.desk import identity_fields, proved_person
from integrations.sandbox.insurance.engine import Claim, Division, FeeLine, divide
from integrations.sandbox.insurance.exact import fen
from integrations.sandbox.insurance.model import (
    Enrolment,
    Message,
    Person,
    Refused,
    clock_text,
    local,
    need,
    node,
)
from integrations.sandbox.insurance.policy import Policy
from integrations.sandbox.insurance.stay_lines import open_lines
from integrations.sandbox.insurance.visits import STAYS, enrolment_of, live_visit
from integrations.sandbox.insurance.wording import setldetail, setlinfo_amounts

INPATIENT = frozenset({"21", "22", "23", "24", "52", "92"})
CHRONIC = frozenset({"14"})
SCOPE = (
    ("fulamt_ownpay_amt", "full_own_fen"),
    ("overlmt_selfpay", "over_limit_fen"),
    ("preselfpay_amt", "first_pay_fen"),
    ("inscp_scp_amt", "in_scope_fen"),
)


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a (pre-)settlement is made of."""

    person: Person
    enrolment: Enrolment
    visit: Any
    batch: str
    division: Division
    asked: dict[str, Any]


def kind_of(med_type: str) -> str:
    """Which benefit a kind of visit has."""
    if med_type in INPATIENT:
        return "ip"
    return "opsp" if med_type in CHRONIC else "op"


def _prepare(book: Book, message: Message, policy: Policy) -> Prepared:
    asked = node(message.input, "data")
    visit = live_visit(book, asked, message)
    if visit["med_type"] != need(asked, "med_type", 6):
        raise Refused("医疗类别与就诊信息不一致，或未上传就诊信息")
    batch = need(asked, "chrg_bchno", 30)
    return prepared_of(book, message, policy, visit, batch)


def prepared_of(book: Book, message: Message, policy: Policy, visit: Row, batch: str) -> Prepared:
    """Whose bill it is and how it is divided; for a stay ``batch`` names no lines."""
    asked = node(message.input, "data")
    person = proved_person(book, asked, message.at)
    if person.psn_no != visit["psn_no"]:
        raise Refused("凭证与就诊人员不一致")
    if need(asked, "insutype", 6) != visit["insutype"]:
        raise Refused("险种与就诊信息不一致")
    if need(asked, "psn_setlway", 6) not in ("01", "02"):
        raise Refused("个人结算方式不符")
    flag = need(asked, "acct_used_flag", 1)
    if flag not in ("0", "1"):
        raise Refused("个人账户使用标志不符")
    enrolment = enrolment_of(person, visit["insutype"], message)
    mdtrt_id = visit["mdtrt_id"]
    lines = (
        open_lines(book, mdtrt_id) if visit["state"] in STAYS else _unsettled(book, mdtrt_id, batch)
    )
    claim = _claim(book, message, person, enrolment, visit, use_account=flag == "1")
    division = divide(lines, claim, policy)
    if _amount(asked, "medfee_sumamt") != division.total_fen:
        raise Refused("医疗费总额与明细合计不符")
    return Prepared(
        person=person,
        enrolment=enrolment,
        visit=visit,
        batch=batch,
        division=division,
        asked=asked,
    )


def _amount(asked: dict[str, Any], name: str) -> int:
    try:
        return fen(asked.get(name))
    except ValueError:
        raise Refused(f"{name} 格式不符") from None


def _unsettled(book: Book, mdtrt_id: str, batch: str) -> list[FeeLine]:
    found = book.all(
        "select doc, setl_id from line where mdtrt_id = ? and chrg_bchno = ? order by rowid",
        mdtrt_id,
        batch,
    )
    if not found:
        raise Refused("该批次没有费用明细")
    if any(row["setl_id"] is not None for row in found):
        raise Refused("该批次已结算")
    return [msgspec.json.decode(row["doc"], type=FeeLine) for row in found]


def _claim(
    book: Book,
    message: Message,
    person: Person,
    enrolment: Enrolment,
    visit: Row,
    *,
    use_account: bool,
) -> Claim:
    kind = kind_of(visit["med_type"])
    year = local(message.at).year
    used = book.counters(person.psn_no, enrolment.insutype, year)
    balance, mutual = book.purse(person.psn_no)
    institution = book.institution(message.institution)
    has_account = enrolment.insutype == "310"
    return Claim(
        insutype=enrolment.insutype,
        kind=kind,
        hospital_level="3" if institution is None else institution.level,
        retired=enrolment.psn_type.startswith("12"),
        again=used.get("ip.times", 0) > 0,
        deductible_used_fen=used.get(f"{kind}.dedc", 0),
        pool_used_fen=used.get(f"{kind}.pool", 0),
        catastrophic_used_fen=used.get("ip.base", 0),
        large_cost_used_fen=used.get("ip.large", 0),
        balance_fen=balance if has_account else 0,
        mutual_fen=mutual if has_account else 0,
        use_account=use_account,
        account_in_policy_only=person.account_in_policy_only,
        civil_servant_e4=person.civil_servant_e4,
        relief_e4=person.relief_e4,
        cut_points_e4=person.cut_points_e4,
        cut_factor_e4=person.cut_factor_e4,
    )


def _setlinfo(message: Message, prepared: Prepared, setl_id: str | None) -> dict[str, str]:
    info = {"mdtrt_id": str(prepared.visit["mdtrt_id"])}
    if setl_id is not None:
        info["setl_id"] = setl_id
    return info | {
        **identity_fields(prepared.person, message.at),
        "insutype": prepared.enrolment.insutype,
        "psn_type": prepared.enrolment.psn_type,
        "cvlserv_flag": prepared.enrolment.cvlserv_flag,
        "setl_time": clock_text(message.at),
        "mdtrt_cert_type": str(prepared.asked["mdtrt_cert_type"]),
        "med_type": str(prepared.visit["med_type"]),
        **setlinfo_amounts(prepared.division),
        "medins_setl_id": message.msgid,
        "clr_optins": prepared.enrolment.insuplc_admdvs,
        "clr_way": "1",
        "clr_type": "21" if kind_of(prepared.visit["med_type"]) == "ip" else "11",
    }


def presettle(book: Book, message: Message, policy: Policy) -> dict[str, Any]:
    """2206: divides with today's counters and changes nothing."""
    return shown(message, _prepare(book, message, policy))


def settle(book: Book, message: Message, policy: Policy) -> dict[str, Any]:
    """2207: divides anew, moves the counters, and settles the batch."""
    prepared = _prepare(book, message, policy)
    output = enter(book, message, prepared)
    book.run(
        "update line set setl_id = ? where mdtrt_id = ? and chrg_bchno = ?",
        output["setlinfo"]["setl_id"],
        prepared.visit["mdtrt_id"],
        prepared.batch,
    )
    return output


def shown(message: Message, prepared: Prepared) -> dict[str, Any]:
    """A division without a settlement number: nothing was settled."""
    return {
        "setlinfo": _setlinfo(message, prepared, None),
        "setldetail": setldetail(prepared.division),
    }


def check_scope(prepared: Prepared) -> None:
    """The four parts must be those of the lines. Raises ``Refused``."""
    for name, part in SCOPE:
        if _amount(prepared.asked, name) != getattr(prepared.division, part):
            raise Refused(f"{name} 与明细分割合计不符")


def enter(book: Book, message: Message, prepared: Prepared) -> dict[str, Any]:
    """Write a settlement and move the counters; its lines are the caller's."""
    check_scope(prepared)
    division = prepared.division
    setl_id = f"{message.area}{book.next_number('settlement'):015d}"
    info = _setlinfo(message, prepared, setl_id)
    details = setldetail(division)
    moves = _moves(division, kind_of(prepared.visit["med_type"]))
    at = local(message.at)
    book.move(prepared.person.psn_no, prepared.enrolment.insutype, at.year, moves)
    book.run(
        "insert into settlement (setl_id, msgid, mdtrt_id, psn_no, institution, insutype,"
        " chrg_bchno, day, state, total_fen, fund_fen, account_fen, cash_fen, hospital_fen,"
        " setlinfo, setldetail, moves)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, 'LIVE', ?, ?, ?, ?, ?, ?, ?, ?)",
        setl_id,
        message.msgid,
        prepared.visit["mdtrt_id"],
        prepared.person.psn_no,
        message.institution,
        prepared.enrolment.insutype,
        prepared.batch,
        at.strftime("%Y-%m-%d"),
        division.total_fen,
        division.fund_fen,
        division.account_fen,
        division.cash_fen,
        division.hospital_fen,
        json.dumps(info, ensure_ascii=False),
        json.dumps(details, ensure_ascii=False),
        json.dumps(moves),
    )
    return {"setlinfo": info, "setldetail": details}


def _moves(division: Division, kind: str) -> dict[str, int]:
    moves = {
        f"{kind}.dedc": division.deductible_fen,
        f"{kind}.pool": division.pool_fen,
        "ip.base": division.catastrophic_base_fen,
        "ip.large": division.large_cost_base_fen,
        "ip.times": 1 if kind == "ip" else 0,
        "balance": division.mutual_fen - division.account_fen,
        "mutual": -division.mutual_fen,
    }
    return {name: moved for name, moved in moves.items() if moved}
