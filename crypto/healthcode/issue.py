"""Issuing: the only way to an issuer's signature. Builds every signed byte itself.

Each signature is verified before the code is let out, so that a fault while signing shows here
and not as a leaked key; that halves the rate and is the price of safety in software.

``prepare_*`` gives what is to be signed and ``finish`` takes the signature, for keys that are
elsewhere (``crypto.signer``); ``issue_*`` does both at once with a key at hand.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from crypto.errors import BadEncoding, BadKey, BadSignature
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
from crypto.keyring import Key, KeyKind, KeyView
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
class IssuingKey:
    """What issuing must know of an issuer key that is elsewhere: all but the private half."""

    kind: Kind
    key_id: int
    public: PublicKey
    index_root: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """An issuer key of one kind, with the index root beside it. Load once, use for many."""

    kind: Kind
    key_id: int
    signer: Signer
    index_root: bytes = field(repr=False)

    @property
    def key(self) -> IssuingKey:
        """Without the private half."""
        return IssuingKey(
            kind=self.kind,
            key_id=self.key_id,
            public=self.signer.public,
            index_root=self.index_root,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCode:
    """A code without its issuer's signature, and whose signature it needs. Never shown."""

    code: Code
    context: bytes
    public: PublicKey

    @property
    def message(self) -> bytes:
        """The bytes that the issuer signs."""
        return issuer_message(self.code, self.context)

    @property
    def digest(self) -> bytes:
        """``e`` of the message under the issuer's key: what a signer is given."""
        return self.public.digest(self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCode:
    """What issuing gives: the text to show, and what to remember."""

    text: str
    code: Code
    code_id: bytes


def load_issuer(
    ring: KeyView, kind: Kind, now: datetime, *, backend: Sm2Backend | None = None
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


def _head(issuer: IssuingKey, kind: Kind, code_class: int, life: int, now: datetime) -> Head:
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


def _signed(prepared: PreparedCode, signature: bytes) -> Code:
    if not prepared.public.verify(prepared.message, signature):
        raise BadSignature("the issuer's signature did not verify: not released")
    return prepared.code._replace(issuer_signature=signature)


def finish(prepared: PreparedCode, signature: bytes) -> IssuedCode:
    """The one-time or printed code, written. ``BadSignature`` unless the 64 bytes verify."""
    if isinstance(prepared.code, BoundCode):
        raise BadEncoding("a bound code is the phone's to finish")
    return _released(_signed(prepared, signature))


def finish_credential(prepared: PreparedCode, signature: bytes) -> bytes:
    """The 124 bytes of a credential. ``BadSignature`` unless the 64 bytes verify."""
    code = _signed(prepared, signature)
    if not isinstance(code, BoundCode):
        raise BadEncoding("only a bound code has a credential")
    parse(code.to_bytes())
    return code.credential()


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


def prepare_once(
    issuer: IssuingKey,
    request: OnceRequest,
    now: datetime,
    *,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> PreparedCode:
    """A one-time code to be signed. ``BadEncoding`` for fields out of range."""
    head = _head(issuer, Kind.ONCE, request.code_class, request.life_s, now)
    code = OnceCode(
        head=head,
        purpose_byte=_purpose_byte(request.purpose, request.context),
        nonce=random_bytes(8),
        index=b"",
        issuer_signature=_UNSIGNED,
    )
    key = index_key(issuer.index_root, head)
    code = code._replace(index=encrypt_index(key, code.before_index(), request.index))
    context = request.context or NO_CONTEXT
    return PreparedCode(code=code, context=context, public=issuer.public)


def issue_once(
    issuer: Issuer,
    request: OnceRequest,
    now: datetime,
    *,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> IssuedCode:
    """A one-time code, signed, verified and written. ``BadEncoding`` for fields out of range."""
    prepared = prepare_once(issuer.key, request, now, random_bytes=random_bytes)
    return finish(prepared, issuer.signer.sign(prepared.message))


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedRequest:
    """A printed code to make. ``life_days`` is 1 to 1,827."""

    index: Index
    code_class: int
    life_days: int


def prepare_printed(
    issuer: IssuingKey,
    request: PrintedRequest,
    now: datetime,
    *,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> PreparedCode:
    """A printed code to be signed. ``BadEncoding`` for fields out of range."""
    head = _head(issuer, Kind.PRINTED, request.code_class, request.life_days, now)
    code = PrintedCode(head=head, nonce=random_bytes(8), index=b"", issuer_signature=_UNSIGNED)
    key = index_key(issuer.index_root, head)
    code = code._replace(index=encrypt_index(key, code.before_index(), request.index))
    return PreparedCode(code=code, context=NO_CONTEXT, public=issuer.public)


def issue_printed(
    issuer: Issuer,
    request: PrintedRequest,
    now: datetime,
    *,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> IssuedCode:
    """A printed code, signed, verified and written."""
    prepared = prepare_printed(issuer.key, request, now, random_bytes=random_bytes)
    return finish(prepared, issuer.signer.sign(prepared.message))


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRequest:
    """A credential to make for a phone's fresh key. ``life_min`` is 1 to 4,320."""

    index: Index
    code_class: int
    holder_key: PublicKey
    life_min: int = 1440


def prepare_credential(
    issuer: IssuingKey, request: CredentialRequest, now: datetime
) -> PreparedCode:
    """A credential to be signed. ``BadEncoding`` for fields out of range."""
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
    code = code._replace(index=encrypt_index(key, code.before_index(), request.index))
    return PreparedCode(code=code, context=NO_CONTEXT, public=issuer.public)


def issue_credential(issuer: Issuer, request: CredentialRequest, now: datetime) -> bytes:
    """The 124 bytes a phone keeps and puts its moment and signature behind.

    Who asks must have proved possession of the holder key (``layout.enrol_message``), and the key
    must never have been seen before: both are the caller's to check.
    """
    prepared = prepare_credential(issuer.key, request, now)
    return finish_credential(prepared, issuer.signer.sign(prepared.message))


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
    return _released(code._replace(holder_signature=holder.sign(message)))
