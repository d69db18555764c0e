"""``docs/partners.md`` is right: its folder and its line of settings make a working provider."""

import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

import integrations
from crypto.sm3 import hmac_sm3
from integrations import registry
from integrations.ports.payments import ProviderName
from service.institution import actions as institution
from service.institution.model import MovedAmounts, NewInstitution
from service.kernel.context import Policy
from service.ledger import actions as ledger
from service.payment import actions as payment
from service.payment.model import ShownQr, Way
from service.payment.states import AttemptState
from service.reconcile import actions as reconcile
from service.reconcile.model import Account, Outcome
from tests.support.app import a_context
from tests.support.clock import FakeClock
from tests.support.statement_rig import DAY, NOON, AnyProvider

PAGE = Path(__file__).resolve().parents[2] / "docs" / "partners.md"
BLOCK = re.compile(r"```python\n# (integrations/(beanpay/[a-z]+\.py))\n(.*?)```", re.DOTALL)
LINE = re.compile(r"```json\n(.*?)```", re.DOTALL)
SECRET = b"s3cret"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The files of the page, in a folder; gives the partners' file."""
    text = PAGE.read_text("utf-8")
    (tmp_path / "beanpay").mkdir()
    for _, place, code in BLOCK.findall(text):
        (tmp_path / place).write_text(code, "utf-8")
    (tmp_path / "beanpay" / "__init__.py").write_text("", "utf-8")
    (found,) = LINE.findall(text)
    (tmp_path / "partners.json").write_text(found, "utf-8")
    monkeypatch.setattr(integrations, "__path__", [*integrations.__path__, str(tmp_path)])
    yield tmp_path / "partners.json"
    for name in [one for one in sys.modules if one.startswith("integrations.beanpay")]:
        del sys.modules[name]


