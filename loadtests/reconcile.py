"""A day of many payments against its statement: wall and CPU seconds, and memory, of one run.

``python -m loadtests.reconcile [--lines N]`` makes a database, books and WeChat's own file of the
day, reconciles them twice in this process, and prints a row; ``make bench-full`` takes it in. Wall
seconds are those of a machine that may be shared; CPU seconds are user and system, ours and those
of PostgreSQL's backends apart.
"""

import argparse
import asyncio
import gzip
import io
import json
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from integrations.ports.outcomes import Accepted, Outcome
from integrations.wechatpay.bill_lines import WechatStatement
from loadtests.rows import Row
from service.kernel.context import Policy
from service.kernel.migrate import migrate
from service.reconcile import actions
from service.reconcile.model import Account
from tests.support.app import a_context
from tests.support.clock import FakeClock
from tests.support.database import DatabaseServer, database_server
from tests.support.fakes_payments import FakePartners

DAY = date(2026, 6, 30)
MORNING = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
MCHID = "1900000109"
ACCOUNT = Account(provider="wechatpay", account_name=MCHID)
LINES, FULL_LINES = 50_000, 1_000_000
MISSING = 10
"""So many of our payments are not listed: the run has something to find."""
HEADER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
SUMMARY = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
FILL = (
    """
insert into payment_attempt (
  record_id, attempt_id, settlement_id, institution_id, provider, account_name, way, purpose,
  trade_no, amount_fen, refunding_fen, refunded_fen, state, provider_ref, paid_at, expires_at,
  tries, created_at, version, row_mac
)
select n, n + 7, n + 3, 5, 'wechatpay', $2, 'native', 'MAIN', 'YM' || lpad(n::text, 26, '0'),
  1234, 0, 0, 'PAID', '42' || lpad(n::text, 26, '0'),
  $3::timestamptz + (n % 80000) * interval '1 second', $3, 0, $3, 3, 'x'
from generate_series(1, $1::bigint) n
""",
    """
insert into payment_number (partner_no, kind, record_id, row_id)
select 'YM' || lpad(n::text, 26, '0'), 'trade', n, n + 7
from generate_series(1, $1::bigint) n
""",
    """
insert into posting (
  record_id, posting_id, settlement_id, institution_id, cause, debit, credit, amount_fen, day,
  posted_at, row_mac
)
select n, n + 9, n + 3, 5, 'payment:' || (n + 7), 'provider:wechatpay', 'patient', 1234, $2,
  $3, 'x'
from generate_series(1, $1::bigint) n
""",
)


class FilePost:
    """An account whose statement lies ready."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def fetch_bill(self, _day: date) -> Outcome[bytes]:
        """The one file."""
        return Accepted(self.content)

    def read_bill(self, content: bytes, day: date) -> WechatStatement:
        """As the adapter does."""
        return WechatStatement(content, day, mchid=MCHID)


def statement(lines: int) -> bytes:
    """WeChat's file of so many payments of 12.34 yuan."""

    def texts() -> Iterator[str]:
        yield HEADER + "\r\n"
        for n in range(1, lines + 1):
            second = n % 80000
            clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
            yield (
                f"`{DAY} {clock},`wx0000000000000001,`{MCHID},`0,`,`42{n:026d},`YM{n:026d},"
                f"`oPayer{n:018d},`NATIVE,`SUCCESS,`OTHERS,`CNY,`12.34,`0.00,`0,`0,`0.00,`0.00,"
                "`,`,`门诊, 缴费,`,`0.07404,`0.60%,`12.34,`0.00,`\r\n"
            )
        total = f"{lines * 1234 // 100}.{lines * 1234 % 100:02d}"
        yield f"{SUMMARY}\r\n`{lines},`{total},`0.00,`0.00,`0.00,`{total},`0.00\r\n"

    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as file:
        for text in texts():
            file.write(text.encode())
    return packed.getvalue()


