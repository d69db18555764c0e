"""Visits and charges: 2201, 2202, 2203, 2204, 2205 (dossier 1.7).

visit  REGISTERED -> TOLD (2203) ; either -> CANCELLED (2202, no live settlement)
line   uploaded -> settled ; settled -> uploaded when the settlement is undone ; withdrawn: gone
"""

from typing import Any

import msgspec

from integrations.sandbox.insurance.book import Book, Row
from integrations.sandbox.insurance.desk import proved_person
from integrations.sandbox.insurance.engine import (
    SELF_PAID_LEVEL,
    FeeLine,
    LineSplit,
    split_line,
)
from integrations.sandbox.insurance.exact import fen, half_up, scaled, unscaled, yuan
from integrations.sandbox.insurance.model import (
    FEN_MAX,
    CatalogueItem,
    Enrolment,
    Message,
    Person,
    Refused,
    need,
    node,
    rows,
)

LINES_MAX = 100
EVERY_BATCH = "0000"
STAYS = frozenset({"ADMITTED", "DISCHARGED"})
"""States of stays in hospital, which have transactions of their own (``stays``)."""
NO_LIMIT_E6 = 999_999 * 10**6


def enrolment_of(person: Person, insutype: str, message: Message) -> Enrolment:
    """The live enrolment that the message names by insurance and region. Raises ``Refused``."""
    for enrolment in person.enrolments:
        if enrolment.insutype == insutype and enrolment.psn_insu_stas == "1":
            if enrolment.insuplc_admdvs != message.insuplc:
                raise Refused("参保地与人员信息不一致")
            return enrolment
    raise Refused("人员无该险种有效参保信息")


def register(book: Book, message: Message) -> dict[str, Any]:
    """2201."""
    asked = node(message.input, "data")
    psn_no = need(asked, "psn_no", 30)
    person = proved_person(book, asked, message.at)
    if person.psn_no != psn_no:
        raise Refused("人员编号与凭证不一致")
    insutype = need(asked, "insutype", 6)
    enrolment_of(person, insutype, message)
    for name, length in (("atddr_no", 30), ("dr_name", 50), ("dept_code", 30), ("caty", 6)):
        need(asked, name, length)
    number = need(asked, "ipt_otp_no", 30)
    begun = need(asked, "begntime", 19)
    if book.one(
        "select 1 from visit where institution = ? and ipt_otp_no = ? and state <> 'CANCELLED'",
        message.institution,
        number,
    ):
        raise Refused("门诊号已登记")
    mdtrt_id = f"{message.area}{book.next_number('visit'):015d}"
    book.run(
        "insert into visit values (?, ?, ?, ?, ?, ?, '', 'REGISTERED')",
        mdtrt_id,
        psn_no,
        message.institution,
        insutype,
        number,
        begun,
    )
    return {"data": {"mdtrt_id": mdtrt_id, "psn_no": psn_no, "ipt_otp_no": number}}


def known_visit(book: Book, asked: dict[str, Any], message: Message) -> Row:
    """The visit or stay that person and institution name. Raises ``Refused``."""
    row = book.one("select * from visit where mdtrt_id = ?", need(asked, "mdtrt_id", 30))
    if row is None or row["institution"] != message.institution:
        raise Refused("就诊信息不存在")
    if row["psn_no"] != need(asked, "psn_no", 30):
        raise Refused("人员编号与就诊信息不一致")
    return row


def live_visit(book: Book, asked: dict[str, Any], message: Message) -> Row:
    """The outpatient visit that is named, not cancelled. Raises ``Refused``."""
    row = known_visit(book, asked, message)
    if row["state"] == "CANCELLED":
        raise Refused("就诊信息已撤销")
    if row["state"] in STAYS:
        raise Refused("就诊信息不是门诊就诊")
    return row


def cancel(book: Book, message: Message) -> None:
    """2202: refused while a settlement lives; takes unsettled lines along."""
    asked = node(message.input, "data")
    visit = live_visit(book, asked, message)
    if visit["ipt_otp_no"] != need(asked, "ipt_otp_no", 30):
        raise Refused("门诊号与就诊信息不一致")
    if book.one(
        "select 1 from settlement where mdtrt_id = ? and state = 'LIVE'", visit["mdtrt_id"]
    ):
        raise Refused("存在未撤销的结算，不能撤销挂号")
    book.run("delete from line where mdtrt_id = ?", visit["mdtrt_id"])
    book.run("update visit set state = 'CANCELLED' where mdtrt_id = ?", visit["mdtrt_id"])


def tell(book: Book, message: Message) -> None:
    """2203, 2203A: repeating overwrites while nothing is settled."""
    asked = node(message.input, "mdtrtinfo")
    visit = live_visit(book, asked, message)
    med_type = need(asked, "med_type", 6)
    need(asked, "begntime", 19)
    for row in rows(message.input, "diseinfo", 50):
        for name, length in (("diag_type", 3), ("diag_code", 20), ("diag_name", 100)):
            need(row, name, length)
    if med_type != visit["med_type"] and book.one(
        "select 1 from settlement where mdtrt_id = ? and state = 'LIVE'", visit["mdtrt_id"]
    ):
        raise Refused("已有结算，不能变更医疗类别")
    book.run(
        "update visit set med_type = ?, state = 'TOLD' where mdtrt_id = ?",
        med_type,
        visit["mdtrt_id"],
    )


