"""An issuer, its root and lists, and phones, as files and texts for readers to judge."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crypto.healthcode.context import Offer
from crypto.healthcode.index import Index
from crypto.healthcode.issue import (
    CredentialRequest,
    Moment,
    OnceRequest,
    PrintedRequest,
    issue_credential,
    issue_once,
    issue_printed,
    load_issuer,
    show_bound,
)
from crypto.healthcode.layout import Kind, Purpose
from crypto.healthcode.offer import Till, make_offer, make_till_certificate
from crypto.healthcode.revocation import (
    ListScope,
    RevocationList,
    make_delta,
    make_full,
    sign_revocation_list,
)
from crypto.healthcode.trust import TrustedKey, TrustList, sign_trust_list, trust_list_of
from crypto.healthcode.trustfile import write_trust_file
from crypto.healthcode.verify import CodeVerifier, Reader, Verdict
from crypto.keyring import KeyKind, KeyRing
from crypto.sm2 import PrivateKey

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
INDEX = Index(record_id=b"record01", card=1, epoch=1)


class Phone:
    """A holder key with its credential."""

    def __init__(self, credential: bytes, key: PrivateKey) -> None:
        self.credential = credential
        self.key = key

    def show(
        self,
        at: datetime,
        seq: int = 0,
        purpose: Purpose = Purpose.IDENTIFY,
        context: bytes | None = None,
    ) -> str:
        """The text on its screen."""
        moment = Moment(at=at, seq=seq, purpose=purpose, context=context)
        return show_bound(self.credential, self.key, moment).text


class CutOffTill:
    """A terminal of one hospital that makes offers, certified for a day."""

    def __init__(self, world: "ReaderWorld", terminal: int = 7) -> None:
        self.now = world.now.replace(microsecond=0)
        self.key = PrivateKey.generate()
        self.till = Till(
            institution=b"H99000100001".ljust(18, b"\0"),
            terminal=terminal.to_bytes(8),
            public=self.key.public,
            name="测试医院",
        )
        voucher = world.ring.current(KeyKind.TILL, self.now)
        self.certificate = make_till_certificate(
            self.till,
            key_id=voucher.code_key_id or 0,
            signer=PrivateKey.from_bytes(voucher.material),
            issued_at=self.now,
            valid_until=self.now + timedelta(days=1),
        )
        self.asked = Offer(
            purpose=Purpose.PAY,
            institution=self.till.institution,
            terminal=self.till.terminal,
            challenge=bytes(range(16)),
            bill_id=bytes(16),
            amount_fen=12_345,
        )

    def offer(self, life_s: int = 300, **changes: object) -> str:
        """The text that it shows; ``changes`` to what is asked."""
        asked = replace(self.asked, **changes)  # type: ignore[arg-type]
        return make_offer(asked, self.certificate, self.key, self.now, life_s)


class ReaderWorld:
    """One province. ``now`` is when its keys, lists and codes are made."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now
        self.ring = KeyRing.generate_for_development(now - timedelta(hours=2))
        self.root = PrivateKey.generate()

    def trust(self, sequence: int = 1, *, days: int = 30) -> TrustList:
        """The list made an hour ago, due again in ``days`` days."""
        made = self.now - timedelta(hours=1)
        due = self.now + timedelta(days=days)
        return trust_list_of(self.ring, sequence=sequence, made_at=made, next_at=due)

    def write_trust(self, path: Path, trust: TrustList) -> None:
        """As a trust file that pins our root."""
        blob = sign_trust_list(trust, self.root)
        path.write_text(write_trust_file(blob, [self.root.public]), "utf-8")

    def with_key(self, kind: Kind, **changes: object) -> TrustList:
        """The trust list with the key of one kind changed."""
        trust = self.trust()
        name = load_issuer(self.ring, kind, self.now).key_id
        changed: TrustedKey = replace(trust.keys[name], **changes)  # type: ignore[arg-type]
        return replace(trust, keys=trust.keys | {name: changed})

    def phone(self, at: datetime | None = None, life_min: int = 1440) -> Phone:
        """A newly enrolled one."""
        key = PrivateKey.generate()
        issuer = load_issuer(self.ring, Kind.BOUND, self.now)
        request = CredentialRequest(
            index=INDEX, code_class=1, holder_key=key.public, life_min=life_min
        )
        return Phone(issue_credential(issuer, request, at or self.now), key)

    def once(self, at: datetime | None = None) -> str:
        """A one-time code of 60 s."""
        issuer = load_issuer(self.ring, Kind.ONCE, self.now)
        return issue_once(issuer, OnceRequest(index=INDEX, code_class=1), at or self.now).text

    def printed(self) -> str:
        """A printed code of a year."""
        issuer = load_issuer(self.ring, Kind.PRINTED, self.now)
        request = PrintedRequest(index=INDEX, code_class=1, life_days=365)
        return issue_printed(issuer, request, self.now).text

    def revoked(
        self,
        sequence: int,
        code_ids: Iterable[bytes],
        at: datetime | None = None,
        scope: ListScope = ListScope.BOUND,
    ) -> RevocationList:
        """A full list about codes of the whole province."""
        made = at or self.now
        return make_full(
            scope=scope,
            code_class=0,
            sequence=sequence,
            made_at=made,
            next_at=made + timedelta(minutes=10),
            code_ids=code_ids,
            innocent=[],
        )

    def signed(self, listed: RevocationList, since: RevocationList | None = None) -> bytes:
        """Full, or as a delta since an earlier one."""
        key = self.ring.current(KeyKind.CODE_LIST, self.now)
        assert key.code_key_id is not None
        content = listed if since is None else make_delta(since, listed)
        return sign_revocation_list(content, key.code_key_id, PrivateKey.from_bytes(key.material))

    def verdict(self, text: str, at: datetime | None = None) -> Verdict:
        """What a reader with this trust list and no revocation list says."""
        return CodeVerifier(self.trust()).verify(text, Reader(), at or self.now)
