"""Orders of the mobile payment centre: 6201, 6202, 6301, 6401 (dossier 5.1 to 5.3).

order  0 saved -> 2 waits for own money (6202) -> 6 complete (own money came, the bureau settled)
       0 -> 6 (6202, nothing of his own to pay) ; 0, 2 -> 12 revoked (6401)
       0, 2 -> 15 failed (two hours gone; or the bureau divides otherwise than it did)
       6 -> 7 to 11 (6203, ``mobile_refunds``) ; 6 -> 14 (the sides disagree)

A settlement stands in the same book as those of the institution interface.
"""

import hashlib
import json
import secrets
from datetime import datetime
from typing import Any

import msgspec

from integrations.sandbox.insurance import settling
from integrations.sandbox.insurance.book import Book, Row
from integrations.sandbox.insurance.engine import split_line
from integrations.sandbox.insurance.exact import fen, yuan
from integrations.sandbox.insurance.mobile_seal import MobileApp, compact
from integrations.sandbox.insurance.model import Message, Person, Refused, local, need, rows
from integrations.sandbox.insurance.policy import Policy
from integrations.sandbox.insurance.visits import LINES_MAX, enrolment_of, live_visit, read_line

ORDER_LIFE_S = 2 * 60 * 60
AUTHORISATION_LIFE_S = 10 * 60
OPEN = ("0", "2")
LINE_NAMES = {
    "feedetl_sn": "feedetlSn",
    "med_list_codg": "medListCodg",
    "det_item_fee_sumamt": "detItemFeeSumamt",
    "cnt": "cnt",
    "pric": "pric",
    "hosp_appr_flag": "hospApprFlag",
}
SCOPE_NAMES = (
    ("fulamtOwnpayAmt", "full_own_fen", "fulamt_ownpay_amt"),
    ("overlmtSelfpay", "over_limit_fen", "overlmt_selfpay"),
    ("preselfpayAmt", "first_pay_fen", "preselfpay_amt"),
    ("inscpScpAmt", "in_scope_fen", "inscp_scp_amt"),
)
AMOUNTS = ("feeSumamt", "fundPay", "psnAcctPay", "ownPayAmt", "hospPartAmt", "othFeeAmt")


def authorise(book: Book, psn_no: str, at: datetime) -> str:
    """A payer says yes on his phone: ``payAuthNo``, for one order."""
    if book.person(psn_no) is None:
        raise Refused("未找到人员信息")
    stamp = local(at).strftime("%Y%m%d%H%M%S")
    number = f"AUTH{stamp}{secrets.randbelow(10**12):012d}"
    book.run(
        "insert into authorisation values (?, ?, ?, '')",
        number,
        psn_no,
        int(at.timestamp()) + AUTHORISATION_LIFE_S,
    )
    return number


def proof_in(asked: dict[str, Any]) -> tuple[str, str]:
    """Kind and number of the one proof that is there. Raises ``Refused``."""
    found = [(name, str(asked[name])) for name in ("ecToken", "payAuthNo") if asked.get(name)]
    if len(found) != 1:
        raise Refused("ecToken 与 payAuthNo 须且只须其一")
    return found[0]


def proved(book: Book, proof: tuple[str, str], at: datetime, order: str) -> Person:
    """Whose proof it is; an authorisation serves the one order it was first used for."""
    kind, number = proof
    sql = {
        "ecToken": "select psn_no, expires_s, '' as order_ref from token where token = ?",
        "payAuthNo": "select psn_no, expires_s, order_ref from authorisation where number = ?",
    }[kind]
    row = book.one(sql, number)
    if row is None or row["order_ref"] not in ("", order):
        raise Refused("授权无效或已使用")
    bound = row["order_ref"] == order and order != ""
    if not bound and row["expires_s"] <= int(at.timestamp()):
        raise Refused("授权已过期")
    person = book.person(row["psn_no"])
    if person is None:
        raise Refused("未找到人员信息")
    return person


