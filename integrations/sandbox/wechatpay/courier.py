"""Delivers notices: seals and signs at each sending, resends by the documented gaps (3.1, 3.2)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec

from integrations.sandbox.wechatpay.book import Book, NoticeRow
from integrations.sandbox.wechatpay.faults import Fault
from integrations.sandbox.wechatpay.model import TwinMerchant, TwinPace
from integrations.sandbox.wechatpay.seal import TwinSeal, scheme_of
from integrations.sandbox.wechatpay.texts import rfc3339

RESEND_GAPS_S = (
    15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10_800, 10_800, 10_800, 21_600, 21_600,
)  # fmt: skip
RESENDS = {"MEDICAL_INSURANCE.SUCCESS": 2}
"""The mixed order's notice is not sent again after about half a minute (4.4)."""
ANSWER_WITHIN_S = 5
BATCH = 100
STALE = timedelta(minutes=6)
PROBE = "WECHATPAY/SIGNTEST/"

NoticeSender = Callable[[str, dict[str, str], bytes], Awaitable[int]]
"""Posts a body with headers to an address and gives the status; may raise anything."""


class Courier:
    """The sending end for notices in the book: due by business time, signed by the wall's."""

    def __init__(
        self,
        book: Book,
        seal: TwinSeal,
        sender: NoticeSender,
        pace: TwinPace,
        wall: Callable[[], datetime],
    ) -> None:
        self._book = book
        self._seal = seal
        self._sender = sender
        self._pace = pace
        self._wall = wall
        self._turn = asyncio.Lock()

    async def deliver(self, clock: Callable[[], datetime]) -> int:
        """Send what is due now, at most one batch; gives how many sendings were made."""
        async with self._turn:
            sent = 0
            for notice in self._book.list_notices_due(_ms(clock()), BATCH):
                sent += await self._send(notice, clock)
            return sent

    async def _send(self, notice: NoticeRow, clock: Callable[[], datetime]) -> int:
        if notice.fault == Fault.NOTICE_LOST:
            self._book.move_notice(
                notice.number, tries=0, due_ms=notice.due_ms, state="LOST", fault=notice.fault
            )
            return 0
        times = 2 if notice.fault == Fault.NOTICE_DOUBLED else 1
        status = 0
        for _ in range(times):
            status = await self._post(notice)
        self._note(notice, status, _ms(clock()))
        self._book.hurry_notices(notice.trade_no, _ms(clock()))
        return times

    def _note(self, notice: NoticeRow, status: int, now_ms: int) -> None:
        if status in {200, 204}:
            state, due_ms = "TAKEN", notice.due_ms
        elif notice.tries >= RESENDS.get(notice.event, len(RESEND_GAPS_S)):
            state, due_ms = "GIVEN_UP", notice.due_ms
        else:
            gap_ms = RESEND_GAPS_S[notice.tries] * self._pace.resend_scale_ppm // 1000
            state, due_ms = "WAITING", now_ms + gap_ms
        self._book.move_notice(
            notice.number, tries=notice.tries + 1, due_ms=due_ms, state=state, fault=""
        )

    async def _post(self, notice: NoticeRow) -> int:
        merchant = self._seal.merchant(notice.mchid)
        if merchant is None:
            return 0
        body = self.envelope(notice, merchant)
        at = self._wall()
        signed_at = at - STALE if notice.fault == Fault.NOTICE_STALE else at
        headers = self._seal.signed_headers(body, signed_at, scheme_of(merchant))
        if notice.fault == Fault.NOTICE_FORGED:
            other = self._seal.signed_headers(body + b" ", signed_at, scheme_of(merchant))
            headers["Wechatpay-Signature"] = other["Wechatpay-Signature"]
        return await self._out(notice.url, headers, body)

    def envelope(self, notice: NoticeRow, merchant: TwinMerchant) -> bytes:
        """The body of a notice, freshly sealed."""
        sealed = self._seal.sealed(merchant, notice.plain.encode(), notice.original_type)
        return msgspec.json.encode(
            {
                "id": notice.id,
                "create_time": rfc3339(notice.due_ms // 1000),
                "resource_type": "encrypt-resource",
                "event_type": notice.event,
                "summary": notice.summary,
                "resource": {"original_type": notice.original_type, **sealed},
            }
        )

    async def probe(self, url: str) -> int:
        """Send a signature probe that must be refused; gives the status answered, 0 for none."""
        body = b'{"id":"probe","event_type":"TRANSACTION.SUCCESS"}'
        headers = self._seal.signed_headers(body, self._wall())
        headers["Wechatpay-Signature"] = PROBE + headers["Wechatpay-Signature"]
        return await self._out(url, headers, body)

    async def _out(self, url: str, headers: dict[str, str], body: bytes) -> int:
        headers["Content-Type"] = "application/json"
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._sender(url, headers, body)
        except Exception:  # noqa: BLE001 - whatever goes wrong at the merchant means: send again
            return 0


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
