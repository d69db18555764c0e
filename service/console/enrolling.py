"""Operators as our commands make and change them; each change ends the operator's session."""

import secrets
from collections.abc import Sequence
from typing import Any

from service.audit.model import Decided
from service.console import rows, rules, store
from service.console.model import Enrolled, OperatorRow, OperatorState, Role
from service.console.problems import OperatorNameTaken
from service.kernel import passwords
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.problems import NotFound, StateConflict

ISSUER = "Yimatong"
LIST_MAX = 1000
RACES_MAX = 8
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without those that are taken for one another."""
_GROUPS, _GROUP = 4, 5
"""A password of 99 bits: 20 letters, in groups that can be typed."""


async def add_operator(
    ctx: Context, name: str, roles: Sequence[Role], decided: Decided
) -> Enrolled:
    """Enrol an operator. Raises ``OperatorNameTaken``; ``ValueError`` for a name of another form,
    or for no role."""
    if rules.NAME_FORM.fullmatch(name) is None:
        raise ValueError("a name is 2 to 40 small letters, digits, dots and dashes")
    operator_id, secret, password = ctx.ids.new(), _new_secret(), _new_password()
    kept = await passwords.stretch(password)
    row = OperatorRow(
        operator_id=operator_id,
        name=name,
        roles=_listed(roles),
        state=OperatorState.ACTIVE,
        password_salt=kept.salt,
        password_hash=kept.hashed,
        factor_sealed=rows.seal_factor(ctx, operator_id, secret),
        factor_step=0,
        failures=0,
        locked_until=None,
        session_hash=None,
        session_began_at=None,
        session_seen_at=None,
        created_at=ctx.clock.now(),
        version=1,
        row_mac=b"",
    )
    async with rows.noting(ctx) as conn:
        if not await store.insert_operator(conn, rows.sign(ctx, row)):
            raise OperatorNameTaken
        facts = {"name": name, "roles": ",".join(row.roles), **decided.facts()}
        await rows.note(conn, ctx, "operator.added", 0, facts)
    return Enrolled(password=password, factor=_address(name, secret))


async def new_secrets(ctx: Context, name: str, decided: Decided) -> Enrolled:
    """Another password and second factor, for who lost one of them; a lock ends. Raises
    ``NotFound``."""
    row, secret, password = await _find(ctx, name), _new_secret(), _new_password()
    kept = await passwords.stretch(password)
    await _change(
        ctx,
        name,
        "operator.secrets-renewed",
        decided,
        password_salt=kept.salt,
        password_hash=kept.hashed,
        factor_sealed=rows.seal_factor(ctx, row.operator_id, secret),
        factor_step=0,
    )
    return Enrolled(password=password, factor=_address(name, secret))


async def set_roles(ctx: Context, name: str, roles: Sequence[Role], decided: Decided) -> None:
    """These roles and no others. Raises ``NotFound``, ``ValueError`` for none."""
    await _change(ctx, name, "operator.roles-set", decided, roles=_listed(roles))


async def set_state(ctx: Context, name: str, state: OperatorState, decided: Decided) -> None:
    """Let an operator sign in, or not any more. Raises ``NotFound``."""
    await _change(ctx, name, f"operator.{state.value.lower()}", decided, state=state)


async def unlock(ctx: Context, name: str, decided: Decided) -> None:
    """Let an operator try again at once. Raises ``NotFound``."""
    await _change(ctx, name, "operator.unlocked", decided)


async def list_operators(ctx: Context) -> list[OperatorRow]:
    """By name, at most 1,000. Raises ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        found = await store.list_operators(conn, LIST_MAX)
    return [rows.check(ctx, one) for one in found]


async def _find(ctx: Context, name: str) -> OperatorRow:
    async with connection(ctx.pool) as conn:
        row = await store.find_operator(conn, name)
    if row is None:
        raise NotFound(f"no operator has the name {name}")
    return rows.check(ctx, row)


async def _change(ctx: Context, name: str, action: str, decided: Decided, **columns: Any) -> None:
    """Change a row, and end what hangs on its former state: session, refused tries, lock."""
    ended = {
        "session_hash": None,
        "session_began_at": None,
        "session_seen_at": None,
        "failures": 0,
        "locked_until": None,
    }
    for _ in range(RACES_MAX):
        row = await _find(ctx, name)
        changed = rows.next_version(ctx, row, **ended, **columns)
        async with rows.noting(ctx) as conn:
            if await store.save_operator(conn, changed):
                facts = {"name": name, "roles": ",".join(changed.roles), **decided.facts()}
                await rows.note(conn, ctx, action, 0, facts)
                return
    raise StateConflict("the operator is changing; try again")


def _listed(roles: Sequence[Role]) -> list[str]:
    if not roles:
        raise ValueError("an operator has a role")
    return sorted({role.value for role in roles})


def _new_secret() -> bytes:
    return secrets.token_bytes(rules.FACTOR_BYTES)


def _new_password() -> str:
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def _address(name: str, secret: bytes) -> str:
    return rules.factor_of(secret).get_provisioning_uri(name, ISSUER)