def digest_of(asked: dict[str, Any]) -> str:
    """Over everything but the proof, which differs at a repetition."""
    told = {name: value for name, value in asked.items() if name not in ("ecToken", "payAuthNo")}
    return hashlib.sha256(compact(told).encode()).hexdigest()


def message_of(
    book: Book, app: MobileApp, at: datetime, region: str, data: dict[str, Any]
) -> Message:
    """What the institution interface would have been sent, numbered beyond what it uses itself."""
    serial = 9000 + book.next_number("mobile-message") % 1000
    return Message(
        infno="6202",
        msgid=f"{app.institution}{local(at):%Y%m%d%H%M%S}{serial:04d}",
        institution=app.institution,
        area=region,
        insuplc=region,
        operator="",
        sign_no="",
        at=at,
        input={"data": data},
    )


def upload(book: Book, app: MobileApp, asked: dict[str, Any], at: datetime) -> dict[str, Any]:
    """6201: the same ``medOrgOrd`` with the same bill gives the same order."""
    if need(asked, "orgCodg", 12) != app.institution:
        raise Refused("机构与应用不一致")
    number, digest = need(asked, "medOrgOrd", 64), digest_of(asked)
    known = book.one(
        "select * from mobile_order where institution = ? and number = ?", app.institution, number
    )
    if known is not None:
        if known["digest"] != digest:
            raise Refused("medOrgOrd 重复而内容不同")
        return _opened(known)
    proof = proof_in(asked)
    person = proved(book, proof, at, "")
    _check_person(person, asked)
    batch = need(asked, "chrgBchno", 30)
    # Of an order in one of these states nothing stands: its charges may be uploaded anew.
    if book.one(
        "select 1 from mobile_order where psn_no = ? and institution = ? and batch = ?"
        " and state not in ('7', '12', '13', '15')",
        person.psn_no,
        app.institution,
        batch,
    ):
        raise Refused("该批次费用已有订单")
    message = message_of(book, app, at, need(asked, "insuCode", 6), {})
    enrolment_of(person, need(asked, "insutype", 6), message)
    order = f"ORD{message.area}{local(at):%Y%m%d%H%M%S}{book.next_number('mobile'):09d}"
    mdtrt_id, own_visit = _visit(book, app, asked, message, order)
    _take_lines(book, asked, mdtrt_id, batch)
    book.run(
        "insert into mobile_order values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '0', ?, '{}', null)",
        order,
        f"TK{secrets.token_hex(17)}",
        app.app_id,
        app.institution,
        number,
        digest,
        person.psn_no,
        mdtrt_id,
        int(own_visit),
        batch,
        proof[1],
        compact(_kept(asked)),
        int(at.timestamp()),
    )
    if proof[0] == "payAuthNo":
        book.run("update authorisation set order_ref = ? where number = ?", order, proof[1])
    row = book.one("select * from mobile_order where order_ref = ?", order)
    if row is None:
        raise Refused("订单保存失败")
    return _opened(row)


def _kept(asked: dict[str, Any]) -> dict[str, Any]:
    names = ("insuCode", "insutype", "medType", "idNo", "userName", "psnSetlway", "medfeeSumamt")
    kept = {name: asked[name] for name in names}
    return kept | {name: asked[name] for name, _, _ in SCOPE_NAMES}


def _opened(row: Row) -> dict[str, Any]:
    return {
        "payOrdId": row["order_ref"],
        "payToken": row["token"],
        "ordStas": row["state"],
        "extData": {"mdtrtId": row["mdtrt_id"]},
    }


def _check_person(person: Person, asked: dict[str, Any]) -> None:
    told = (need(asked, "psnNo", 30), need(asked, "idNo", 50), need(asked, "userName", 50))
    if told != (person.psn_no, person.certno, person.psn_name):
        raise Refused("人员信息与授权不一致")
    if asked.get("idType") != "01" or asked.get("feeType") != "01":
        raise Refused("idType 或 feeType 取值不符")
    for name, length in (("iptOtpNo", 30), ("deptCode", 30), ("caty", 6), ("uldLatlnt", 64)):
        need(asked, name, length)
    for row in rows(asked, "diseinfoList", 50):
        need(row, "diagCode", 20)


