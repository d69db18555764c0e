"""The way in: header signature, time window, nonce, outer message (dossier 1.1 to 1.3).

The window of 300 seconds and the memory for nonces are our own; no public source tells them.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integrations.sandbox.insurance.book import Book
from integrations.sandbox.insurance.model import Message, Refused

WINDOW_S = 300
BODY_BYTES_MAX = 16 * 1024 * 1024
"""A statement travels in 9101 as a list of numbers."""
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\Z", re.ASCII)
_AREA = re.compile(r"[0-9]{6}\Z", re.ASCII)
OUTER_FIELDS = {
    "infno": 6,
    "msgid": 30,
    "mdtrtarea_admvs": 6,
    "insuplc_admdvs": 6,
    "recer_sys_code": 10,
    "infver": 6,
    "opter_type": 3,
    "opter": 30,
    "opter_name": 50,
    "inf_time": 19,
    "fixmedins_code": 12,
    "fixmedins_name": 200,
    "sign_no": 30,
}
NOT_EMPTY = ("recer_sys_code", "infver", "opter", "opter_name", "fixmedins_name")
WITHOUT_PERSON = frozenset({"9001", "9002", "1101", "3201", "3202", "9101", "9102"})


class NotAdmitted(Exception):
    """HTTP 401: the header signature, its time or its nonce."""


def admit(book: Book, headers: Mapping[str, str], parties: Mapping[str, str], at: datetime) -> None:
    """Check the ``x-tif`` headers and use up the nonce. Raises ``NotAdmitted``."""
    secret = parties.get(headers.get("x-tif-paasid", ""))
    timestamp = headers.get("x-tif-timestamp", "")
    nonce = headers.get("x-tif-nonce", "")
    signature = headers.get("x-tif-signature", "")
    if secret is None:
        raise NotAdmitted("party")
    expected = hashlib.sha256(f"{timestamp}{secret}{nonce}{timestamp}".encode()).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise NotAdmitted("signature")
    now = int(at.timestamp())
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise NotAdmitted("timestamp")
    if abs(now - int(timestamp)) > WINDOW_S:
        raise NotAdmitted("timestamp")
    if not 8 <= len(nonce) <= 64:
        raise NotAdmitted("nonce")
    book.run("delete from nonce where at_s < ?", now - 2 * WINDOW_S)
    if not book.run("insert or ignore into nonce values (?, ?)", nonce, now):
        raise NotAdmitted("nonce")


def read_body(body: bytes) -> dict[str, Any]:
    """The JSON object of a request. Raises ``Refused``."""
    if len(body) > BODY_BYTES_MAX:
        raise Refused("报文超长")
    try:
        found = json.loads(body, parse_float=str)
    except (ValueError, RecursionError):
        raise Refused("报文不是 JSON") from None
    if not isinstance(found, dict):
        raise Refused("报文格式不符")
    return found


def read_message(found: dict[str, Any], path_infno: str, at: datetime) -> Message:
    """The outer message, every field checked. Raises ``Refused``."""

    text = {name: _text(found, name, length) for name, length in OUTER_FIELDS.items()}
    infno, msgid, institution = text["infno"], text["msgid"], text["fixmedins_code"]
    if infno != path_infno:
        raise Refused("交易号与地址不一致")
    if not (len(msgid) == 30 and msgid.startswith(institution) and msgid[12:].isdigit()):
        raise Refused("msgid 格式不符")
    area, insuplc = text["mdtrtarea_admvs"], text["insuplc_admdvs"]
    _check_regions(infno, area, insuplc)
    if any(not text[name] for name in NOT_EMPTY) or text["opter_type"] not in ("1", "2", "3"):
        raise Refused("公共报文必填项为空或取值不符")
    if _TIME.match(text["inf_time"]) is None:
        raise Refused("inf_time 格式不符")
    asked = found.get("input")
    if not isinstance(asked, dict):
        raise Refused("缺少 input")
    return Message(
        infno=infno,
        msgid=msgid,
        institution=institution,
        area=area,
        insuplc=insuplc,
        operator=text["opter"],
        sign_no=text["sign_no"],
        at=at,
        input=asked,
    )


def _text(found: Mapping[str, Any], name: str, length: int) -> str:
    value = found.get(name)
    if not isinstance(value, str) or len(value) > length:
        raise Refused(f"{name} 格式不符")
    return value


def _check_regions(infno: str, area: str, insuplc: str) -> None:
    if _AREA.match(area) is None:
        raise Refused("mdtrtarea_admvs 格式不符")
    if _AREA.match(insuplc) is None and infno not in WITHOUT_PERSON:
        raise Refused("insuplc_admdvs 不能为空")


def person_in(asked: Mapping[str, Any]) -> str:
    """The ``psn_no`` that an input speaks of, wherever it stands; empty if none."""
    for inner in asked.values():
        first = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(first, dict) and isinstance(first.get("psn_no"), str):
            return str(first["psn_no"])
    return ""
