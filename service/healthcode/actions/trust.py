"""The trust list: served as the offline root signed it, and watched long before it expires.

The platform's own readers do not use it; they take their keys from the ring.
"""

import asyncio
from datetime import datetime, timedelta
from functools import lru_cache

import msgspec

from crypto.errors import BadKey
from crypto.healthcode.trust import TRUST_LIST_GRACE, TrustedKey, TrustList, trusted_key
from crypto.keyring import LISTED_KINDS, Key
from service.casework.actions import keep_standing
from service.casework.model import NewItem
from service.healthcode.problems import TrustListUnavailable
from service.healthcode.trust_file import PublishedTrust, TrustFileRefused, read_published
from service.kernel.context import Context

KIND = "trust-list"
"""Of its work items."""
WARN_BEFORE = timedelta(days=30)
"""The root is offline: people, a safe and a ceremony stand between a warning and a new list."""


class TrustState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What this process serves. ``missing_keys`` are key ids (hexadecimal) in use but not listed.

    ``fault`` is a word of ``trust_file.read_published``; then nothing is served.
    """

    ok: bool
    fault: str | None = None
    sequence: int | None = None
    next_at: datetime | None = None
    refused_at: datetime | None = None
    """When readers stop: the grace after ``next_at`` is over."""
    missing_keys: list[str] = []


async def published_trust(ctx: Context) -> PublishedTrust:
    """The trust file for readers. Raises ``TrustListUnavailable``."""
    try:
        return await _published(ctx)
    except TrustFileRefused as refused:
        raise TrustListUnavailable(refused.word) from None


async def trust_state(ctx: Context) -> TrustState:
    """What is served at this moment, and whether readers know the keys in use. Sets the metrics."""
    try:
        trust = (await _published(ctx)).trust
    except TrustFileRefused as refused:
        state = TrustState(ok=False, fault=refused.word)
    else:
        missing = missing_keys(ctx, trust)
        state = TrustState(
            ok=not missing and ctx.clock.now() < trust.next_at,
            sequence=trust.sequence,
            next_at=trust.next_at,
            refused_at=trust.next_at + TRUST_LIST_GRACE,
            missing_keys=missing,
        )
    _set_metrics(ctx, state)
    return state


def missing_keys(ctx: Context, trust: TrustList) -> list[str]:
    """The keys that sign now and that a reader with this list would refuse."""
    now = ctx.clock.now()
    missing = []
    for kind in LISTED_KINDS:
        try:
            ours = _trusted(ctx.ring.current(kind, now))
        except BadKey:
            continue
        theirs = trust.keys.get(ours.key_id)
        is_known = (
            theirs is not None
            and theirs.public.compressed() == ours.public.compressed()
            and ours.uses <= theirs.uses
            and theirs.stands_for(int(now.timestamp()), now)
        )
        if not is_known:
            missing.append(f"{ours.key_id:04x}")
    return missing


async def watch_trust(ctx: Context) -> int:
    """Keep a work item open for whatever about the list a person must see to; gives how many."""
    state = await trust_state(ctx)
    reasons: list[str] = []
    if state.fault == "not-configured":
        return 0
    if state.fault is not None:
        reasons.append("trust-list-refused")
    if state.next_at is not None and state.next_at - ctx.clock.now() <= WARN_BEFORE:
        reasons.append("trust-list-expiring")
    if state.missing_keys:
        reasons.append("trust-list-lacks-keys")
    await keep_standing(ctx, KIND, [_item(state, reason) for reason in reasons], "mended")
    return len(reasons)


def _item(state: TrustState, reason: str) -> NewItem:
    return NewItem(
        record_id=0,
        kind=KIND,
        subject_id=state.sequence or 0,
        institution_id=None,
        reason=reason,
        evidence={
            "fault": state.fault,
            "next_at": None if state.next_at is None else state.next_at.isoformat(),
            "missing_keys": " ".join(state.missing_keys),
        },
    )


async def _published(ctx: Context) -> PublishedTrust:
    return await asyncio.to_thread(read_published, ctx.policy.trust_list, ctx.policy.trust_roots)


@lru_cache(maxsize=16)
def _trusted(key: Key) -> TrustedKey:
    """The public half of a key of the ring; deriving it costs as much as a signature."""
    return trusted_key(key)


def _set_metrics(ctx: Context, state: TrustState) -> None:
    gauge = ctx.metrics.trust_list
    gauge.labels("ok").set(state.ok)
    gauge.labels("sequence").set(state.sequence or 0)
    gauge.labels("missing_keys").set(len(state.missing_keys))
    left = timedelta(0) if state.next_at is None else state.next_at - ctx.clock.now()
    gauge.labels("days_left").set(left.total_seconds() / 86_400)
