"""Who is there: sign-in (9001, 9002), person (1101) and e-credentials (dossier 1.4, 1.5, 4.1)."""

import hashlib
import hmac
from datetime import datetime
from typing import Any

from integrations.sandbox.insurance.book import Book
from integrations.sandbox.insurance.exact import yuan
from integrations.sandbox.insurance.model import (
    Message,
    Person,
    Refused,
    clock_text,
    local,
    need,
    node,
)

STEP_S = 60
TOKEN_LIFE_S = 2 * 60 * 60
"""Our guess at "until the visit ends"; no public source tells the token's life."""
TEXT_DIGITS = 28
FACE_LIFE_S = 5 * 60
SEXES = {"1": "男", "2": "女"}


def sign_in(book: Book, message: Message) -> dict[str, Any]:
    """9001: a number for this operator and day; asking again gives the same."""
    asked = node(message.input, "signIn")
    operator = need(asked, "opter_no", 20)
    need(asked, "mac", 20)
    need(asked, "ip", 20)
    if operator != message.operator:
        raise Refused("签到操作员与报文操作员不一致")
    day = local(message.at).strftime("%Y%m%d")
    row = book.one(
        "select sign_no from sign_in where institution = ? and operator = ? and day = ?",
        message.institution,
        operator,
        day,
    )
    number = (
        row["sign_no"]
        if row is not None
        else f"SIGN{message.area}{day}{book.next_number('sign'):04d}"
    )
    book.run(
        "insert or ignore into sign_in values (?, ?, ?, ?)",
        number,
        message.institution,
        operator,
        day,
    )
    return {"signinoutb": {"sign_time": clock_text(message.at), "sign_no": number}}


def sign_out(book: Book, message: Message) -> dict[str, Any]:
    """9002."""
    asked = node(message.input, "signOut")
    number = need(asked, "sign_no", 30)
    if not book.run("delete from sign_in where sign_no = ?", number):
        raise Refused("签到流水不存在")
    return {"signoutoutb": {"sign_time": clock_text(message.at)}}


def is_signed_in(book: Book, message: Message) -> bool:
    """Does the message carry today's number of its operator?"""
    day = local(message.at).strftime("%Y%m%d")
    row = book.one(
        "select 1 from sign_in where sign_no = ? and institution = ? and operator = ? and day = ?",
        message.sign_no,
        message.institution,
        message.operator,
        day,
    )
    return row is not None


def age_text(person: Person, at: datetime) -> str:
    """Whole years with one decimal, as the partner writes it."""
    today = local(at).date()
    year, month, day = (int(part) for part in person.brdy.split("-"))
    return f"{today.year - year - ((today.month, today.day) < (month, day))}.0"


def identity_fields(person: Person, at: datetime) -> dict[str, str]:
    """The personal fields of ``baseinfo`` and ``setlinfo``."""
    return {
        "psn_no": person.psn_no,
        "psn_cert_type": "01",
        "certno": person.certno,
        "psn_name": person.psn_name,
        "gend": person.gend,
        "naty": person.naty,
        "brdy": person.brdy,
        "age": age_text(person, at),
    }


def proved_person(book: Book, asked: dict[str, Any], at: datetime) -> Person:
    """Whoever the credential proves: 01 token, 02 ID number, 03 card. Raises ``Refused``."""
    kind = need(asked, "mdtrt_cert_type", 3)
    number = need(asked, "mdtrt_cert_no", 50)
    if kind == "01":
        row = book.one(
            "select psn_no from token where token = ? and expires_s > ?",
            number,
            int(at.timestamp()),
        )
        person = None if row is None else book.person(row["psn_no"])
    elif kind == "02":
        person = book.person_by_id(number)
    elif kind == "03":
        need(asked, "card_sn", 32)
        person = book.person_by_id(number)
    else:
        raise Refused("不支持的就诊凭证类型")
    if person is None:
        raise Refused("未找到人员信息或凭证已失效")
    return person


def read_person(book: Book, message: Message) -> dict[str, Any]:
    """1101."""
    asked = node(message.input, "data")
    person = proved_person(book, asked, message.at)
    for name, value in (("certno", person.certno), ("psn_name", person.psn_name)):
        given = asked.get(name)
        if given and given != value:
            raise Refused("证件号码或姓名与凭证不一致")
    balance, _ = book.purse(person.psn_no)
    return {
        "baseinfo": identity_fields(person, message.at),
        "insuinfo": [
            {
                "balc": yuan(balance if enrolment.insutype == "310" else 0),
                "insutype": enrolment.insutype,
                "psn_type": enrolment.psn_type,
                "psn_insu_stas": enrolment.psn_insu_stas,
                "psn_insu_date": enrolment.psn_insu_date,
                "paus_insu_date": enrolment.paus_insu_date,
                "cvlserv_flag": enrolment.cvlserv_flag,
                "insuplc_admdvs": enrolment.insuplc_admdvs,
                "emp_name": enrolment.emp_name,
            }
            for enrolment in person.enrolments
        ],
        "idetinfo": [
            {"psn_idet_type": kind, "psn_type_lv": "", "memo": "", "begntime": "", "endtime": ""}
            for kind in person.identities
        ],
    }


