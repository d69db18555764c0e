"""Stays in hospital: 2401 to 2405, 2301 to 2304 (dossier 1.8).

stay  ADMITTED -> DISCHARGED (2402) -> ADMITTED (2405, no live last settlement)
      ADMITTED -> CANCELLED (2404, no charge and no live settlement; 2601 of the 2401)
"""

from typing import Any

import msgspec

from integrations.sandbox.insurance import settling
from integrations.sandbox.insurance.book import Book, Row
from integrations.sandbox.insurance.desk import proved_person
from integrations.sandbox.insurance.engine import LineSplit, split_line
from integrations.sandbox.insurance.model import Message, Refused, need, node, rows
from integrations.sandbox.insurance.policy import Policy
from integrations.sandbox.insurance.stay_lines import mark_settled, net_line
from integrations.sandbox.insurance.visits import (
    LINES_MAX,
    STAYS,
    enrolment_of,
    known_visit,
    line_result,
    read_line,
)

EVERY_LINE = "0000"
FINAL, MID = "final", "mid"
"""Which settlement of a stay it is, in the book's column of batches."""
TOLD_AT_ADMISSION = (
    ("atddr_no", 30),
    ("chfpdr_name", 50),
    ("adm_diag_dscr", 200),
    ("adm_dept_codg", 30),
    ("adm_dept_name", 100),
    ("adm_bed", 30),
    ("dscg_maindiag_code", 20),
    ("dscg_maindiag_name", 300),
)


def admit(book: Book, message: Message) -> dict[str, Any]:
    """2401: one stay of a person at a time, wherever."""
    asked = node(message.input, "mdtrtinfo")
    psn_no = need(asked, "psn_no", 30)
    person = proved_person(book, asked, message.at)
    if person.psn_no != psn_no:
        raise Refused("人员编号与凭证不一致")
    insutype = need(asked, "insutype", 6)
    enrolment_of(person, insutype, message)
    med_type, begun = _check_admission(message)
    number = need(asked, "ipt_no", 30)
    if book.one("select 1 from visit where psn_no = ? and state = 'ADMITTED'", psn_no):
        raise Refused("人员已在院，不能重复入院登记")
    if book.one(
        "select 1 from visit where institution = ? and ipt_otp_no = ? and state <> 'CANCELLED'",
        message.institution,
        number,
    ):
        raise Refused("住院号已登记")
    mdtrt_id = f"{message.area}{book.next_number('visit'):015d}"
    book.run(
        "insert into visit values (?, ?, ?, ?, ?, ?, ?, 'ADMITTED')",
        mdtrt_id,
        psn_no,
        message.institution,
        insutype,
        number,
        begun,
        med_type,
    )
    book.run("insert into stay values (?, ?)", mdtrt_id, message.msgid)
    return {"result": {"mdtrt_id": mdtrt_id}}


def _check_admission(message: Message) -> tuple[str, str]:
    asked = node(message.input, "mdtrtinfo")
    med_type = need(asked, "med_type", 6)
    if med_type not in settling.INPATIENT:
        raise Refused("医疗类别不是住院")
    for name, length in TOLD_AT_ADMISSION:
        need(asked, name, length)
    _check_diagnoses(message)
    return med_type, need(asked, "begntime", 19)


def _check_diagnoses(message: Message) -> None:
    found = rows(message.input, "diseinfo", 50)
    for row in found:
        for name, length in (("diag_type", 3), ("diag_code", 20), ("diag_name", 100)):
            need(row, name, length)
    if [row.get("maindiag_flag") for row in found].count("1") != 1:
        raise Refused("须有且仅有一个主诊断")


def live_stay(book: Book, asked: dict[str, Any], message: Message) -> Row:
    """The stay that person and institution name, not cancelled. Raises ``Refused``."""
    row = known_visit(book, asked, message)
    if row["state"] not in STAYS:
        raise Refused("住院信息不存在或已撤销")
    return row


def _has_live(book: Book, mdtrt_id: str, batch: str | None = None) -> bool:
    found = book.one(
        "select 1 from settlement where mdtrt_id = ? and state = 'LIVE'"
        " and (? is null or chrg_bchno = ?)",
        mdtrt_id,
        batch,
        batch,
    )
    return found is not None


