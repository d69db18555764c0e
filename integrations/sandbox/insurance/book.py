"""The twin's book in SQLite: everything that must outlive a restart. Rows only, no rules."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from integrations.sandbox.insurance.model import CatalogueItem, Institution, Person, Style
from integrations.sandbox.sqlite_book import SqliteBook

SCHEMA = """
create table if not exists meta (name text primary key, value text not null);
create table if not exists person (
  serial integer primary key, psn_no text not null unique, certno text not null unique,
  doc text not null, balance_fen integer not null, mutual_fen integer not null);
create table if not exists institution (code text primary key, doc text not null);
create table if not exists catalogue (code text primary key, doc text not null);
create table if not exists counter (
  psn_no text, insutype text, year integer, name text, fen integer not null,
  primary key (psn_no, insutype, year, name));
create table if not exists sign_in (
  sign_no text primary key, institution text, operator text, day text);
create table if not exists message (
  msgid text primary key, infno text not null, psn_no text not null, at text not null);
create table if not exists nonce (nonce text primary key, at_s integer not null);
create table if not exists token (
  token text primary key, psn_no text not null, expires_s integer not null);
create table if not exists visit (
  mdtrt_id text primary key, psn_no text not null, institution text not null,
  insutype text not null, ipt_otp_no text not null, begntime text not null,
  med_type text not null, state text not null);
create table if not exists line (
  mdtrt_id text, feedetl_sn text, chrg_bchno text not null, doc text not null, setl_id text,
  primary key (mdtrt_id, feedetl_sn));
create table if not exists stay (mdtrt_id text primary key, msgid text not null unique);
create table if not exists stay_line (
  mdtrt_id text, feedetl_sn text, init_sn text not null, doc text not null,
  code text not null, price_e6 integer not null, setl_id text, last_setl text,
  primary key (mdtrt_id, feedetl_sn));
create table if not exists settlement (
  serial integer primary key, setl_id text not null unique, msgid text not null unique,
  mdtrt_id text not null, psn_no text not null, institution text not null,
  insutype text not null, chrg_bchno text not null, day text not null, state text not null,
  total_fen integer not null, fund_fen integer not null, account_fen integer not null,
  cash_fen integer not null, hospital_fen integer not null, setlinfo text not null,
  setldetail text not null, moves text not null, reversal_id text, reversal_msgid text,
  reversal_day text);
create table if not exists face (
  number text primary key, institution text not null, psn_no text not null,
  until_s integer not null);
create table if not exists authorisation (
  number text primary key, psn_no text not null, expires_s integer not null,
  order_ref text not null);
create table if not exists mobile_order (
  order_ref text primary key, token text not null, app_id text not null,
  institution text not null, number text not null, digest text not null, psn_no text not null,
  mdtrt_id text not null, own_visit integer not null, batch text not null, proof text not null,
  doc text not null, state text not null, made_s integer not null, amounts text not null,
  setl_id text, unique (institution, number));
create table if not exists mobile_refund (
  institution text, number text, digest text not null, order_ref text not null,
  own_fen integer not null, insured integer not null, answer text not null,
  primary key (institution, number));
create table if not exists file (
  number text primary key, institution text not null, name text not null,
  content blob not null, until_s integer not null);