def credential_text(book: Book, psn_no: str, at: datetime) -> str:
    """The e-credential's text of this minute: 28 digits that begin with 28."""
    row = book.one("select serial from person where psn_no = ?", psn_no)
    if row is None:
        raise Refused("未找到人员信息")
    return _text(book, row["serial"], int(at.timestamp()) // STEP_S)


def _text(book: Book, serial: int, step: int) -> str:
    secret = (book.meta("secret") or "").encode()
    head = f"28{serial:09d}{step:08d}"
    mac = hmac.new(secret, head.encode(), hashlib.sha256).digest()
    return f"{head}{int.from_bytes(mac[:8], 'big') % 10**9:09d}"


def decode_credential(book: Book, asked: dict[str, Any], at: datetime) -> dict[str, Any]:
    """ec.query: the person and a fresh token, or a code other than 0."""
    try:
        if asked.get("transType") == "cn.nhsa.ec.auth":
            return {"code": 0, "message": "", "data": _face_seen(book, asked, at)}
        if asked.get("transType") == "cn.nhsa.auth.check":
            person = _face_of(book, asked, at)
        else:
            person = _shown_person(book, asked, at)
    except Refused as refused:
        return {"code": -1, "message": refused.text, "data": None}
    return {"code": 0, "message": "处理成功", "data": _decoded(book, person, int(at.timestamp()))}


def stand_before(book: Book, institution: str, psn_no: str) -> None:
    """Whose face the terminals of an institution see; empty for nobody's."""
    book.set_meta(f"face.{institution}", psn_no)


def _face_node(book: Book, asked: dict[str, Any], at: datetime) -> dict[str, Any]:
    data = node(asked, "data")
    institution = need(data, "orgId", 40)
    if book.institution(institution) is None:
        raise Refused("机构未登记")
    number = need(data, "outBizNo", 29)
    shape = number.startswith(institution) and number[len(institution) :].isdigit()
    if not shape or len(number) != len(institution) + 17:
        raise Refused("outBizNo 格式不符")
    if not book.run(
        "insert or ignore into message values (?, 'ec', '', ?)", number, clock_text(at)
    ):
        raise Refused("outBizNo 重复")
    return data


def _face_seen(book: Book, asked: dict[str, Any], at: datetime) -> dict[str, str]:
    data = _face_node(book, asked, at)
    psn_no = book.meta(f"face.{data['orgId']}")
    if not psn_no:
        raise Refused("未识别到人脸")
    number = f"ano{book.next_number('face'):019d}"
    until = int(at.timestamp()) + FACE_LIFE_S
    book.run("insert into face values (?, ?, ?, ?)", number, data["orgId"], psn_no, until)
    return {"authNo": number}


def _face_of(book: Book, asked: dict[str, Any], at: datetime) -> Person:
    data = _face_node(book, asked, at)
    number = need(data, "authNo", 64)
    row = book.one("select * from face where number = ?", number)
    if row is None or row["institution"] != data["orgId"]:
        raise Refused("授权流水号不存在或已使用")
    book.run("delete from face where number = ?", number)
    person = book.person(row["psn_no"])
    if person is None or row["until_s"] <= int(at.timestamp()):
        raise Refused("授权已过期")
    return person


def _shown_person(book: Book, asked: dict[str, Any], at: datetime) -> Person:
    data = asked.get("data")
    if asked.get("transType") != "ec.query" or not isinstance(data, dict):
        raise Refused("交易类型不支持")
    if book.institution(str(data.get("orgId", ""))) is None:
        raise Refused("机构未登记")
    text = str(data.get("ecQrCode", ""))
    if len(text) != TEXT_DIGITS or not (text.isascii() and text.isdigit()):
        raise Refused("二维码无法识别")
    serial, step = int(text[2:11]), int(text[11:19])
    row = book.one("select psn_no from person where serial = ?", serial)
    person = None if row is None else book.person(row["psn_no"])
    if person is None or text != _text(book, serial, step):
        raise Refused("二维码无法识别")
    if not 0 <= int(at.timestamp()) // STEP_S - step <= 1:
        raise Refused("二维码已失效")
    return person


def _decoded(book: Book, person: Person, now_s: int) -> dict[str, str]:
    region = person.enrolments[0].insuplc_admdvs
    token = f"{region}ec{book.next_number('token'):030d}"
    book.run("insert into token values (?, ?, ?)", token, person.psn_no, now_s + TOKEN_LIFE_S)
    return {
        "idNo": person.certno,
        "idType": "01",
        "userName": person.psn_name,
        "ecToken": token,
        "insuOrg": region,
        "ecIndexNo": hashlib.sha256(person.psn_no.encode()).hexdigest()[:32],
        "gender": SEXES.get(person.gend, "未知"),
        "birthday": person.brdy,
        "nationality": "中国",
        "email": "",
        "extra": "",
    }