def upload(book: Book, message: Message) -> dict[str, Any]:
    """2204: the batch as a whole or not at all."""
    found = rows(message.input, "feedetail", LINES_MAX)
    results = []
    for asked in found:
        visit = live_visit(book, asked, message)
        batch = need(asked, "chrg_bchno", 30)
        if batch == EVERY_BATCH:
            raise Refused("收费批次号不可用")
        if book.one(
            "select 1 from line where mdtrt_id = ? and chrg_bchno = ? and setl_id is not null",
            visit["mdtrt_id"],
            batch,
        ):
            raise Refused("该批次已结算")
        line, item, price = read_line(book, asked)
        if book.one(
            "select 1 from line where mdtrt_id = ? and feedetl_sn = ?",
            visit["mdtrt_id"],
            line.number,
        ):
            raise Refused("费用明细流水号重复")
        book.run(
            "insert into line values (?, ?, ?, ?, null)",
            visit["mdtrt_id"],
            line.number,
            batch,
            msgspec.json.encode(line).decode(),
        )
        results.append(line_result(line, item, price, split_line(line)))
    return {"result": results}


def read_line(
    book: Book, asked: dict[str, Any], *, back: bool = False
) -> tuple[FeeLine, CatalogueItem, int]:
    """A charge line by size, its item and its price; ``back`` where both must be below zero.

    Raises ``Refused``.
    """
    code = need(asked, "med_list_codg", 50)
    item = book.item(code) or CatalogueItem(
        code=code, level=SELF_PAID_LEVEL, selfpay_e4=10_000, limit_e6=NO_LIMIT_E6
    )
    try:
        amount = fen(asked.get("det_item_fee_sumamt"))
        quantity = scaled(asked.get("cnt"), 4)
        price = scaled(asked.get("pric"), 6)
    except ValueError:
        raise Refused("金额、数量或单价格式不符") from None
    if back:
        amount, quantity = -amount, -quantity
    if not (0 <= amount <= FEN_MAX and 0 < quantity <= 10**12 and 0 <= price <= 10**15):
        raise Refused("金额、数量或单价超出范围")
    if half_up(quantity * price, 10**8) != amount:
        raise Refused("数量乘单价与明细金额不符")
    line = FeeLine(
        number=need(asked, "feedetl_sn", 30),
        amount_fen=amount,
        quantity_e4=quantity,
        limit_e6=item.limit_e6,
        selfpay_e4=item.selfpay_e4,
        level=_level(item, str(asked.get("hosp_appr_flag", ""))),
    )
    return line, item, price


def _level(item: CatalogueItem, approval: str) -> str:
    """Restricted drugs are covered only when approved (1); others unless withdrawn (2)."""
    covered = approval == "1" if item.restricted else approval != "2"
    return item.level if covered else SELF_PAID_LEVEL


def line_result(
    line: FeeLine, item: CatalogueItem, price_e6: int, split: LineSplit
) -> dict[str, str]:
    """One of ``result``."""
    self_paid = line.level == SELF_PAID_LEVEL
    return {
        "feedetl_sn": line.number,
        "det_item_fee_sumamt": yuan(line.amount_fen),
        "cnt": unscaled(line.quantity_e4, 4),
        "pric": unscaled(price_e6, 6),
        "pric_uplmt_amt": unscaled(line.limit_e6, 6),
        "selfpay_prop": unscaled(10_000 if self_paid else line.selfpay_e4, 4),
        "fulamt_ownpay_amt": yuan(split.full_own_fen),
        "overlmt_amt": yuan(split.over_limit_fen),
        "preselfpay_amt": yuan(split.first_pay_fen),
        "inscp_scp_amt": yuan(split.in_scope_fen),
        "chrgitm_lv": line.level,
        "med_chrgitm_type": item.kind,
        "bas_medn_flag": "0",
        "hi_nego_drug_flag": "0",
        "chld_medc_flag": "0",
        "list_sp_item_flag": "0",
        "lmt_used_flag": "1" if item.restricted else "0",
        "drt_reim_flag": "0",
        "memo": "",
    }


def withdraw(book: Book, message: Message) -> None:
    """2205: unsettled lines of a batch, or of all batches with 0000. None left is fine."""
    asked = node(message.input, "data")
    visit = live_visit(book, asked, message)
    batch = need(asked, "chrg_bchno", 30)
    if batch == EVERY_BATCH:
        book.run(
            "delete from line where mdtrt_id = ? and setl_id is null",
            visit["mdtrt_id"],
        )
        return
    if book.one(
        "select 1 from line where mdtrt_id = ? and chrg_bchno = ? and setl_id is not null",
        visit["mdtrt_id"],
        batch,
    ):
        raise Refused("该批次已结算，不能撤销明细")
    book.run(
        "delete from line where mdtrt_id = ? and chrg_bchno = ?",
        visit["mdtrt_id"],
        batch,
    )