def change(book: Book, message: Message) -> None:
    """2403: repeating overwrites; the kind of stay stays once something is settled."""
    stay = live_stay(book, node(message.input, "mdtrtinfo"), message)
    med_type, begun = _check_admission(message)
    if stay["state"] != "ADMITTED":
        raise Refused("已出院，不能变更入院信息")
    if med_type != stay["med_type"] and _has_live(book, stay["mdtrt_id"]):
        raise Refused("已有结算，不能变更医疗类别")
    book.run(
        "update visit set med_type = ?, begntime = ? where mdtrt_id = ?",
        med_type,
        begun,
        stay["mdtrt_id"],
    )


def cancel(book: Book, message: Message) -> None:
    """2404: last in the order 2305, 2302, 2405, 2404."""
    stay = live_stay(book, node(message.input, "data"), message)
    _close(book, stay)


def undo_admission(book: Book, omsgid: str) -> None:
    """2601 of a 2401."""
    row = book.one(
        "select v.* from visit v join stay s on s.mdtrt_id = v.mdtrt_id where s.msgid = ?", omsgid
    )
    if row is not None and row["state"] != "CANCELLED":
        _close(book, row)


def _close(book: Book, stay: Row) -> None:
    mdtrt_id = stay["mdtrt_id"]
    if stay["state"] != "ADMITTED":
        raise Refused("已出院，须先撤销出院")
    if _has_live(book, mdtrt_id):
        raise Refused("存在未撤销的结算，不能撤销入院")
    if book.one("select 1 from stay_line where mdtrt_id = ?", mdtrt_id):
        raise Refused("存在费用明细，须先撤销明细")
    book.run("update visit set state = 'CANCELLED' where mdtrt_id = ?", mdtrt_id)


def discharge(book: Book, message: Message) -> None:
    """2402: before or after the last settlement, as the region has it."""
    asked = node(message.input, "dscginfo")
    stay = live_stay(book, asked, message)
    for name, length in (("dscg_dept_codg", 30), ("dscg_dept_name", 100), ("dscg_way", 3)):
        need(asked, name, length)
    if need(asked, "endtime", 19) < stay["begntime"]:
        raise Refused("出院时间早于入院时间")
    if need(asked, "insutype", 6) != stay["insutype"]:
        raise Refused("险种与就诊信息不一致")
    _check_diagnoses(message)
    if stay["state"] != "ADMITTED":
        raise Refused("已办理出院")
    settled = _has_live(book, stay["mdtrt_id"], FINAL)
    if book.style().discharge_order == "after-settlement" and not settled:
        raise Refused("未结算，不能办理出院")
    book.run("update visit set state = 'DISCHARGED' where mdtrt_id = ?", stay["mdtrt_id"])


def cancel_discharge(book: Book, message: Message) -> None:
    """2405."""
    stay = live_stay(book, node(message.input, "data"), message)
    if stay["state"] != "DISCHARGED":
        raise Refused("未办理出院")
    if _has_live(book, stay["mdtrt_id"], FINAL):
        raise Refused("已出院结算，须先撤销结算")
    if book.one("select 1 from visit where psn_no = ? and state = 'ADMITTED'", stay["psn_no"]):
        raise Refused("人员已再次入院")
    book.run("update visit set state = 'ADMITTED' where mdtrt_id = ?", stay["mdtrt_id"])


def upload(book: Book, message: Message) -> dict[str, Any]:
    """2301: all of the lines or none; a return takes off its own line, in its own stay."""
    results = []
    for asked in rows(message.input, "feedetail", LINES_MAX):
        stay = live_stay(book, asked, message)
        mdtrt_id = stay["mdtrt_id"]
        if _has_live(book, mdtrt_id, FINAL):
            raise Refused("已出院结算，不能上传明细")
        if need(asked, "med_type", 6) != stay["med_type"]:
            raise Refused("医疗类别与住院信息不一致")
        number = need(asked, "feedetl_sn", 30)
        if number == EVERY_LINE or book.one(
            "select 1 from stay_line where mdtrt_id = ? and feedetl_sn = ?", mdtrt_id, number
        ):
            raise Refused("费用明细流水号重复或不可用")
        results.append(_take(book, asked, mdtrt_id, str(asked.get("init_feedetl_sn") or "")))
    return {"result": results}


