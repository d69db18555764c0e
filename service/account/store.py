"""SQL of accounts."""

from datetime import date, datetime

import msgspec

from service.account.model import (
    Account,
    AccountRecord,
    AccountState,
    Level,
    Relation,
    Session,
)
from service.kernel.database import Connection, execute, find_row, insert_new

INSERT_LOGIN = """
insert into account_login (login_hash, provider, account_id, subject_sealed, created_at)
values ($1, $2, $3, $4, $5)
on conflict (login_hash) do nothing
"""
FIND_LOGIN = """
select account_id
from account_login
where login_hash = any($1::bytea[])
order by created_at, account_id
limit 1
"""
FIND_SUBJECT = """
select login_hash, subject_sealed
from account_login
where account_id = $1 and provider = $2
order by created_at desc
limit 1
"""
INSERT_ACCOUNT = """
insert into account (account_id, level, state, created_at, row_mac)
values ($1, $2, $3, $4, $5)
"""
GET_ACCOUNT = """
select account_id, level, state, created_at, row_mac
from account
where account_id = $1
"""
UPDATE_ACCOUNT = """
update account
set level = $4, state = $5, row_mac = $6
where account_id = $1 and level = $2 and state = $3
"""
INSERT_SESSION = """
insert into account_session (account_id, session_id, created_at, expires_at)
values ($1, $2, $3, $4)
"""
GET_STANDING = """
select s.created_at as began_at, s.expires_at, s.ended_at, s.stopped,
  a.account_id, a.level, a.state, a.created_at, a.row_mac,
  r.record_id, r.relation, r.from_at, r.to_at, r.row_mac as record_mac
from account_session s
join account a on a.account_id = s.account_id
left join account_record r
  on r.account_id = s.account_id and r.relation = 'SELF' and r.to_at is null
where s.account_id = $1 and s.session_id = $2
"""
END_SESSION = """
update account_session
set ended_at = $3, stopped = $4
where account_id = $1 and session_id = $2 and ended_at is null
"""
FIND_OPEN_SESSION = """
select true
from account_session
where account_id = $1 and session_id = $2 and ended_at is null and expires_at > $3
"""
END_OTHER_SESSIONS = """
update account_session
set ended_at = $3, stopped = true
where account_id = $1 and session_id <> $2 and ended_at is null
"""
INSERT_ACCOUNT_RECORD = """
insert into account_record (account_id, record_id, relation, from_at, to_at, row_mac)
values ($1, $2, $3, $4, $5, $6)
on conflict (account_id) where relation = 'SELF' and to_at is null do nothing
"""
GET_SELF = """
select account_id, record_id, relation, from_at, to_at, row_mac
from account_record
where account_id = $1 and relation = 'SELF' and to_at is null
"""
COUNT_ATTEMPT = """
insert into real_name_attempt (subject_hash, day, attempts)
values ($1, $2, $4)
on conflict (subject_hash, day) do update
set attempts = real_name_attempt.attempts + 1
where real_name_attempt.attempts < $3
"""
MOST_ATTEMPTS = """
select max(attempts)
from real_name_attempt
where subject_hash = any($1::bytea[]) and day = $2
"""
GIVE_BACK_ATTEMPT = """
update real_name_attempt
set attempts = attempts - 1
where subject_hash = $1 and day = $2 and attempts > 0
"""


async def insert_login(
    conn: Connection,
    *,
    login_hash: bytes,
    provider: str,
    account_id: int,
    subject_sealed: bytes,
    now: datetime,
) -> bool:
    """False when this subject has an account already."""
    return await insert_new(
        conn, INSERT_LOGIN, login_hash, provider, account_id, subject_sealed, now
    )


async def find_login(conn: Connection, login_hashes: tuple[bytes, ...]) -> int | None:
    """The account of a platform's subject."""
    found: int | None = await conn.fetchval(FIND_LOGIN, list(login_hashes))
    return found


async def find_subject(
    conn: Connection, account_id: int, provider: str
) -> tuple[bytes, bytes] | None:
    """The newest login of an account at a platform: its hash and the sealed subject."""
    row = await conn.fetchrow(FIND_SUBJECT, account_id, provider)
    return None if row is None else (row["login_hash"], row["subject_sealed"])