def _visit(
    book: Book, app: MobileApp, asked: dict[str, Any], message: Message, order: str
) -> tuple[str, bool]:
    """The visit that is named, or one of the order's own."""
    if asked.get("mdtrtId"):
        named = {"mdtrt_id": asked["mdtrtId"], "psn_no": asked["psnNo"]}
        visit = live_visit(book, named, message)
        if (visit["med_type"], visit["insutype"]) != (asked.get("medType"), asked["insutype"]):
            raise Refused("医疗类别或险种与就诊信息不一致")
        return str(visit["mdtrt_id"]), False
    mdtrt_id = f"{message.area}{book.next_number('visit'):015d}"
    book.run(
        "insert into visit values (?, ?, ?, ?, ?, ?, ?, 'TOLD')",
        mdtrt_id,
        asked["psnNo"],
        app.institution,
        asked["insutype"],
        f"{asked['iptOtpNo']}/{order}",
        need(asked, "begntime", 19),
        need(asked, "medType", 6),
    )
    return mdtrt_id, True


def _take_lines(book: Book, asked: dict[str, Any], mdtrt_id: str, batch: str) -> None:
    total, scope = 0, dict.fromkeys((part for _, part, _ in SCOPE_NAMES), 0)
    for row in rows(asked, "feedetailList", LINES_MAX):
        if row.get("chrgBchno") != batch or row.get("psnNo") != asked["psnNo"]:
            raise Refused("明细批次或人员与订单不一致")
        line, _, _ = read_line(book, {ours: row.get(name) for ours, name in LINE_NAMES.items()})
        split = split_line(line)
        total += line.amount_fen
        for part in scope:
            scope[part] += getattr(split, part)
        if not book.run(
            "insert or ignore into line values (?, ?, ?, ?, null)",
            mdtrt_id,
            line.number,
            batch,
            msgspec.json.encode(line).decode(),
        ):
            raise Refused("费用明细流水号重复")
    told = {part: _amount(asked, name) for name, part, _ in SCOPE_NAMES}
    if _amount(asked, "medfeeSumamt") != total or told != scope:
        raise Refused("总额或分割金额与明细合计不符")


def _amount(asked: dict[str, Any], name: str) -> int:
    try:
        return fen(asked.get(name))
    except ValueError:
        raise Refused(f"{name} 格式不符") from None


def find(book: Book, app: MobileApp, asked: dict[str, Any], at: datetime) -> Row:
    """The order that is named with its token, grown old where its time is over."""
    row = book.one("select * from mobile_order where order_ref = ?", need(asked, "payOrdId", 64))
    if row is None or row["institution"] != app.institution:
        raise Refused("订单不存在")
    if need(asked, "orgCodg", 12) != app.institution or row["token"] != asked.get("payToken"):
        raise Refused("机构或 payToken 不符")
    if row["state"] in OPEN and int(at.timestamp()) > row["made_s"] + ORDER_LIFE_S:
        set_state(book, row, "15")
        return find(book, app, asked, at)
    return row


def set_state(book: Book, row: Row, state: str) -> None:
    """Move an order; one that ends without settlement gives its charges back."""
    book.run("update mobile_order set state = ? where order_ref = ?", state, row["order_ref"])
    if state in ("12", "15"):
        book.run(
            "delete from line where mdtrt_id = ? and chrg_bchno = ? and setl_id is null",
            row["mdtrt_id"],
            row["batch"],
        )
        if row["own_visit"]:
            book.run("update visit set state = 'CANCELLED' where mdtrt_id = ?", row["mdtrt_id"])


def shown(row: Row) -> dict[str, Any]:
    """6202 and 6301 out, 6302."""
    amounts = json.loads(row["amounts"])
    return {
        "payOrdId": row["order_ref"],
        "medOrgOrd": row["number"],
        "ordStas": row["state"],
        "callType": "02",
        **amounts,
        **({"setlType": "ALL"} if row["state"] == "6" else {}),
    }