def _take(book: Book, asked: dict[str, Any], mdtrt_id: str, init_sn: str) -> dict[str, str]:
    line, item, price = read_line(book, asked, back=bool(init_sn))
    split = split_line(line)
    if init_sn:
        before = net_line(book, mdtrt_id, init_sn)
        if before is None:
            raise Refused("原费用明细不存在或已结算")
        if (item.code, price) != _sold(book, mdtrt_id, init_sn):
            raise Refused("退费项目或单价与原明细不一致")
        after = msgspec.structs.replace(
            before,
            amount_fen=before.amount_fen - line.amount_fen,
            quantity_e4=before.quantity_e4 - line.quantity_e4,
        )
        if after.amount_fen < 0 or after.quantity_e4 < 0:
            raise Refused("退费数量或金额超出原明细")
        split = _less(split_line(before), split_line(after))
    book.run(
        "insert into stay_line values (?, ?, ?, ?, ?, ?, null, null)",
        mdtrt_id,
        line.number,
        init_sn,
        msgspec.json.encode(line).decode(),
        item.code,
        price,
    )
    told = line_result(line, item, price, split)
    return {**told, **_negative(told)} if init_sn else told


def _sold(book: Book, mdtrt_id: str, number: str) -> tuple[str, int] | None:
    row = book.one(
        "select code, price_e6 from stay_line where mdtrt_id = ? and feedetl_sn = ?",
        mdtrt_id,
        number,
    )
    return None if row is None else (row["code"], row["price_e6"])


def _less(before: LineSplit, after: LineSplit) -> LineSplit:
    """What a return takes off each part, so that parts always sum to those of what is left."""
    return LineSplit(
        full_own_fen=before.full_own_fen - after.full_own_fen,
        over_limit_fen=before.over_limit_fen - after.over_limit_fen,
        first_pay_fen=before.first_pay_fen - after.first_pay_fen,
        in_scope_fen=before.in_scope_fen - after.in_scope_fen,
    )


def _negative(told: dict[str, str]) -> dict[str, str]:
    turned = {}
    for name in ("det_item_fee_sumamt", "cnt", *RESULT_PARTS):
        text = told[name]
        if text.strip("0."):
            turned[name] = text[1:] if text.startswith("-") else f"-{text}"
    return turned


RESULT_PARTS = ("fulamt_ownpay_amt", "overlmt_amt", "preselfpay_amt", "inscp_scp_amt")


def withdraw(book: Book, message: Message) -> None:
    """2302: one open line, or all with 0000. None left is fine."""
    asked = node(message.input, "data")
    stay = live_stay(book, asked, message)
    number, mdtrt_id = need(asked, "feedetl_sn", 30), stay["mdtrt_id"]
    if number == EVERY_LINE:
        book.run("delete from stay_line where mdtrt_id = ? and setl_id is null", mdtrt_id)
        return
    if book.one(
        "select 1 from stay_line where mdtrt_id = ? and feedetl_sn = ? and setl_id is not null",
        mdtrt_id,
        number,
    ):
        raise Refused("明细已结算，不能撤销")
    if book.one("select 1 from stay_line where mdtrt_id = ? and init_sn = ?", mdtrt_id, number):
        raise Refused("明细已有退费，须先撤销退费明细")
    book.run("delete from stay_line where mdtrt_id = ? and feedetl_sn = ?", mdtrt_id, number)


def _prepare(book: Book, message: Message, policy: Policy) -> settling.Prepared:
    asked = node(message.input, "data")
    stay = live_stay(book, asked, message)
    flag = need(asked, "mid_setl_flag", 3)
    if flag not in ("0", "1"):
        raise Refused("中途结算标志不符")
    if _has_live(book, stay["mdtrt_id"], FINAL):
        raise Refused("已出院结算")
    if flag == "1" and stay["state"] != "ADMITTED":
        raise Refused("已出院，不能中途结算")
    prepared = settling.prepared_of(book, message, policy, stay, MID if flag == "1" else FINAL)
    settling.check_scope(prepared)
    return prepared


def presettle(book: Book, message: Message, policy: Policy) -> dict[str, Any]:
    """2303: changes nothing."""
    return settling.shown(message, _prepare(book, message, policy))


def settle(book: Book, message: Message, policy: Policy) -> dict[str, Any]:
    """2304: every open line of the stay."""
    prepared = _prepare(book, message, policy)
    discharged = prepared.visit["state"] == "DISCHARGED"
    before = book.style().discharge_order == "before-settlement"
    if prepared.batch == FINAL and before and not discharged:
        raise Refused("未办理出院，不能出院结算")
    output = settling.enter(book, message, prepared)
    mark_settled(book, prepared.visit["mdtrt_id"], output["setlinfo"]["setl_id"])
    return output