class BeanTwin:
    """BeanPay's book. ``lose`` drops the next answer after the work was done."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.trades: dict[str, dict[str, Any]] = {}
        self.given_back: dict[str, dict[str, Any]] = {}
        self.lose = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["x-bean-sign"] == sign(request.content)
        asked = msgspec.json.decode(request.content)
        status, told = self._do(request.url.path.removeprefix("/v1/"), asked)
        if self.lose:
            self.lose = False
            raise httpx.ReadTimeout("lost")
        body = told if isinstance(told, bytes) else msgspec.json.encode(told)
        return httpx.Response(status, content=body, headers={"X-Bean-Sign": sign(body)})

    def _do(self, path: str, asked: dict[str, Any]) -> tuple[int, Any]:
        number = asked.get("number", "")
        none = {"merchant": "M1", "number": number, "state": "NONE", "fen": 0}
        match path:
            case "orders":
                new = {**none, "state": "WAITING", "fen": asked["fen"], "qr": f"bean://{number}"}
                return 200, self.trades.setdefault(number, new)
            case "orders/read":
                return 200, self.trades.get(number, none)
            case "orders/close":
                return self._close(self.trades[number])
            case "returns":
                new = {**none, "state": "DONE", "fen": asked["fen"], "of": asked["of"]}
                new |= {"ref": f"B{number}", "at": self.clock.now().isoformat()}
                return 200, self.given_back.setdefault(number, new)
            case "returns/read":
                return 200, self.given_back.get(number, none)
            case _:
                return 200, self._bill(asked["day"])

    def _close(self, trade: dict[str, Any]) -> tuple[int, Any]:
        if trade["state"] != "WAITING":
            return 409, {"code": "ALREADY_PAID"}
        trade["state"] = "CLOSED"
        return 200, trade

    def _bill(self, day: str) -> bytes:
        paid = [one for one in self.trades.values() if "ref" in one]
        back = list(self.given_back.values())
        rows = [("trade", one["number"], one) for one in paid]
        rows += [("refund", one["of"], one) for one in back]
        lines = [
            f"{kind},{one['number']},{trade},{one['ref']},{one['fen']},{one['at']}"
            for kind, trade, one in rows
        ]
        sums = [len(paid), sum(one["fen"] for one in paid)]
        sums += [len(back), sum(one["fen"] for one in back)]
        return "\n".join([f"M1,{day}", *lines, ",".join(map(str, sums))]).encode()

    def pay(self, number: str) -> bytes:
        """The payer pays; gives the body of the notice."""
        at = self.clock.now().isoformat()
        self.trades[number] |= {"state": "PAID", "ref": f"R{number}", "at": at}
        return msgspec.json.encode(self.trades[number] | {"event": f"E{number}"})


def sign(body: bytes) -> str:
    return hmac_sm3(SECRET, body).hex()


class World(msgspec.Struct):
    """A hospital that BeanPay collects for."""

    house: AnyProvider
    twin: BeanTwin
    clock: FakeClock


@asynccontextmanager
async def a_world(dsn: str, partners_file: Path) -> AsyncIterator[World]:
    clock = FakeClock(NOON)
    twin = BeanTwin(clock)
    async with httpx.AsyncClient(transport=httpx.MockTransport(twin.answer)) as client:
        partners = registry.open_partners(
            registry.read_partners(partners_file), client, 5.0, clock.now
        )
        policy = Policy(notice_url_base="https://yimatong.test")
        async with a_context(dsn, clock=clock, partners=partners, policy=policy) as ctx:
            place = await institution.enrol_institution(
                ctx,
                NewInstitution(
                    code=f"H990{ctx.ids.new() % 10**8:08d}",
                    name="测试医院",
                    insurance_region="990001",
                    level=3,
                    moved_amounts=MovedAmounts.ADJUST,
                ),
            )
            await institution.set_merchant_account(
                ctx, place.institution_id, provider="beanpay", account_name="M1"
            )
            house = AnyProvider(ctx, clock, twin, place.institution_id)  # type: ignore[arg-type]
            house.provider_code = "beanpay"
            await house.admit()
            yield World(house=house, twin=twin, clock=clock)


async def test_the_example_pays_refunds_and_reconciles(fresh_database: str, example: Path) -> None:
    async with a_world(fresh_database, example) as world:
        house, twin, ctx = world.house, world.twin, world.house.ctx
        await payment.check_way(ctx, house.institution_id, "beanpay", "native")
        name = ProviderName(zh="豆付", en="BeanPay")
        offered = await payment.list_ways(ctx, house.institution_id)
        assert Way("beanpay", "native", name) in offered, "what pages show on its button"
        twin.lose = True
        attempt = await house.place(await house.create(settlement_id=1, amount_fen=12_345))
        assert attempt.state is AttemptState.CREATED, "unknown is not failed"
        await house.work()
        shown = await payment.present(ctx, attempt.record_id, attempt.attempt_id)
        assert shown == ShownQr(f"bean://{attempt.trade_no}")
        assert len(twin.trades) == 1

        body = twin.pay(attempt.trade_no)
        for headers, taken in (
            ({"x-bean-sign": "0" * 64}, 400),
            ({"X-Bean-Sign": sign(body)}, 200),
        ):
            answer = await payment.take_notice(ctx, "beanpay", "M1", headers, body)
            assert answer.status == taken
        assert (await house.read(attempt)).state is AttemptState.PAID

        twin.lose = True
        await house.refund(attempt, 345)
        await house.work(rounds=2)
        assert [one["fen"] for one in twin.given_back.values()] == [345]
        after = await house.read(attempt)
        assert (after.refunded_fen, after.refunding_fen) == (345, 0)
        sums = await ledger.balances(ctx, attempt.record_id, 1)
        assert sums == {"provider:beanpay": 12_000, "patient": -12_000}

        world.clock.advance(timedelta(days=1))
        account = Account(provider="beanpay", account_name="M1")
        (report,) = await reconcile.reconcile_day(ctx, DAY, [account])
        assert (report.outcome, report.matched, report.tied) == (Outcome.EXPLAINED, 2, True)


async def test_an_order_nobody_pays_is_closed(fresh_database: str, example: Path) -> None:
    async with a_world(fresh_database, example) as world:
        attempt = await world.house.place(await world.house.create(settlement_id=2, amount_fen=1))
        await world.house.work(step=timedelta(minutes=16))
        assert (await world.house.read(attempt)).state is AttemptState.CLOSED


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"folder": "nobody", "settings": {}}, "payments[0]: there is no integrations.nobody"),
        ({"folder": "kit", "settings": {}}, "payments[0]: there is no integrations.kit.partner"),
        ({"folder": "../beanpay", "settings": {}}, "$.payments[0].folder"),
        ({"folder": "beanpay", "settings": {"merchant": "M1"}}, "payments[0].settings: "),
    ],
)
def test_a_wrong_line_names_its_place(
    example: Path, tmp_path: Path, line: dict[str, Any], said: str
) -> None:
    path = tmp_path / "wrong.json"
    path.write_bytes(msgspec.json.encode({"payments": [line]}))
    with pytest.raises(registry.PartnersFault, match=re.escape(said)) as found:
        registry.open_partners(
            registry.read_partners(path), httpx.AsyncClient(), 1.0, FakeClock().now
        )
    assert "s3cret" not in str(found.value)


def test_an_account_stands_once(example: Path, tmp_path: Path) -> None:
    line = msgspec.json.decode(example.read_bytes())["payments"][0]
    path = tmp_path / "twice.json"
    path.write_bytes(msgspec.json.encode({"payments": [line, line]}))
    with pytest.raises(registry.PartnersFault, match=r"payments\[1\]: this account stands twice"):
        registry.open_partners(
            registry.read_partners(path), httpx.AsyncClient(), 1.0, FakeClock().now
        )