def _prepared(
    book: Book, app: MobileApp, row: Row, flag: str, at: datetime, policy: Policy
) -> tuple[Message, settling.Prepared]:
    kept = json.loads(row["doc"])
    data = {
        "mdtrt_id": row["mdtrt_id"],
        "psn_no": row["psn_no"],
        "mdtrt_cert_type": "02",
        "mdtrt_cert_no": kept["idNo"],
        "insutype": kept["insutype"],
        "psn_setlway": kept["psnSetlway"],
        "acct_used_flag": flag,
        "medfee_sumamt": kept["medfeeSumamt"],
        **{wire: kept[name] for name, _, wire in SCOPE_NAMES},
    }
    message = message_of(book, app, at, kept["insuCode"], data)
    visit = live_visit(book, data, message)
    return message, settling.prepared_of(book, message, policy, visit, row["batch"])


def pay(
    book: Book, app: MobileApp, asked: dict[str, Any], at: datetime, policy: Policy
) -> dict[str, Any]:
    """6202: divides; own money is waited for. Repeating it shows where the order stands."""
    row = find(book, app, asked, at)
    if proof_in(asked)[1] != row["proof"]:
        raise Refused("授权与订单不一致")
    flag = need(asked, "acctUsedFlag", 1)
    need(asked, "orgBizSer", 64)
    if need(asked, "chrgBchno", 30) != row["batch"] or flag not in ("0", "1"):
        raise Refused("批次或个人账户标志不符")
    if row["state"] == "0":
        _, prepared = _prepared(book, app, row, flag, at, policy)
        amounts = _amounts(prepared) | {"acctUsedFlag": flag}
        book.run(
            "update mobile_order set state = '2', amounts = ? where order_ref = ?",
            json.dumps(amounts),
            row["order_ref"],
        )
        if amounts["ownPayAmt"] == "0.00":
            complete(book, app, find(book, app, asked, at), at, policy)
        row = find(book, app, asked, at)
    return shown(row)


def _amounts(prepared: settling.Prepared) -> dict[str, str]:
    division = prepared.division
    sizes = (
        division.total_fen,
        division.fund_fen,
        division.account_fen,
        division.cash_fen,
        division.hospital_fen,
        0,
    )
    return dict(zip(AMOUNTS, map(yuan, sizes), strict=True))


def complete(book: Book, app: MobileApp, row: Row, at: datetime, policy: Policy) -> None:
    """Own money is there: the bureau settles, or will not because it divides otherwise now."""
    if row["state"] != "2":
        raise Refused("订单不在待支付状态")
    held = json.loads(row["amounts"])
    message, prepared = _prepared(book, app, row, held["acctUsedFlag"], at, policy)
    if _amounts(prepared).items() - held.items():
        set_state(book, row, "15")
        return
    output = settling.enter(book, message, prepared)
    setl_id = output["setlinfo"]["setl_id"]
    book.run(
        "update line set setl_id = ? where mdtrt_id = ? and chrg_bchno = ?",
        setl_id,
        row["mdtrt_id"],
        row["batch"],
    )
    book.run(
        "update mobile_order set state = '6', setl_id = ? where order_ref = ?",
        setl_id,
        row["order_ref"],
    )


def query(book: Book, app: MobileApp, asked: dict[str, Any], at: datetime) -> dict[str, Any]:
    """6301."""
    row = find(book, app, asked, at)
    _check_payer(row, asked)
    return shown(row)


def _check_payer(row: Row, asked: dict[str, Any]) -> None:
    kept = json.loads(row["doc"])
    if (asked.get("idNo"), asked.get("userName")) != (kept["idNo"], kept["userName"]):
        raise Refused("人员信息与订单不一致")


def revoke(book: Book, app: MobileApp, asked: dict[str, Any], at: datetime) -> dict[str, Any]:
    """6401: only while nothing is settled; a second time is fine."""
    row = find(book, app, asked, at)
    _check_payer(row, asked)
    if row["state"] in OPEN:
        set_state(book, row, "12")
    elif row["state"] not in ("12", "15"):
        return {"success": False, "message": "订单已结算，请退费"}
    return {"success": True, "message": "撤销成功"}
