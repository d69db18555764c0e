"""Where providers send notices: raw bytes in, the provider's own answer out."""

from collections.abc import AsyncIterator

import httpx
import pytest

from service.app import create_app
from service.payment.routes import NOTICE_MAX
from service.payment.states import AttemptState
from tests.support.app import a_client
from tests.support.fakes_payments import GOOD
from tests.support.identity_rig import CIPHER, PAGES
from tests.support.money import ACCOUNT, PROVIDER, House, a_house

PATH = f"/v1/notices/payment/{PROVIDER}/{ACCOUNT}"


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with a_house(fresh_database) as made:
        yield made


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with a_client(create_app(house.ctx, CIPHER, PAGES)) as opened:
        yield opened


async def test_a_notice_is_taken_and_answered_in_the_providers_form(
    house: House, client: httpx.AsyncClient
) -> None:
    attempt = await house.place(await house.create())
    house.provider.pay(attempt.trade_no)
    body = house.provider.payment_notice(attempt.trade_no)
    for _ in range(2):
        answer = await client.post(PATH, content=body, headers=GOOD)
        assert (answer.status_code, answer.content) == (200, b"SUCCESS")
        assert answer.headers["content-type"].startswith("text/plain")
    assert (await house.read(attempt)).state is AttemptState.PAID


async def test_what_is_not_signed_is_refused(house: House, client: httpx.AsyncClient) -> None:
    attempt = await house.place(await house.create())
    house.provider.pay(attempt.trade_no)
    body = house.provider.payment_notice(attempt.trade_no)
    answer = await client.post(PATH, content=body)
    assert (answer.status_code, answer.content) == (400, b"FAIL")
    assert (await house.read(attempt)).state is AttemptState.AWAITING_PAYER


async def test_a_merchant_nobody_set_up_and_a_flood(client: httpx.AsyncClient) -> None:
    unknown = await client.post(f"/v1/notices/payment/{PROVIDER}/nobody", content=b"{}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not-found")
    flood = await client.post(PATH, content=b"x" * (NOTICE_MAX + 1), headers=GOOD)
    assert (flood.status_code, flood.json()["code"]) == (413, "body-too-large")