async def fill(dsn: str, lines: int) -> None:
    """As many payments, their numbers and postings."""
    conn = await asyncpg.connect(dsn)
    first = actions.span_of(DAY).first
    try:
        await conn.execute(FILL[0], lines, MCHID, first, timeout=900)
        await conn.execute(FILL[1], lines, timeout=900)
        await conn.execute(FILL[2], lines, DAY, first, timeout=900)
        await conn.execute("analyze", timeout=900)
    finally:
        await conn.close()


async def measure(server: DatabaseServer, lines: int) -> dict[str, Any]:
    """Make a database, reconcile twice, drop it."""
    template = await server.make_template(migrate)
    content = statement(lines)
    async with server.database(template) as dsn:
        await fill(dsn, lines + MISSING)
        partners = FakePartners({("wechatpay", MCHID): FilePost(content)})  # type: ignore[dict-item]
        async with a_context(
            dsn,
            clock=FakeClock(MORNING),
            partners=partners,  # type: ignore[arg-type]
            policy=Policy(),
        ) as ctx:
            with PeakMemory() as peak:
                first = await _run(ctx)
                second = await _run(ctx)
    await server.drop(template)
    return {
        "lines": lines,
        "file_mib": round(len(content) / 2**20, 1),
        "first": first,
        "second": second,
        "peak_mib": {"ours": peak.ours_mib, "postgres": peak.postgres_mib, "sum": peak.sum_mib},
    }


class PeakMemory:
    """The most memory that this process and its children (PostgreSQL) held at one time.

    Sampled by psutil: proportional set sizes, so that what PostgreSQL's backends share counts once.
    """

    EVERY_S = 0.25

    def __init__(self) -> None:
        self.ours_mib = self.postgres_mib = self.sum_mib = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        this = psutil.Process()
        while True:
            ours = _held(this)
            postgres = sum(map(_held, this.children(recursive=True)))
            self.ours_mib = max(self.ours_mib, ours >> 20)
            self.postgres_mib = max(self.postgres_mib, postgres >> 20)
            self.sum_mib = max(self.sum_mib, ours + postgres >> 20)
            if self._over.wait(self.EVERY_S):
                return


def _held(one: psutil.Process) -> int:
    """Bytes; the whole resident set where the system does not tell what is shared."""
    try:
        try:
            found = one.memory_full_info()
            return int(getattr(found, "pss", found.rss))
        except psutil.AccessDenied:
            return int(one.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


async def _run(ctx: Any) -> dict[str, Any]:
    began, own = time.perf_counter(), time.process_time()
    postgres = _postgres_s()
    report = await actions.reconcile_account(ctx, ACCOUNT, DAY)
    return {
        "outcome": report.outcome.value,
        "matched": report.matched,
        "classes": report.classes,
        "wall_s": round(time.perf_counter() - began, 1),
        "cpu_s": round(time.process_time() - own, 1),
        "postgres_cpu_s": round(_postgres_s() - postgres, 1),
    }


def _postgres_s() -> float:
    """CPU seconds of the server that this process started, ended backends included."""
    spent = 0.0
    for one in psutil.Process().children(recursive=True):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += times.user + times.system + times.children_user + times.children_system
    return spent


async def reconcile_row(environ: Mapping[str, str], lines: int) -> Row:
    """The bench's row."""
    async with database_server(environ) as server:
        found = await measure(server, lines)
    wall_s = found["first"]["wall_s"]
    return Row(
        name=f"reconcile a day of {lines} lines",
        per_s=lines / wall_s,
        cpu_ms=(found["first"]["cpu_s"] + found["first"]["postgres_cpu_s"]) * 1000 / lines,
        limited_by="reading the file, then PostgreSQL's joins",
        facts=found,
    )


def main() -> None:
    """Print what one run took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=FULL_LINES)
    parser.add_argument("--output", type=Path, default=None)
    arguments = parser.parse_args()
    row = asyncio.run(reconcile_row({}, arguments.lines))
    text = json.dumps(row.facts, indent=2)
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
