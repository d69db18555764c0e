"""Judges of our own health-code vectors (form ``yimatong-health-code/1``).

The document shares ``trust_lists`` (name to signed bytes), ``root`` (their signer's public key),
``keys`` (name to a test private key) and ``index_root``; cases refer to them by name.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from crypto.errors import CryptoError
from crypto.healthcode import text as code_text
from crypto.healthcode.describe import describe_verdict
from crypto.healthcode.index import Index, find_index
from crypto.healthcode.issue import (
    CredentialRequest,
    Issuer,
    Moment,
    OnceRequest,
    PrintedRequest,
    issue_credential,
    issue_once,
    issue_printed,
    show_bound,
)
from crypto.healthcode.layout import Head, Kind, Purpose, code_id, parse
from crypto.healthcode.refusal import ListRefused
from crypto.healthcode.revocation import RevocationDelta, apply_delta, open_revocation_list
from crypto.healthcode.revocation_set import RevocationSet
from crypto.healthcode.trust import TrustList, open_trust_list
from crypto.healthcode.verify import CodeVerifier, Reader, RevocationView
from crypto.sm2 import PrivateKey, PublicKey
from crypto.sm2_purepy import sign_with_nonce
from service.conformance import holder
from service.conformance.verdict import Case, CaseJudge, Judgement

FORM = "yimatong-health-code/1"


def _bytes_or_none(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


def _expected(case: Case, got: Mapping[str, object]) -> Judgement:
    """Every key that the case names must be there with that value."""
    return all(got.get(name) == value for name, value in case["expect"].items()), dict(got)


class _ListedRevocations:
    """A revocation list as it stands in a case: covers whatever is asked."""

    def __init__(self, listed: Mapping[str, Any]) -> None:
        self.made_at = self.newest_made_at = datetime.fromisoformat(listed["made_at"])
        self._ids = {bytes.fromhex(code) for code in listed["code_ids"]}

    def covering(self, _head: Head) -> "_ListedRevocations":
        """This very list."""
        return self

    def holds(self, code_id: bytes) -> bool:
        """True if the case lists the id."""
        return code_id in self._ids


class FixedNonceSigner:
    """Signs with a nonce given beforehand, so that vectors can be reproduced byte for byte."""

    def __init__(self, key: PrivateKey, nonce: str) -> None:
        self.public: PublicKey = key.public
        self._d = int.from_bytes(key.to_bytes(), "big")
        self._nonce = int(nonce, 16)

    def sign(self, message: bytes) -> bytes:
        """64 bytes r || s; ``CryptoError`` for a nonce that the standard refuses."""
        return self.sign_digest(self.public.digest(message))

    def sign_digest(self, e: bytes) -> bytes:
        """The same over a ready digest."""
        signature = sign_with_nonce(self._d, e, self._nonce)
        if signature is None:
            raise CryptoError("this nonce gives no signature")
        return signature


def _text(case: Case, _document: Mapping[str, Any]) -> Judgement:
    """``bytes`` and ``text`` stand for each other, or the text is refused (``bytes`` null)."""
    try:
        raw: str | None = code_text.decode(case["text"]).hex()
    except CryptoError:
        raw = None
    got: dict[str, object] = {"bytes": raw}
    if raw is not None:
        got["text"] = code_text.encode(bytes.fromhex(raw))
    return raw == case["bytes"] and got.get("text", case["text"]) == case["text"], got


def _context(case: Case, _document: Mapping[str, Any]) -> Judgement:
    return _expected(case, {"context": holder.read_offer(case["offer"]).context().hex()})


def _verify(case: Case, document: Mapping[str, Any]) -> Judgement:
    root = PublicKey.from_bytes(bytes.fromhex(document["root"]), allow_compressed=True)
    listed = document["trust_lists"][case.get("trust_list", "current")]
    trust = open_trust_list(bytes.fromhex(listed), [root])
    wants = case.get("reader", {})
    reader = Reader(
        wanted=Purpose[wants.get("wanted", "identify").upper()],
        context=_bytes_or_none(wants.get("context")),
        context_required=wants.get("context_required", False),
    )
    now = datetime.fromisoformat(case["now"])
    revocations = _revocations(case, trust)
    verdict = CodeVerifier(trust).verify(case["text"], reader, now, revocations)
    got = describe_verdict(verdict)
    if verdict.holds and verdict.code is not None and "index_root" in case:
        got["index"] = None
        index = find_index([bytes.fromhex(case["index_root"])], verdict.code)
        if index is not None:
            got["index"] = _index_document(index)
    return _expected(case, got)


def _revocations(case: Case, trust: TrustList) -> RevocationView | None:
    """Signed ``lists``, taken at ``now`` or ``lists_taken_at``, or plain ``revocations``."""
    if "lists" in case:
        taken = datetime.fromisoformat(case.get("lists_taken_at", case["now"]))
        return _taken([bytes.fromhex(blob) for blob in case["lists"]], trust, taken)
    revoked = case.get("revocations")
    return None if revoked is None else _ListedRevocations(revoked)


def _taken(blobs: Iterable[bytes], trust: TrustList, now: datetime) -> RevocationSet:
    """What a reader holds after these lists and deltas of any scope and class, in their order.
    One that is refused changes nothing."""
    held = RevocationSet()
    for blob in blobs:
        try:
            listed = open_revocation_list(blob, trust, now)
            if isinstance(listed, RevocationDelta):
                base = held.get(listed.scope, listed.code_class)
                if base is None:
                    continue
                listed = apply_delta(base, listed)
            held = held.with_list(listed)
        except ListRefused:
            continue
    return held


def _index_document(index: Index) -> dict[str, object]:
    return {"record_id": index.record_id.hex(), "card": index.card, "epoch": index.epoch}


def _issue(case: Case, document: Mapping[str, Any]) -> Judgement:
    """Make a code from fixed fields, nonce and signature nonce: the very bytes must come out."""
    given = case["given"]
    kind = {"bound": Kind.BOUND, "one-time": Kind.ONCE, "printed": Kind.PRINTED}[given["kind"]]
    key = PrivateKey.from_bytes(bytes.fromhex(document["keys"][given["key"]]))
    issuer = Issuer(
        kind=kind,
        key_id=int(given["key_id"], 16),
        signer=FixedNonceSigner(key, given["k"]),
        index_root=bytes.fromhex(given["index_root"]),
    )
    index = Index(
        record_id=bytes.fromhex(given["index"]["record_id"]),
        card=given["index"]["card"],
        epoch=given["index"]["epoch"],
    )
    text = _MAKERS[kind](issuer, index, given, document)
    raw = code_text.decode(text)
    return _expected(case, {"text": text, "bytes": raw.hex(), "code_id": code_id(parse(raw)).hex()})


def _make_once(
    issuer: Issuer, index: Index, given: Mapping[str, Any], _document: Mapping[str, Any]
) -> str:
    request = OnceRequest(
        index=index,
        code_class=given["class"],
        purpose=Purpose[given["purpose"].upper()],
        context=_bytes_or_none(given.get("context")),
        life_s=given["life"],
    )
    nonce, now = bytes.fromhex(given["nonce"]), datetime.fromisoformat(given["issued_at"])
    return issue_once(issuer, request, now, random_bytes=lambda _size: nonce).text


def _make_printed(
    issuer: Issuer, index: Index, given: Mapping[str, Any], _document: Mapping[str, Any]
) -> str:
    request = PrintedRequest(index=index, code_class=given["class"], life_days=given["life"])
    nonce, now = bytes.fromhex(given["nonce"]), datetime.fromisoformat(given["issued_at"])
    return issue_printed(issuer, request, now, random_bytes=lambda _size: nonce).text


def _make_bound(
    issuer: Issuer, index: Index, given: Mapping[str, Any], document: Mapping[str, Any]
) -> str:
    phone = PrivateKey.from_bytes(bytes.fromhex(document["keys"][given["holder"]]))
    request = CredentialRequest(
        index=index, code_class=given["class"], holder_key=phone.public, life_min=given["life"]
    )
    now = datetime.fromisoformat(given["issued_at"])
    moment = Moment(
        at=datetime.fromisoformat(given["shown_at"]),
        seq=given["seq"],
        purpose=Purpose[given["purpose"].upper()],
        context=_bytes_or_none(given.get("context")),
    )
    credential = issue_credential(issuer, request, now)
    return show_bound(credential, FixedNonceSigner(phone, given["holder_k"]), moment).text


_MAKERS = {Kind.ONCE: _make_once, Kind.PRINTED: _make_printed, Kind.BOUND: _make_bound}

JUDGES: dict[str, CaseJudge] = {
    "text": _text,
    "context": _context,
    "verify": _verify,
    "issue": _issue,
    **holder.JUDGES,
}
