"""Delivers notices: signs at each sending, resends by the documented gaps (5.7)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import urlencode

import msgspec

from integrations.sandbox.alipay.book import Book, NoticeRow
from integrations.sandbox.alipay.faults import Fault
from integrations.sandbox.alipay.model import TwinPace
from integrations.sandbox.alipay.seal import TwinSeal
from integrations.sandbox.alipay.texts import spaced

RESEND_GAPS_S = (240, 600, 600, 3600, 7200, 21_600, 54_000)
ANSWER_WITHIN_S = 5
BATCH = 100
TAKEN = b"success"

NoticeSender = Callable[[str, dict[str, str], bytes], Awaitable[bytes]]
"""Posts a body with headers to an address and gives the answer's body; may raise anything."""


class Courier:
    """The sending end for notices in the book."""

    def __init__(self, book: Book, seal: TwinSeal, sender: NoticeSender, pace: TwinPace) -> None:
        self._book = book
        self._seal = seal
        self._sender = sender
        self._pace = pace
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
        answer = b""
        for _ in range(times):
            answer = await self._post(notice, clock())
        self._note(notice, answer, _ms(clock()))
        self._book.hurry_notices(notice.trade_no, _ms(clock()))
        return times

    def _note(self, notice: NoticeRow, answer: bytes, now_ms: int) -> None:
        if answer == TAKEN:
            state, due_ms = "TAKEN", notice.due_ms
        elif notice.tries >= len(RESEND_GAPS_S):
            state, due_ms = "GIVEN_UP", notice.due_ms
        else:
            gap_ms = RESEND_GAPS_S[notice.tries] * self._pace.resend_scale_ppm // 1000
            state, due_ms = "WAITING", now_ms + gap_ms
        self._book.move_notice(
            notice.number, tries=notice.tries + 1, due_ms=due_ms, state=state, fault=""
        )

    async def _post(self, notice: NoticeRow, at: datetime) -> bytes:
        body = self.form(notice, at)
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._sender(notice.url, headers, body)
        except Exception:  # noqa: BLE001 - whatever goes wrong at the merchant means: send again
            return b""

    def form(self, notice: NoticeRow, at: datetime) -> bytes:
        """The body of a notice, freshly signed; its number stays the same."""
        parameters = msgspec.json.decode(notice.plain, type=dict[str, str])
        parameters |= {"notify_id": notice.id, "notify_time": spaced(int(at.timestamp()))}
        signed = parameters
        if notice.fault == Fault.NOTICE_FORGED:
            signed = {**parameters, "total_amount": "0.00"}
        parameters |= {"sign_type": "RSA2", "sign": self._seal.sign_notice(signed)}
        return urlencode(parameters).encode()


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
