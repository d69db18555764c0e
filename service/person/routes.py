"""HTTP of patients: a hospital's system registers them, says what it learnt, and who died."""

from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from service.kernel.context import Context
from service.kernel.idempotent_http import AnyRequest, IdempotencyKey, respond_once
from service.kernel.principals import Application
from service.kernel.problems import NotAllowed
from service.person import patients
from service.person.schemas import (
    DeathAnswer,
    DeathRequest,
    LearntRequest,
    PatientAnswer,
    PatientRequest,
)
from service.person.special import Learnt

SCOPE = "patient"
_REGISTERED = ResponseSpec(
    data_container=PatientAnswer, generate_examples=False, description="Registered."
)
_TOLD = ResponseSpec(data_container=DeathAnswer, generate_examples=False, description="Told.")


@post(
    "/v1/institution/patients", status_code=201, tags=["institution"], responses={201: _REGISTERED}
)
async def register_patient(
    application: NamedDependency[Application],
    data: JSONBody[PatientRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Register whoever stands before you: a newborn without a name, an unknown patient too.

    The answer is a ``PatientAnswer``. Whom the index takes him for is not told.
    """
    _check_scope(application)

    async def run() -> PatientAnswer:
        registered = await patients.register(ctx, data.registration(application))
        return PatientAnswer.of(ctx, application, registered)

    return await respond_once(
        ctx,
        request,
        caller=application.caller,
        operation="register-patient",
        key=idempotency_key,
        run=run,
        status=201,
    )


@post(
    "/v1/institution/patients/{patient_id:str}/registrations",
    status_code=201,
    tags=["institution"],
    responses={201: _REGISTERED},
)
async def register_patient_again(
    application: NamedDependency[Application],
    patient_id: FromPath[str],
    data: JSONBody[LearntRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Say what was learnt of a patient whom you registered: a newborn's name or number, who an
    unknown patient is, another name or number.

    The answer is a ``PatientAnswer`` with a further id of the same person; where the index knew
    him already, the earlier registration is his from now on.
    """
    _check_scope(application)

    async def run() -> PatientAnswer:
        registered = await patients.register_again(
            ctx,
            application,
            patient_id,
            data.patient.registration(application),
            Learnt(data.learnt.value),
            data.because,
        )
        return PatientAnswer.of(ctx, application, registered)

    return await respond_once(
        ctx,
        request,
        caller=application.caller,
        operation="register-patient-again",
        key=idempotency_key,
        run=run,
        status=201,
    )


@post(
    "/v1/institution/patients/{patient_id:str}/death",
    status_code=200,
    tags=["institution"],
    responses={200: _TOLD},
)
async def report_death(
    application: NamedDependency[Application],
    patient_id: FromPath[str],
    data: JSONBody[DeathRequest],
    request: AnyRequest,
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """A patient of yours died: no code of his is taken any more, anywhere.

    The answer is a ``DeathAnswer``. Only the platform's staff can take it back.
    """
    _check_scope(application)

    async def run() -> DeathAnswer:
        await patients.report_death(ctx, application, patient_id, data.because)
        return DeathAnswer(patient_id=patient_id)

    return await respond_once(
        ctx,
        request,
        caller=application.caller,
        operation="report-death",
        key=idempotency_key,
        run=run,
        status=200,
    )


def _check_scope(application: Application) -> None:
    if SCOPE not in application.scopes:
        raise NotAllowed


router = Router(path="/", route_handlers=[register_patient, register_patient_again, report_death])
