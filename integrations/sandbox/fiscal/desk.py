"""The rules of issuing, asking and writing off, over the book. Refusals are ``Refused``.

Repeat rules are our own reading, since no public source tells them: ``busNo`` is the key, the same
bill again gives the same invoice, another bill under the same number is refused; an invoice is
written off once.
"""

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeVar

import msgspec

from integrations.sandbox.fiscal import model
from integrations.sandbox.fiscal.book import BillRow, Book
from integrations.sandbox.fiscal.model import (
    Bill,
    FindBody,
    OutpatientBill,
    Refused,
    StatesBody,
    TwinInstitution,
    WriteOffBody,
)

BEIJING = timezone(timedelta(hours=8))
BURDEN = "医院负担金额"
INSURED_CHANNEL = "11"
K = TypeVar("K")
Json = dict[str, Any]


def read(node: Any, kind: type[K]) -> K:
    """A business node. Raises ``Refused``."""
    try:
        return msgspec.convert(node, kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Refused(model.BAD_FIELD, "必填项为空或格式不符") from None


def cents(text: str) -> int:
    """Fen of a yuan text that the pattern has passed."""
    whole, _, part = text.partition(".")
    return int(whole) * 100 + int(part)


def moment(ms: int) -> str:
    """``yyyyMMddHHmmssSSS`` in Beijing time."""
    at = datetime.fromtimestamp(ms // 1000, UTC).astimezone(BEIJING)
    return f"{at:%Y%m%d%H%M%S}{ms % 1000:03d}"


def check_sums(bill: Bill) -> None:
    """Every part of the bill adds up. Raises ``Refused``."""
    total = cents(bill.totalAmt)
    fund, account, cash = cents(bill.fundPay), cents(bill.accountPay), cents(bill.selfCashPay)
    burden = sum(_burden(one.infoValue) for one in bill.otherInfo if one.infoName == BURDEN)
    charged = sum(cents(one.amt) for one in bill.chargeDetail)
    listed = [cents(one.amt) for one in bill.listDetail]
    channels = [(one.payChannelCode, cents(one.payChannelValue)) for one in bill.payChannelDetail]
    insured = sum(value for code, value in channels if code == INSURED_CHANNEL)
    faults = (
        total == 0,
        total != fund + account + cash + burden,
        total != charged,
        bool(listed) and total != sum(listed),
        total != sum(value for _, value in channels),
        insured != fund + account + burden,
        cents(bill.reimbursementAmt) != fund,
    )
    if any(faults):
        raise Refused(model.SUMS_DIFFER, "金额不平")


def _burden(text: str) -> int:
    try:
        return cents(msgspec.convert(text, model.Amount))
    except msgspec.ValidationError:
        raise Refused(model.BAD_FIELD, "金额格式不符") from None


class Desk:
    """Bills of all institutions in one book."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def issue(
        self,
        who: TwinInstitution,
        node: Any,
        now_ms: int,
        visible_ms: int,
        kind: type[Bill] = OutpatientBill,
    ) -> Json:
        """Issue, or answer a repetition alike."""
        bill = read(node, kind)
        _check_place(who, bill.placeCode)
        check_sums(bill)
        content = hashlib.sha256(msgspec.json.encode(node)).hexdigest()
        with self._book.transaction():
            known = self._book.find(who.appid, bill.busNo)
            if known is not None and known.content != content:
                raise Refused(model.NUMBER_USED, "业务流水号已开票，内容不一致")
            if known is None:
                known = self._new(who, bill, content, now_ms, visible_ms)
        return _issued(known, bill.busDateTime)

    def _new(
        self, who: TwinInstitution, bill: Bill, content: str, now_ms: int, visible_ms: int
    ) -> BillRow:
        number = self._book.next_number(f"bill {who.batch}")
        row = BillRow(
            appid=who.appid,
            bus_no=bill.busNo,
            batch=who.batch,
            number=f"{number:010d}",
            content=content,
            total=cents(bill.totalAmt),
            random=_check_code(who.batch, number),
            created_ms=now_ms,
            visible_ms=visible_ms,
        )
        self._book.put(row)
        return row

    def find(self, who: TwinInstitution, node: Any, now_ms: int) -> Json:
        """The bill under the institution's own number."""
        body = read(node, FindBody)
        known = self._book.find(who.appid, body.busNo)
        if known is None or known.visible_ms > now_ms:
            raise Refused(model.NO_SUCH_BILL, "未查询到票据")
        return _issued(known, body.busDateTime)

    def write_off(self, who: TwinInstitution, node: Any, now_ms: int) -> Json:
        """Write a bill off by a red one."""
        body = read(node, WriteOffBody)
        _check_place(who, body.placeCode)
        with self._book.transaction():
            known = self._known(who, body.billBatchCode, body.billNo)
            if known.red_number:
                raise Refused(model.WRITTEN_OFF, "票据已冲红")
            number = self._book.next_number(f"bill {who.batch}")
            known.red_batch, known.red_number = who.batch, f"{number:010d}"
            known.red_random = _check_code(who.batch, number)
            known.red_reason, known.red_ms = body.reason, now_ms
            self._book.put(known)
        return {
            "eScarletBillBatchCode": known.red_batch,
            "eScarletBillNo": known.red_number,
            "eScarletRandom": known.red_random,
            "createTime": moment(now_ms),
            "billQRCode": "",
            "pictureUrl": _picture(known.red_batch, known.red_number),
            "pictureNetUrl": "",
        }

    def states(self, who: TwinInstitution, node: Any) -> Json:
        """Where a bill stands."""
        body = read(node, StatesBody)
        known = self._known(who, body.billBatchCode, body.billNo)
        return {
            "billName": "医疗门诊收费票据（电子）",
            "billBatchCode": known.batch,
            "billNo": known.number,
            "random": known.random,
            "ivcDateTime": moment(known.created_ms),
            "state": "1",
            "isPrtPaper": "0",
            "pBillBatchCode": "",
            "pBillNo": "",
            "isScarlet": "1" if known.red_number else "0",
            "scarletBillBatchCode": known.red_batch,
            "scarletBillNo": known.red_number,
            "scarletRandom": known.red_random,
            "scarletBillQRCode": "",
        }

    def _known(self, who: TwinInstitution, batch: str, number: str) -> BillRow:
        known = self._book.find_number(who.appid, batch, number)
        if known is None:
            raise Refused(model.NO_SUCH_BILL, "未查询到票据")
        return known


def _check_place(who: TwinInstitution, place_code: str) -> None:
    if place_code not in who.place_codes:
        raise Refused(model.UNKNOWN_PLACE, "开票点编码不存在")


def _issued(row: BillRow, bus_date: str) -> Json:
    return {
        "billBatchCode": row.batch,
        "billNo": row.number,
        "random": row.random,
        "createTime": moment(row.created_ms),
        "billQRCode": "",
        "pictureUrl": _picture(row.batch, row.number),
        "pictureNetUrl": "",
        "billBusDate": bus_date,
    }


def _check_code(batch: str, number: int) -> str:
    return hashlib.sha256(f"{batch}|{number}".encode()).hexdigest()[:6]


def _picture(batch: str, number: str) -> str:
    return f"http://invoice.invalid/{batch}/{number}"
