"""The twin's book in SQLite: policies and claims. Knows no rule. Times in milliseconds."""

import msgspec

from integrations.sandbox.sqlite_book import SqliteBook

SCHEMA = """
create table if not exists policies (
    authorisation text primary key, id_digest text not null, permille integer not null,
    deductible integer not null, cap integer not null, borne integer not null,
    granted integer not null);
create table if not exists claims (
    client text not null, claim_no text not null, authorisation text not null,
    state text not null, cover integer not null, deducted integer not null,
    claim_ref text not null, settlement_ref text not null, confirmed_ms integer not null,
    withdrawn_ms integer not null, visible_ms integer not null,
    primary key (client, claim_no));
"""


class Policy(msgspec.Struct, kw_only=True):
    """One year of one insured person. ``borne``: of the deductible; ``granted``: of the cap."""

    authorisation: str
    id_digest: str
    permille: int
    deductible: int
    cap: int
    borne: int = 0
    granted: int = 0


class Claim(msgspec.Struct, kw_only=True):
    """A claim under its number; ``deducted`` of the deductible once it is confirmed."""

    client: str
    claim_no: str
    authorisation: str
    state: str
    cover: int = 0
    deducted: int = 0
    claim_ref: str = ""
    settlement_ref: str = ""
    confirmed_ms: int = 0
    withdrawn_ms: int = 0
    visible_ms: int = 0


class Book(SqliteBook):
    """Rows in and out."""

    def __init__(self, path: str) -> None:
        super().__init__(path, SCHEMA)

    def put_policy(self, policy: Policy) -> None:
        """Insert or replace."""
        self._db.execute(
            "insert or replace into policies values (:authorisation, :id_digest, :permille,"
            " :deductible, :cap, :borne, :granted)",
            msgspec.structs.asdict(policy),
        )

    def find_policy(self, authorisation: str) -> Policy | None:
        """By the number that the insured person gave."""
        row = self._db.execute(
            "select * from policies where authorisation = ?", (authorisation,)
        ).fetchone()
        return None if row is None else Policy(**dict(row))

    def put_claim(self, claim: Claim) -> None:
        """Insert or replace."""
        self._db.execute(
            "insert or replace into claims values (:client, :claim_no, :authorisation, :state,"
            " :cover, :deducted, :claim_ref, :settlement_ref, :confirmed_ms, :withdrawn_ms,"
            " :visible_ms)",
            msgspec.structs.asdict(claim),
        )

    def find_claim(self, client: str, claim_no: str) -> Claim | None:
        """By the hospital's number."""
        row = self._db.execute(
            "select * from claims where client = ? and claim_no = ?", (client, claim_no)
        ).fetchone()
        return None if row is None else Claim(**dict(row))

    def policies(self) -> list[Policy]:
        """Every policy, as it was first used."""
        rows = self._db.execute("select * from policies order by rowid limit 100000")
        return [Policy(**dict(row)) for row in rows]

    def claims(self) -> list[Claim]:
        """Every claim, oldest first."""
        rows = self._db.execute("select * from claims order by rowid limit 100000")
        return [Claim(**dict(row)) for row in rows]
