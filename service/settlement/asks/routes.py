"""HTTP for a hospital's own machine that speaks with its bureau itself: take calls, report them."""

from litestar import Router, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from service.kernel.context import Context
from service.kernel.entry import target_of
from service.kernel.idempotent_http import AnyRequest
from service.kernel.principals import Application
from service.kernel.problems import NotAllowed
from service.settlement.asks import answering
from service.settlement.asks.model import SignedReport
from service.settlement.asks.schemas import (
    AnswerRequest,
    AskAnswer,
    AskList,
    RecordedAnswer,
    TakeRequest,
)

SCOPE = "insurance"


def _check_scope(application: Application) -> None:
    if SCOPE not in application.scopes:
        raise NotAllowed


@post("/v1/institution/insurance/asks/take", status_code=200, tags=["institution"])
async def take_asks(
    application: NamedDependency[Application],
    data: JSONBody[TakeRequest],
    ctx: NamedDependency[Context],
    held_takes: NamedDependency[answering.HeldTakes],
) -> AskList:
    """The insurance calls that your own machine is to perform, each given out once.

    What is not taken within half of the time to answer is withdrawn and never given out. After a
    crash, and after a request whose answer you did not get, take ``again``.
    """
    _check_scope(application)
    found = await answering.take(ctx, application, held_takes, wait_s=data.wait_s, again=data.again)
    return AskList(asks=[AskAnswer.of(ctx, one) for one in found])


@put(
    "/v1/institution/insurance/asks/{message_no:str}/answer", status_code=200, tags=["institution"]
)
async def answer_ask(
    application: NamedDependency[Application],
    message_no: FromPath[str],
    data: JSONBody[AnswerRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
) -> RecordedAnswer:
    """What became of a call that you took. Again with the same changes nothing.

    Your request is kept as you signed it. Late answers are taken too, and settle nothing by
    themselves.
    """
    _check_scope(application)
    report = SignedReport(
        method=request.method,
        host=request.headers.get("host", "").lower(),
        target=target_of(dict(request.scope)),
        authorization=request.headers.get("authorization", ""),
        idempotency_key=request.headers.get("idempotency-key", ""),
        body=(await request.body()).decode(),
    )
    view = await answering.answer(ctx, application, message_no, data.told(), report)
    return RecordedAnswer.of(ctx, view, with_report=False)


@get("/v1/institution/insurance/asks/{message_no:str}", tags=["institution"])
async def read_ask(
    application: NamedDependency[Application],
    message_no: FromPath[str],
    ctx: NamedDependency[Context],
) -> RecordedAnswer:
    """How a call that you took stands, with your own report of it as you signed it."""
    _check_scope(application)
    view = await answering.read(ctx, application, message_no)
    return RecordedAnswer.of(ctx, view, with_report=True)


router = Router(path="/", route_handlers=[take_asks, answer_ask, read_ask])
