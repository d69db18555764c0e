"""The root's private key as a file that two of its custodians open together, and one never.

    {"form": "yimatong-root/1", "public": "<compressed key>", "log2_n": 17,
     "custodians": [{"name": "...", "salt": "<16 bytes>"}, ...],
     "pairs": [{"custodians": [0, 1], "nonce": "<12 bytes>", "sealed": "<48 bytes>"}, ...]}

Each custodian's passphrase gives a key by scrypt; HMAC-SM3 of one under the other seals the root
(SM4-GCM) for that pair. Every pair has its own envelope, so a lost passphrase loses nothing, and
no secret-sharing of our own making stands between the custodians and the key.
"""

import itertools
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crypto.canonical import encode_parts
from crypto.errors import BadCiphertext, BadEncoding, BadKey
from crypto.passphrase import LOG2_N, SALT_SIZE, key_from_passphrase, passphrase_bytes
from crypto.sm2 import PrivateKey, PublicKey
from crypto.sm3 import hmac_sm3
from crypto.sm4 import NONCE_SIZE, TAG_SIZE, gcm_decrypt, gcm_encrypt

FORM = "yimatong-root/1"
FILE_MAX = 1 << 16
CUSTODIANS_MIN = 3
CUSTODIANS_MAX = 9
_LABEL = b"YM root pair\0"
_FIELDS = {"form", "public", "log2_n", "custodians", "pairs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    first: int
    second: int
    nonce: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RootFile:
    """What stands in the file; nothing of it opens the key."""

    public: PublicKey
    log2_n: int
    names: tuple[str, ...]
    salts: tuple[bytes, ...]
    pairs: tuple[_Pair, ...]

    def open(self, passphrases: Mapping[str, str]) -> PrivateKey:
        """The root's key, by two custodians' passphrases under their names.

        ``BadKey`` unless exactly two custodians of this file are named; ``BadCiphertext`` when
        either passphrase is wrong: not which of the two.
        """
        if len(passphrases) != 2 or not set(passphrases) <= set(self.names):
            raise BadKey("two custodians of this root open it")
        first, second = sorted(self.names.index(name) for name in passphrases)
        one, other = (
            key_from_passphrase(passphrases[self.names[at]], self.salts[at], self.log2_n)
            for at in (first, second)
        )
        for pair in self.pairs:
            if (pair.first, pair.second) == (first, second):
                aad = _aad(self.public, self.names[first], self.names[second])
                key = _pair_key(one, other, aad)
                try:
                    material = gcm_decrypt(key, pair.nonce, pair.sealed, aad)
                except BadCiphertext:
                    raise BadCiphertext(
                        "one of the two passphrases is wrong, or the root file is damaged"
                    ) from None
                return _checked(PrivateKey.from_bytes(material), self.public)
        raise BadCiphertext("the root file has no envelope for these two")


def make_root(
    passphrases: Mapping[str, str], *, root: PrivateKey | None = None, log2_n: int = LOG2_N
) -> str:
    """A root's file for these custodians (name to passphrase); any two of them open it.

    Without ``root`` a new key is made.

    ``BadKey`` for fewer than three or more than nine custodians, an unfit name, a passphrase that
    is too short, or one that two custodians share.
    """
    names = tuple(passphrases)
    if not CUSTODIANS_MIN <= len(names) <= CUSTODIANS_MAX:
        raise BadKey("a root has three to nine custodians")
    if not all(_is_name(name) for name in names):
        raise BadKey("a custodian's name has 1 to 40 printable characters")
    if len({passphrase_bytes(text) for text in passphrases.values()}) != len(names):
        raise BadKey("custodians never share a passphrase")
    root = root or PrivateKey.generate()
    salts = [secrets.token_bytes(SALT_SIZE) for _ in names]
    halves = [
        key_from_passphrase(passphrases[name], salt, log2_n)
        for name, salt in zip(names, salts, strict=True)
    ]
    pairs = []
    for first, second in itertools.combinations(range(len(names)), 2):
        aad = _aad(root.public, names[first], names[second])
        nonce = secrets.token_bytes(NONCE_SIZE)
        key = _pair_key(halves[first], halves[second], aad)
        sealed = gcm_encrypt(key, nonce, root.to_bytes(), aad)
        pairs.append({"custodians": [first, second], "nonce": nonce.hex(), "sealed": sealed.hex()})
    content = {
        "form": FORM,
        "public": root.public.compressed().hex(),
        "log2_n": log2_n,
        "custodians": [
            {"name": name, "salt": salt.hex()} for name, salt in zip(names, salts, strict=True)
        ],
        "pairs": pairs,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_root(text: str) -> RootFile:
    """``BadEncoding`` or ``BadKey`` for anything but a root file."""
    if len(text) > FILE_MAX:
        raise BadEncoding("the root file is too long")
    try:
        return _root_of(json.loads(text))
    except (BadEncoding, BadKey):
        raise
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadEncoding("not a root file") from None


def _root_of(content: dict[str, Any]) -> RootFile:
    if set(content) != _FIELDS or content["form"] != FORM:
        raise BadEncoding("not a root file")
    names = tuple(str(one["name"]) for one in content["custodians"])
    count = len(names)
    if not CUSTODIANS_MIN <= count <= CUSTODIANS_MAX or len(set(names)) != count:
        raise BadEncoding("not a root file")
    if type(content["log2_n"]) is not int or not all(_is_name(name) for name in names):
        raise BadEncoding("not a root file")
    return RootFile(
        public=PublicKey.from_bytes(bytes.fromhex(content["public"]), allow_compressed=True),
        log2_n=content["log2_n"],
        names=names,
        salts=tuple(_sized(one["salt"], SALT_SIZE) for one in content["custodians"]),
        pairs=tuple(_pair_of(one, count) for one in content["pairs"]),
    )


def _pair_of(row: dict[str, Any], count: int) -> _Pair:
    first, second = row["custodians"]
    if type(first) is not int or type(second) is not int or not 0 <= first < second < count:
        raise BadEncoding("not a root file")
    return _Pair(
        first=first,
        second=second,
        nonce=_sized(row["nonce"], NONCE_SIZE),
        sealed=_sized(row["sealed"], 32 + TAG_SIZE),
    )


def _sized(text: str, size: int) -> bytes:
    piece = bytes.fromhex(text)
    if len(piece) != size:
        raise BadEncoding("not a root file")
    return piece


def _is_name(name: str) -> bool:
    return 1 <= len(name) <= 40 and name.isprintable() and name == name.strip()


def _aad(public: PublicKey, first: str, second: str) -> bytes:
    return _LABEL + encode_parts((public.compressed(), first, second))


def _pair_key(first: bytes, second: bytes, aad: bytes) -> bytes:
    return hmac_sm3(first, aad + second)[:16]


def _checked(root: PrivateKey, public: PublicKey) -> PrivateKey:
    if root.public.compressed() != public.compressed():
        raise BadCiphertext("the root's halves do not fit")
    return root


def fingerprint(parts: Sequence[bytes]) -> str:
    """24 hexadecimal digits in groups of four, for people to compare by reading aloud."""
    digits = hmac_sm3(b"YM fingerprint", encode_parts(tuple(parts))).hex()[:24]
    return " ".join(digits[at : at + 4] for at in range(0, 24, 4))
