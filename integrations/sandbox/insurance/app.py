"""The bureau's twin as an ASGI application: its own routes and the control routes."""

import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, post
from litestar.datastructures import State
from litestar.params import FromPath

from crypto.sm2 import PrivateKey
from integrations.sandbox.insurance.book import Book, read_starting
from integrations.sandbox.insurance.control import CONTROL_ROUTES, twin_of
from integrations.sandbox.insurance.faults import FaultPlan
from integrations.sandbox.insurance.mobile_centre import MOBILE_PREFIX, MobileCentre
from integrations.sandbox.insurance.mobile_control import MOBILE_CONTROL_ROUTES, centre_of
from integrations.sandbox.insurance.mobile_seal import MobileKeys
from integrations.sandbox.insurance.model import CatalogueItem, Institution, Person, Refused
from integrations.sandbox.insurance.policy import read_policy
from integrations.sandbox.insurance.twin import Reply, Twin, said

AnyRequest = Request[Any, Any, Any]
FOLDER = Path(__file__).parent
PREFIX = "/fsi/api"
"""Transactions are at ``PREFIX/infno``."""
CREDENTIAL_PATH = "/localcfc/api/hsecfc/localQrCodeQuery"


@post(PREFIX + "/{infno:str}", status_code=200)
async def transact(request: AnyRequest, infno: FromPath[str]) -> Reply:
    """Every transaction of the institution interface."""
    return await twin_of(request).transact(infno, request.headers, await request.body())


@post(CREDENTIAL_PATH, status_code=200)
async def decode(request: AnyRequest) -> Reply:
    """Decode an e-credential."""
    return twin_of(request).decode(await request.body())


def _refused(_: AnyRequest, refused: Refused) -> Response[Any]:
    return said({"message": refused.text}, 400)


@post(MOBILE_PREFIX + "/{path:str}", status_code=200)
async def answer_mobile(request: AnyRequest, path: FromPath[str]) -> Reply:
    """Every transaction of the mobile payment centre."""
    centre = centre_of(request)
    return await centre.answer(path, await request.body())


def open_twin(
    book: str | Path, clock: Callable[[], datetime], faults: FaultPlan | None = None
) -> Twin:
    """A twin over a book file (or ``:memory:``), filled with the starting persons if it is new."""
    starting = read_starting((FOLDER / "starting.json").read_text(encoding="utf-8"))
    policy = read_policy(read_starting((FOLDER / "policy.json").read_text(encoding="utf-8")))
    held = Book(book)
    with held.transaction():
        if held.meta("secret") is None:
            held.set_meta("secret", secrets.token_hex(16))
            for person in msgspec.convert(starting["persons"], list[Person]):
                held.add_person(person)
            for institution in msgspec.convert(starting["institutions"], list[Institution]):
                held.add_institution(institution)
            for item in msgspec.convert(starting["catalogue"], list[CatalogueItem]):
                held.add_item(item)
    return Twin(
        book=held,
        policy=policy,
        clock=clock,
        faults=FaultPlan() if faults is None else faults,
        parties=starting["parties"],
    )


def open_centre(twin: Twin, keys: MobileKeys) -> MobileCentre:
    """The payment centre over a twin's book."""
    return MobileCentre(
        book=twin.book,
        policy=twin.policy,
        clock=twin.clock,
        wall=twin.wall,
        faults=twin.faults,
        keys=keys,
    )


def create_insurance_twin(
    book: str | Path,
    clock: Callable[[], datetime],
    faults: FaultPlan | None = None,
    mobile: MobileKeys | None = None,
) -> Litestar:
    """The application. Restarting over the same book file keeps everything but planned faults.

    Without ``mobile`` the centre knows no application.
    """
    twin = open_twin(book, clock, faults)
    unused = MobileKeys(private_key_hex=PrivateKey.generate().to_bytes().hex(), apps=())
    centre = open_centre(twin, unused if mobile is None else mobile)
    return Litestar(
        route_handlers=[transact, decode, answer_mobile, *CONTROL_ROUTES, *MOBILE_CONTROL_ROUTES],
        state=State({"twin": twin, "centre": centre}, deep_copy=False),
        exception_handlers={Refused: _refused},
        on_shutdown=[twin.book.close],
        openapi_config=None,
        request_max_body_size=32 * 1024 * 1024,
        logging_config=None,
    )
