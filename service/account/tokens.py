"""Residents' tokens: JWT signed with SM2 and SM3 under the ring's token keys.

The algorithm is fixed, the header has exactly three members, claims are decoded strictly, and
only the one canonical base64url text of a token is taken. Every refusal is ``NotAuthenticated``.
"""

import base64
import binascii
import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NoReturn

import msgspec
from jwt import PyJWS
from jwt.algorithms import Algorithm
from jwt.exceptions import InvalidKeyError, PyJWTError

from crypto.errors import BadKey
from crypto.keyring import Key, KeyKind, KeyView
from crypto.signer import public_key_of
from crypto.signing import Signer
from crypto.sm2 import PublicKey
from service.kernel.problems import NotAuthenticated
from service.kernel.proved_texts import ProvedTexts

ALGORITHM = "SM2"
ISSUER = "yimatong"
TOKEN_MAX = 1024
CLOCK_LEEWAY = timedelta(seconds=30)
_KEY_ID = re.compile(r"token-([1-9][0-9]{0,2})", re.ASCII)


class Claims(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a token says. ``sub`` is the account's public id, ``sid`` its session."""

    iss: str
    sub: str
    sid: str
    iat: int
    exp: int


class Proved(msgspec.Struct, frozen=True):
    """A token whose signature holds under that very key."""

    version: int
    key: PublicKey
    claims: Claims


class Sm2Algorithm(Algorithm):
    """SM2 with SM3 and the default user id; 64 bytes r || s."""

    def prepare_key(self, key: Any) -> Any:
        """Only our own key classes: never text, so no key can be confused with another kind."""
        if not isinstance(key, PublicKey) and not callable(getattr(key, "sign", None)):
            raise InvalidKeyError("not an SM2 key")
        return key

    def sign(self, msg: bytes, key: Signer) -> bytes:
        """64 bytes."""
        return key.sign(msg)

    def verify(self, msg: bytes, key: PublicKey, sig: bytes) -> bool:
        """True if the signature is over ``msg``."""
        return key.verify(msg, sig)

    @staticmethod
    def to_jwk(key_obj: Any, as_dict: bool = False) -> NoReturn:
        """Token keys are not published."""
        raise NotImplementedError

    @staticmethod
    def from_jwk(jwk: Any) -> NoReturn:
        """Token keys come from the ring alone."""
        raise NotImplementedError


@lru_cache(maxsize=1)
def _signatures() -> PyJWS:
    """Made once: the library makes an object of each algorithm it knows, and we then use one."""
    jws = PyJWS(algorithms=[])
    jws.register_algorithm(ALGORITHM, Sm2Algorithm())
    return jws


def issue(key: Key, signer: Signer, claims: Claims) -> str:
    """The token, at most 1 KiB, signed by who signs with that key of the ring."""
    return _signatures().encode(
        msgspec.json.encode(claims),
        signer,  # type: ignore[arg-type]  # our algorithm's own key class
        algorithm=ALGORITHM,
        headers={"kid": f"token-{key.version}"},
    )


def read(
    ring: KeyView, token: str, now: datetime, proved: ProvedTexts[Proved] | None = None
) -> Claims:
    """The claims of a token that holds now. Raises ``NotAuthenticated``.

    ``proved`` spares the signature of a token that was read before, nothing else.
    """
    if len(token) > TOKEN_MAX or not token.isascii():
        raise NotAuthenticated
    known = None if proved is None else proved.find(token.encode())
    if known is None or not _is_accepted(ring, known, now):
        known = _proved(ring, token, now)
        if proved is not None:
            proved.keep(token.encode(), known)
    if not _is_current(known.claims, now):
        raise NotAuthenticated
    return known.claims


def _is_accepted(ring: KeyView, known: Proved, now: datetime) -> bool:
    try:
        return public_key_of(ring.accepted(KeyKind.TOKEN, known.version, now)) == known.key
    except BadKey:
        return False


def _proved(ring: KeyView, token: str, now: datetime) -> Proved:
    """What a token of ours says, whenever. Raises ``NotAuthenticated``."""
    if not _is_canonical(token):
        raise NotAuthenticated
    jws = _signatures()
    try:
        key = _key_of(ring, jws.get_unverified_header(token), now)
        public = public_key_of(key)
        opened = jws.decode_complete(
            token,
            public,  # type: ignore[arg-type]
            algorithms=[ALGORITHM],
        )
        claims = msgspec.json.decode(opened["payload"], type=Claims, strict=True)
    except (PyJWTError, BadKey, msgspec.MsgspecError, UnicodeDecodeError):
        raise NotAuthenticated from None
    if claims.iss != ISSUER:
        raise NotAuthenticated
    return Proved(key.version, public, claims)


def _key_of(ring: KeyView, header: dict[str, Any], now: datetime) -> Key:
    if set(header) != {"alg", "kid", "typ"} or header["typ"] != "JWT":
        raise NotAuthenticated
    named = _KEY_ID.fullmatch(header["kid"]) if isinstance(header["kid"], str) else None
    if header["alg"] != ALGORITHM or named is None:
        raise NotAuthenticated
    return ring.accepted(KeyKind.TOKEN, int(named[1]), now)


def _is_canonical(token: str) -> bool:
    """Whether each part is the one base64url text of its bytes, so no token has a second form."""
    parts = token.split(".")
    if len(parts) != 3:
        return False
    try:
        return all(
            base64.urlsafe_b64encode(
                base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
            ).rstrip(b"=")
            == part.encode()
            for part in parts
        )
    except (binascii.Error, ValueError):
        return False


def _is_current(claims: Claims, now: datetime) -> bool:
    seconds = now.timestamp()
    return claims.iat - CLOCK_LEEWAY.total_seconds() <= seconds < claims.exp