create index if not exists settlement_visit on settlement (mdtrt_id);
create index if not exists settlement_person on settlement (psn_no);
create index if not exists settlement_reversal on settlement (reversal_msgid);
create index if not exists nonce_at on nonce (at_s);
"""

Row = sqlite3.Row


class Book(SqliteBook):
    """Rows in and out. Callers hold ``transaction`` around what belongs together."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, SCHEMA)
        # Where a book of an earlier release kept its numbers.
        self.run(
            "insert or ignore into counters"
            " select substr(name, 8), value from meta where name like 'number.%'"
        )

    def run(self, sql: str, *values: Any) -> int:
        """Execute; gives the number of rows changed."""
        return self._db.execute(sql, values).rowcount

    def one(self, sql: str, *values: Any) -> Row | None:
        """The first row, or None."""
        found: Row | None = self._db.execute(sql, values).fetchone()
        return found

    def all(self, sql: str, *values: Any) -> list[Row]:
        """Every row."""
        return self._db.execute(sql, values).fetchall()

    def meta(self, name: str) -> str | None:
        """A single remembered text."""
        row = self.one("select value from meta where name = ?", name)
        return None if row is None else str(row["value"])

    def set_meta(self, name: str, value: str) -> None:
        """Remember a single text."""
        self.run("insert or replace into meta values (?, ?)", name, value)

    def style(self) -> Style:
        """The regional manners now in force."""
        text = self.meta("style")
        return Style() if text is None else msgspec.json.decode(text, type=Style)

    def add_person(self, person: Person) -> None:
        """A person with purses as the row says; a known ``psn_no`` keeps what it has."""
        self.run(
            "insert or ignore into person (psn_no, certno, doc, balance_fen, mutual_fen)"
            " values (?, ?, ?, ?, ?)",
            person.psn_no,
            person.certno,
            msgspec.json.encode(person).decode(),
            person.balance_fen,
            person.mutual_fen,
        )

    def person(self, psn_no: str) -> Person | None:
        """By person number."""
        return self._person("psn_no", psn_no)

    def person_by_id(self, certno: str) -> Person | None:
        """By ID number."""
        return self._person("certno", certno)

    def _person(self, column: str, value: str) -> Person | None:
        sql = {
            "psn_no": "select doc from person where psn_no = ?",
            "certno": "select doc from person where certno = ?",
        }[column]
        row = self.one(sql, value)
        return None if row is None else msgspec.json.decode(row["doc"], type=Person)

    def add_institution(self, institution: Institution) -> None:
        """Enrol or change an institution."""
        doc = msgspec.json.encode(institution).decode()
        self.run("insert or replace into institution values (?, ?)", institution.code, doc)

    def institution(self, code: str) -> Institution | None:
        """By its national code."""
        row = self.one("select doc from institution where code = ?", code)
        return None if row is None else msgspec.json.decode(row["doc"], type=Institution)

    def add_item(self, item: CatalogueItem) -> None:
        """Add or change a catalogue item."""
        doc = msgspec.json.encode(item).decode()
        self.run("insert or replace into catalogue values (?, ?)", item.code, doc)

    def item(self, code: str) -> CatalogueItem | None:
        """By its national code."""
        row = self.one("select doc from catalogue where code = ?", code)
        return None if row is None else msgspec.json.decode(row["doc"], type=CatalogueItem)

    def purse(self, psn_no: str) -> tuple[int, int]:
        """Own balance and family balance."""
        row = self.one("select balance_fen, mutual_fen from person where psn_no = ?", psn_no)
        return (0, 0) if row is None else (row["balance_fen"], row["mutual_fen"])

    def counters(self, psn_no: str, insutype: str, year: int) -> dict[str, int]:
        """The year's counters by name; a counter never moved is missing."""
        found = self.all(
            "select name, fen from counter where psn_no = ? and insutype = ? and year = ?",
            psn_no,
            insutype,
            year,
        )
        return {row["name"]: row["fen"] for row in found}

    def move(self, psn_no: str, insutype: str, year: int, moves: dict[str, int]) -> None:
        """Add to counters and purses (``balance``, ``mutual``); none goes below zero."""
        for name, fen in moves.items():
            if name in ("balance", "mutual"):
                self.run(
                    f"update person set {name}_fen = max(0, {name}_fen + ?) where psn_no = ?",  # noqa: S608 - one of two names
                    fen,
                    psn_no,
                )
                continue
            self.run(
                "insert into counter values (?, ?, ?, ?, max(0, ?))"
                " on conflict do update set fen = max(0, fen + ?)",
                psn_no,
                insutype,
                year,
                name,
                fen,
                fen,
            )


def read_starting(text: str) -> dict[str, Any]:
    """The starting file as plain values."""
    found: dict[str, Any] = json.loads(text)
    return found
