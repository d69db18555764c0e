"""Issuing: the only way to an issuer's signature. Builds every signed byte itself.

Each signature is verified before the code is let out, so that a fault while signing shows here
and not as a leaked key; that halves the rate and is the price of safety in software.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from crypto.errors import BadEncoding, BadKey, CryptoError
from crypto.healthcode import text
from crypto.healthcode.index import Index, encrypt_index, index_key
from crypto.healthcode.layout import (
    CONTEXT_BIT,
    NO_CONTEXT,
    STEP_S,
    BoundCode,
    Code,
    Head,
    Kind,
    OnceCode,
    PrintedCode,
    Purpose,
    code_id,
    holder_message,
    issuer_message,
    parse,
)
from crypto.keyring import Key, KeyKind, KeyRing
from crypto.signing import Signer
from crypto.sm2 import PrivateKey, PublicKey
from crypto.sm2_backend import Sm2Backend

RandomBytes = Callable[[int], bytes]
_RING_KIND = {
    Kind.BOUND: KeyKind.ISSUER_BOUND,
    Kind.ONCE: KeyKind.ISSUER_ONCE,
    Kind.PRINTED: KeyKind.ISSUER_PRINTED,
}
_UNSIGNED = bytes(64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """An issuer key of one kind, with the index root beside it. Load once, use for many."""

    kind: Kind
    key_id: int
    signer: Signer
    index_root: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCode:
    """What issuing gives: the text to show, and what to remember."""

    text: str
    code: Code
    code_id: bytes


def load_issuer(
    ring: KeyRing, kind: Kind, now: datetime, *, backend: Sm2Backend | None = None
) -> Issuer:
    """The ring's current issuer key and index root for a kind; ``BadKey`` if there is none."""
    key: Key = ring.current(_RING_KIND[kind], now)
    root = ring.current(KeyKind.INDEX_ROOT, now)
    if key.code_key_id is None:
        raise BadKey("the issuer key has no key id")
    return Issuer(
        kind=kind,
        key_id=key.code_key_id,
        signer=PrivateKey.from_bytes(key.material, backend=backend),
        index_root=root.material,
    )


def _head(issuer: Issuer, kind: Kind, code_class: int, life: int, now: datetime) -> Head:
    if issuer.kind is not kind:
        raise BadKey("the issuer key is for another kind")
    if not 0 <= code_class <= 0xFF:
        raise BadEncoding("a class has one byte")
    return Head(
        kind=kind,
        key_id=issuer.key_id,
        code_class=code_class,
        issued=int(now.timestamp()),
        life=life,
    )


def _sign(issuer: Issuer, code: Code, context: bytes) -> bytes:
    message = issuer_message(code, context)
    signature = issuer.signer.sign(message)
    if not issuer.signer.public.verify(message, signature):
        raise CryptoError("the issuer's signature did not verify: not released")
    return signature


def _released(code: Code) -> IssuedCode:
    raw = code.to_bytes()
    parse(raw)
    return IssuedCode(text=text.encode(raw), code=code, code_id=code_id(code))


def _purpose_byte(purpose: Purpose, context: bytes | None) -> int:
    if context is not None and len(context) != 32:
        raise BadEncoding("a context has 32 bytes")
    return purpose | (0 if context is None else CONTEXT_BIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnceRequest:
    """A one-time code to make. ``life_s`` is 1 to 120; ``context`` is an offer's 32 bytes."""

    index: Index
    code_class: int
    purpose: Purpose = Purpose.IDENTIFY
    context: bytes | None = None
    life_s: int = 60


def issue_once(
    issuer: Issuer,
    request: OnceRequest,
    now: datetime,
    *,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> IssuedCode:
    """A one-time code, signed, verified and written. ``BadEncoding`` for fields out of range."""
    head = _head(issuer, Kind.ONCE, request.code_class, request.life_s, now)
    code = OnceCode(
        head=head,
        purpose_byte=_purpose_byte(request.purpose, request.context),
        nonce=random_bytes(8),
        index=b"",
        issuer_signature=_UNSIGNED,
    )
    key = index_key(issuer.index_root, head)
    code = replace(code, index=encrypt_index(key, code.before_index(), request.index))
    signature = _sign(issuer, code, request.context or NO_CONTEXT)
    return _released(replace(code, issuer_signature=signature))


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedRequest:
    """A printed code to make. ``life_days`` is 1 to 1,827."""

    index: Index
    code_class: int
    life_days: int


def issue_printed(
    issuer: Issuer,
    request: PrintedRequest,
    now: datetime,
    *,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> IssuedCode:
    """A printed code, signed, verified and written."""
    head = _head(issuer, Kind.PRINTED, request.code_class, request.life_days, now)
    code = PrintedCode(head=head, nonce=random_bytes(8), index=b"", issuer_signature=_UNSIGNED)
    key = index_key(issuer.index_root, head)
    code = replace(code, index=encrypt_index(key, code.before_index(), request.index))
    return _released(replace(code, issuer_signature=_sign(issuer, code, NO_CONTEXT)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRequest:
    """A credential to make for a phone's fresh key. ``life_min`` is 1 to 4,320."""

    index: Index
    code_class: int
    holder_key: PublicKey
    life_min: int = 1440


def issue_credential(issuer: Issuer, request: CredentialRequest, now: datetime) -> bytes:
    """The 124 bytes a phone keeps and puts its moment and signature behind.

    Who asks must have proved possession of the holder key (``layout.enrol_message``), and the key
    must never have been seen before: both are the caller's to check.
    """
    head = _head(issuer, Kind.BOUND, request.code_class, request.life_min, now)
    code = BoundCode(
        head=head,
        holder_key=request.holder_key.compressed(),
        index=b"",
        issuer_signature=_UNSIGNED,
        step=0,
        seq=0,
        purpose_byte=0,
        holder_signature=_UNSIGNED,
    )
    key = index_key(issuer.index_root, head)
    code = replace(code, index=encrypt_index(key, code.before_index(), request.index))
    code = replace(code, issuer_signature=_sign(issuer, code, NO_CONTEXT))
    parse(code.to_bytes())
    return code.credential()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a phone adds at one showing. ``seq`` rises with each tap inside a 30-second step."""

    at: datetime
    seq: int = 0
    purpose: Purpose = Purpose.IDENTIFY
    context: bytes | None = None


def show_bound(credential: bytes, holder: Signer, moment: Moment) -> IssuedCode:
    """What the phone does: for our own clients' tests and for simulation. ``BadKey`` for a
    holder key that the credential does not name."""
    shown = (
        credential
        + (int(moment.at.timestamp()) // STEP_S).to_bytes(4, "big")
        + bytes((moment.seq, _purpose_byte(moment.purpose, moment.context)))
    )
    code = parse(shown + _UNSIGNED)
    if not isinstance(code, BoundCode) or code.holder_key != holder.public.compressed():
        raise BadKey("the credential is not for this holder key")
    message = holder_message(code, moment.context or NO_CONTEXT)
    return _released(replace(code, holder_signature=holder.sign(message)))
