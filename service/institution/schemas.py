"""What travels: terminal activation, and the keys that sign our answers."""

from datetime import datetime
from typing import Annotated, Self

import msgspec

from crypto.keyring import Key
from crypto.sm2 import PublicKey
from service.institution.model import CertificateState, HeldCertificate, RevocationReason
from service.kernel.context import Context

PEM_MAX = 1 << 16
Pem = Annotated[str, msgspec.Meta(min_length=64, max_length=PEM_MAX)]


class ActivationRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The code that staff type once at a new terminal."""

    activation_code: Annotated[str, msgspec.Meta(min_length=16, max_length=24)]


class ActivationAnswer(msgspec.Struct, kw_only=True):
    """The terminal's identity and key; ``key`` is base64 of 32 bytes and is told only here."""

    terminal_id: str
    key: str
    institution_name: str
    public_place: bool


class CertificateRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A request (PKCS#10, PEM) for our own authority, or a chain (PEM) of an outside one."""

    csr: Pem | None = None
    chain: Pem | None = None


class RevocationRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why; ``keyCompromise`` when somebody else may have the key."""

    reason: RevocationReason


class CertificateAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One certificate of the caller. ``serial`` is hexadecimal; ``chain`` is PEM."""

    certificate_id: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    state: CertificateState
    reason: RevocationReason | None = None
    revoked_at: datetime | None = None
    chain: str | None = None
    """The certificate, what lies above it and, for our own authority, the root."""

    @classmethod
    def of(cls, ctx: Context, held: HeldCertificate, chain: str | None = None) -> Self:
        """What the caller may know of it, which is all."""
        return cls(
            certificate_id=ctx.public_ids.text(held.institution_id, held.certificate_id),
            issuer=held.issuer,
            serial=held.serial_no.hex(),
            not_before=held.not_before,
            not_after=held.not_after,
            state=held.state_at(ctx.clock.now()),
            reason=held.reason,
            revoked_at=held.revoked_at,
            chain=chain,
        )


class CertificatesAnswer(msgspec.Struct, kw_only=True):
    """The caller's certificates, newest first."""

    certificates: list[CertificateAnswer]


class PlatformKey(msgspec.Struct, kw_only=True):
    """A key that signs answers from ``use_from``; ``public_key`` is 65 bytes in hexadecimal."""

    key_id: str
    public_key: str
    use_from: datetime
    use_until: datetime

    @classmethod
    def of(cls, key: Key, public: PublicKey) -> "PlatformKey":
        """The public half, under the name that stands in ``Yimatong-Key``."""
        return cls(
            key_id=f"transport-{key.version}",
            public_key=public.to_bytes().hex(),
            use_from=key.use_from,
            use_until=key.use_until,
        )


class PlatformKeysAnswer(msgspec.Struct, kw_only=True):
    """Every key that may stand under an answer, the next one before its time too."""

    keys: list[PlatformKey]
