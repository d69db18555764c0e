"""HTTP of institutions: terminals' activation, applications' certificates, our keys and lists."""

import base64
from typing import Annotated

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from crypto.sm3 import sm3
from service.institution import actions, authority, certificates
from service.institution.schemas import (
    ActivationAnswer,
    ActivationRequest,
    CertificateAnswer,
    CertificateRequest,
    CertificatesAnswer,
    PlatformKey,
    PlatformKeysAnswer,
    RevocationRequest,
)
from service.kernel.context import Context
from service.kernel.http_problems import MEDIA_TYPE
from service.kernel.idempotency import Answer, answer_once
from service.kernel.limits import RateLimit
from service.kernel.principals import Application
from service.kernel.problems import NotFound

LIST_CACHED_S = 60


@post("/v1/terminal-activation", status_code=200, tags=["terminal"])
async def activate(
    data: JSONBody[ActivationRequest],
    ctx: NamedDependency[Context],
    activation_limit: NamedDependency[RateLimit],
) -> ActivationAnswer:
    """Exchange a terminal's activation code for its id and its HMAC-SM3 key, once."""
    activation_limit.take("all", ctx.clock.now())
    activated = await actions.activate_terminal(ctx, data.activation_code)
    return ActivationAnswer(
        terminal_id=ctx.public_ids.text(
            activated.terminal.institution_id, activated.terminal.terminal_id
        ),
        key=base64.b64encode(activated.key).decode(),
        institution_name=activated.institution_name,
        public_place=activated.terminal.public_place,
    )


@post(
    "/v1/institution/certificates",
    status_code=201,
    tags=["institution"],
    responses={
        201: ResponseSpec(
            data_container=CertificateAnswer, generate_examples=False, description="Valid from now."
        )
    },
)
async def renew_certificate(
    application: NamedDependency[Application],
    data: JSONBody[CertificateRequest],
    request: Request[None, None, State],
    ctx: NamedDependency[Context],
    idempotency_key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,
) -> Response[bytes]:
    """Get the caller's next certificate; the key that signs this request stays valid beside it.

    The answer is a ``CertificateAnswer`` with its ``chain``.
    """

    async def run() -> Answer:
        wish = certificates.Wish(csr=data.csr, chain=data.chain)
        held = await certificates.renew(
            ctx, application.institution_id, application.application_id, wish
        )
        chain = await certificates.chain_with_root(ctx, held)
        return Answer(201, msgspec.json.encode(CertificateAnswer.of(ctx, held, chain)))

    answer = await answer_once(
        ctx.pool,
        ctx.sealer,
        ctx.clock,
        caller=application.caller,
        operation="renew-certificate",
        key=idempotency_key,
        given=await request.body(),
        run=run,
    )
    media_type = "application/json" if answer.status < 400 else MEDIA_TYPE
    return Response(answer.body, status_code=answer.status, media_type=media_type)


@get("/v1/institution/certificates", tags=["institution"])
async def list_certificates(
    application: NamedDependency[Application], ctx: NamedDependency[Context]
) -> CertificatesAnswer:
    """The caller's certificates, newest first, the revoked and expired ones too."""
    held = await certificates.held_by(ctx, application.institution_id, application.application_id)
    return CertificatesAnswer(certificates=[CertificateAnswer.of(ctx, one) for one in held])


@post(
    "/v1/institution/certificates/{certificate_id:str}/revocation",
    status_code=200,
    tags=["institution"],
)
async def revoke_certificate(
    application: NamedDependency[Application],
    certificate_id: FromPath[str],
    data: JSONBody[RevocationRequest],
    ctx: NamedDependency[Context],
) -> CertificateAnswer:
    """Revoke one of the caller's own certificates for good, be it the one in use.

    A repeat changes nothing.
    """
    institution_id, local_id = ctx.public_ids.parse(certificate_id)
    if institution_id != application.institution_id:
        raise NotFound
    revoked = await certificates.revoke(
        ctx, institution_id, local_id, data.reason, holder_id=application.application_id
    )
    return CertificateAnswer.of(ctx, revoked)


@get("/v1/lists/certificates.crl", tags=["lists"], media_type="application/pkix-crl")
async def published_crl(
    ctx: NamedDependency[Context],
    version: Annotated[int | None, QueryParameter(name="authority", ge=1, le=255)] = None,
    if_none_match: Annotated[str | None, HeaderParameter(name="If-None-Match")] = None,
) -> Response[bytes]:
    """The revoked certificates of our authority (X.509 CRL v2, DER). Public."""
    crl = await authority.revocation_list(ctx, version)
    return _cached(crl.encoded, "application/pkix-crl", if_none_match)


@get("/v1/lists/certificates.pem", tags=["lists"], media_type="application/x-pem-file")
async def published_roots(
    ctx: NamedDependency[Context],
    if_none_match: Annotated[str | None, HeaderParameter(name="If-None-Match")] = None,
) -> Response[bytes]:
    """Our authority's root certificates that count, newest first (PEM). Public."""
    text = "".join(root.pem() for root in await authority.roots(ctx))
    return _cached(text.encode(), "application/x-pem-file", if_none_match)


def _cached(body: bytes, media_type: str, if_none_match: str | None) -> Response[bytes]:
    """An answer that may be kept for a minute, or 304 to whoever has it."""
    tag = f'"{sm3(body)[:16].hex()}"'
    headers = {"ETag": tag, "Cache-Control": f"public, max-age={LIST_CACHED_S}"}
    if if_none_match == tag:
        return Response(b"", status_code=304, headers=headers, media_type=media_type)
    return Response(body, headers=headers, media_type=media_type)


@get("/v1/institution/platform-keys", tags=["institution"])
async def list_platform_keys(
    application: NamedDependency[Application],  # noqa: ARG001  any application of ours may ask
    ctx: NamedDependency[Context],
) -> PlatformKeysAnswer:
    """The keys by which to check our answers. A new one stands here two weeks before it signs."""
    return PlatformKeysAnswer(
        keys=[PlatformKey.of(key, public) for key, public in actions.platform_keys(ctx)]
    )


router = Router(
    path="/",
    route_handlers=[
        activate,
        list_platform_keys,
        renew_certificate,
        list_certificates,
        revoke_certificate,
        published_crl,
        published_roots,
    ],
)