async def insert_account(conn: Connection, row: Account) -> None:
    """A new account."""
    await execute(conn, INSERT_ACCOUNT, *msgspec.structs.astuple(row))


async def find_account(conn: Connection, account_id: int) -> Account | None:
    """By id."""
    return await find_row(conn, Account, GET_ACCOUNT, account_id)


async def update_account(conn: Connection, row: Account, was: Account) -> bool:
    """Compare-and-set on level and state; False when somebody was faster."""
    return (
        await execute(
            conn,
            UPDATE_ACCOUNT,
            row.account_id,
            was.level,
            was.state,
            row.level,
            row.state,
            row.row_mac,
        )
        == 1
    )


async def insert_session(conn: Connection, row: Session) -> None:
    """A new session."""
    await execute(
        conn, INSERT_SESSION, row.account_id, row.session_id, row.created_at, row.expires_at
    )


async def find_session(
    conn: Connection, account_id: int, session_id: str
) -> tuple[Session, Account, AccountRecord | None] | None:
    """A session with its account and the account's own record, in one reading."""
    row = await conn.fetchrow(GET_STANDING, account_id, session_id)
    if row is None:
        return None
    session = Session(
        account_id=account_id,
        session_id=session_id,
        created_at=row["began_at"],
        expires_at=row["expires_at"],
        ended_at=row["ended_at"],
        stopped=row["stopped"],
    )
    account = Account(
        account_id=account_id,
        level=Level(row["level"]),
        state=AccountState(row["state"]),
        created_at=row["created_at"],
        row_mac=row["row_mac"],
    )
    if row["record_id"] is None:
        return session, account, None
    own = AccountRecord(
        account_id=account_id,
        record_id=row["record_id"],
        relation=Relation(row["relation"]),
        from_at=row["from_at"],
        to_at=row["to_at"],
        row_mac=row["record_mac"],
    )
    return session, account, own


async def end_session(
    conn: Connection, account_id: int, session_id: str, now: datetime, *, stopped: bool = False
) -> bool:
    """False when it has ended before; ``stopped`` by another device of the person's."""
    return await execute(conn, END_SESSION, account_id, session_id, now, stopped) == 1


async def end_other_sessions(
    conn: Connection, account_id: int, session_id: str, now: datetime
) -> int:
    """Stop all open ones of the account but this; gives how many."""
    return await execute(conn, END_OTHER_SESSIONS, account_id, session_id, now)


async def is_session_open(
    conn: Connection, account_id: int, session_id: str, now: datetime
) -> bool:
    """Whether it has neither ended nor expired."""
    return await conn.fetchval(FIND_OPEN_SESSION, account_id, session_id, now) is not None


async def insert_account_record(conn: Connection, row: AccountRecord) -> bool:
    """False when the account has a record of its own."""
    return await insert_new(conn, INSERT_ACCOUNT_RECORD, *msgspec.structs.astuple(row))


async def find_self(conn: Connection, account_id: int) -> AccountRecord | None:
    """The account's own record."""
    return await find_row(conn, AccountRecord, GET_SELF, account_id)


async def most_attempts(conn: Connection, subject_hashes: tuple[bytes, ...], day: date) -> int:
    """What was counted so far for one subject, under whichever key version."""
    found: int | None = await conn.fetchval(MOST_ATTEMPTS, list(subject_hashes), day)
    return found or 0


async def count_attempt(
    conn: Connection, subject_hash: bytes, day: date, limit: int, so_far: int
) -> bool:
    """Count one more; False when ``limit`` are counted already. A new row begins at ``so_far``."""
    if so_far >= limit:
        return False
    return await execute(conn, COUNT_ATTEMPT, subject_hash, day, limit, so_far + 1) == 1


async def give_back_attempt(conn: Connection, subject_hash: bytes, day: date) -> None:
    """Uncount one: the source gave no answer."""
    await execute(conn, GIVE_BACK_ATTEMPT, subject_hash, day)
