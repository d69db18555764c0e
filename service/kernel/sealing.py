"""Seals and MACs over rows, blind indexes and pseudonyms: the ring's keys put to use.

Each record has a data key of its own, wrapped by the ring; its personal columns are envelopes
bound to table, column and row. Rows of money, consent, role and code carry a MAC over all their
columns, so that a change by SQL is refused and alarmed.
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

import msgspec

from crypto import blindindex, envelope
from crypto.canonical import Value, encode_parts
from crypto.errors import BadCiphertext, BadKey
from crypto.keyring import Key, KeyKind
from crypto.sm3 import hmac_sm3
from service.kernel.clock import CLOCKS_APART, Clock
from service.kernel.database import Connection, insert_new, write
from service.kernel.live_ring import LiveRing
from service.kernel.problems import InvariantBroken, NotFound, RowTampered

CACHED_KEYS = 4096

INSERT_DATA_KEY = """
insert into data_key (record_id, wrapped, created_at)
values ($1, $2, $3)
on conflict (record_id) do nothing
"""
GET_DATA_KEY = """
select wrapped from data_key where record_id = $1
"""
LIST_DATA_KEYS = """
select record_id, wrapped from data_key where record_id = any($1::bigint[])
"""


class RecordKey(msgspec.Struct, frozen=True):
    """The open data key of one record. Lives in memory only."""

    record_id: int
    secret: bytes

    def __repr__(self) -> str:
        return f"RecordKey({self.record_id})"


class Sealer:
    """Everything that turns ring keys into sealed columns, MACs, blind keys and pseudonyms."""

    def __init__(self, ring: LiveRing, clock: Clock) -> None:
        self._ring = ring
        self._clock = clock
        self._open: OrderedDict[int, RecordKey] = OrderedDict()
        self._opened_by = ring.snapshot

    async def new_record_key(self, conn: Connection, record_id: int, now: datetime) -> RecordKey:
        """Make the data key of a new record, and store it by the end of the transaction: whoever
        seals more of the record in it hands the key on. ``InvariantBroken`` where one stands."""
        secret = envelope.new_data_key()
        wrapped = envelope.wrap_data_key(self._ring, secret, ["data_key", record_id], now)
        await write(
            conn,
            INSERT_DATA_KEY,
            record_id,
            wrapped,
            now,
            otherwise=InvariantBroken("a record has one data key"),
        )
        return RecordKey(record_id, secret)

    async def record_key(self, conn: Connection, record_id: int) -> RecordKey:
        """The data key of a record. Raises ``NotFound`` when it was destroyed or never was."""
        self._forget_the_destroyed()
        if found := self._open.get(record_id):
            self._open.move_to_end(record_id)
            return found
        wrapped = await conn.fetchval(GET_DATA_KEY, record_id)
        if wrapped is None:
            raise NotFound
        return self._kept(record_id, wrapped)

    async def open_record_keys(self, conn: Connection, record_ids: Sequence[int]) -> None:
        """Open the data keys of records that are all about to be read, in one reading; of a record
        without one ``record_key`` tells. Raises ``RowTampered``."""
        self._forget_the_destroyed()
        closed = [record_id for record_id in record_ids if record_id not in self._open]
        if closed:
            for row in await conn.fetch(LIST_DATA_KEYS, closed):
                self._kept(row["record_id"], row["wrapped"])

    async def platform_key(self, conn: Connection, now: datetime) -> RecordKey:
        """The data key of what concerns no record (record 0), made at first need.

        Never inside a transaction: a key that is rolled back must not be remembered.
        """
        try:
            return await self.record_key(conn, 0)
        except NotFound:
            wrapped = envelope.wrap_data_key(
                self._ring, envelope.new_data_key(), ["data_key", 0], now
            )
            await insert_new(conn, INSERT_DATA_KEY, 0, wrapped, now)
        return await self.record_key(conn, 0)

    def seal(self, key: RecordKey, table: str, column: str, row_id: int, plaintext: bytes) -> bytes:
        """An envelope that opens only at this place of this row."""
        return envelope.seal(key.secret, plaintext, [table, column, key.record_id, row_id])

    def open(self, key: RecordKey, table: str, column: str, row_id: int, sealed: bytes) -> bytes:
        """Raises ``RowTampered`` when the envelope is damaged or from another place."""
        return _opened(key.secret, sealed, [table, column, key.record_id, row_id], table)

    def seal_local(self, table: str, row_key: bytes, plaintext: bytes) -> bytes:
        """An envelope with a data key of its own in front, for rows that belong to no record."""
        secret = envelope.new_data_key()
        place: list[Value] = [table, row_key]
        wrapped = envelope.wrap_data_key(self._ring, secret, place, self._clock.now())
        return wrapped + envelope.seal(secret, plaintext, place)

    def open_local(self, table: str, row_key: bytes, sealed: bytes) -> bytes:
        """Raises ``RowTampered`` when the envelope is damaged or from another place."""
        place: list[Value] = [table, row_key]
        secret = self._unwrap(sealed[: envelope.WRAPPED_SIZE], place, table)
        return _opened(secret, sealed[envelope.WRAPPED_SIZE :], place, table)

    def rewrap_local(self, table: str, row_key: bytes, sealed: bytes) -> bytes:
        """The same envelope with its data key under the current key. Raises ``RowTampered``."""
        place: list[Value] = [table, row_key]
        secret = self._unwrap(sealed[: envelope.WRAPPED_SIZE], place, table)
        wrapped = envelope.wrap_data_key(self._ring, secret, place, self._clock.now())
        return wrapped + sealed[envelope.WRAPPED_SIZE :]

    def rewrap_record_key(self, record_id: int, wrapped: bytes) -> bytes:
        """A record's data key under the current key. Raises ``RowTampered``."""
        place: list[Value] = ["data_key", record_id]
        secret = self._unwrap(wrapped, place, "data_key")
        return envelope.wrap_data_key(self._ring, secret, place, self._clock.now())

    def row_mac(self, table: str, parts: Sequence[Value]) -> bytes:
        """The keyed SM3 over the columns of a row, with the key's version byte in front."""
        key = self._ring.current(KeyKind.ROW_MAC, self._clock.now())
        return bytes([key.version]) + envelope.row_mac(key.material, table, parts)

    def check_mac(self, table: str, parts: Sequence[Value], mac: bytes) -> None:
        """Raises ``RowTampered`` when the row is not what this program wrote."""
        key = self._accepted(KeyKind.ROW_MAC, mac[0] if mac else 0)
        if key is None or not envelope.is_row_mac(key.material, table, parts, mac[1:]):
            raise RowTampered(table)

    def blind(self, kind: str, text: str) -> bytes:
        """The blind key of a normalised text under the present key version, which it carries."""
        value = f"{kind}\0{text}".encode()
        return blindindex.blind_index_to_store(self._ring, 0, value, self._clock.now())

    def blind_all(self, kind: str, text: str) -> tuple[bytes, ...]:
        """The blind keys under every accepted version, newest first, for look-ups.

        A version that another process's clock may have opened already counts as accepted.
        """
        now = self._clock.now()
        value = f"{kind}\0{text}".encode()
        keys = {
            key.version: key
            for at in (now, now + CLOCKS_APART)
            for key in self._ring.all_accepted(KeyKind.BLIND_INDEX, at)
        }
        return tuple(
            blindindex.blind_index(keys[version], 0, value) for version in sorted(keys)[::-1]
        )

    def blind_in_use(self, kind: str, text: str) -> tuple[bytes, ...]:
        """The blind keys that some process may be storing now, oldest first, for what is once.

        Around a rotation two processes may store under two versions; a claim or a unique row
        holds against both only when it is taken under both, in this order.
        """
        now = self._clock.now()
        value = f"{kind}\0{text}".encode()
        return tuple(
            blindindex.blind_index(key, 0, value)
            for key in self._ring.keys
            if key.kind is KeyKind.BLIND_INDEX
            and key.use_from <= now + CLOCKS_APART
            and now - CLOCKS_APART < key.use_until
        )

    def blind_version(self) -> int:
        """The version that ``blind`` uses now."""
        return self._ring.current(KeyKind.BLIND_INDEX, self._clock.now()).version

    def is_current(self, kind: KeyKind, version: int) -> bool:
        """Whether nothing newer than this version of ``kind`` protects new rows."""
        current = self._ring.current(kind, self._clock.now()).version
        newer = version > current and self._accepted(kind, version) is not None
        return version == current or newer

    def pseudonym(self, institution_id: int, record_id: int) -> bytes:
        """What one institution calls a record: 16 bytes that no other institution shares.

        Always under the first version of its key: an institution's own files refer to it.
        """
        key = self._ring.accepted(KeyKind.INSTITUTION_PSEUDONYM, 1, self._clock.now())
        return hmac_sm3(key.material, encode_parts([institution_id, record_id]))[:16]

    def _accepted(self, kind: KeyKind, version: int) -> Key | None:
        now = self._clock.now()
        try:
            return self._ring.accepted(kind, version, now)
        except BadKey:
            pass
        try:
            return self._ring.accepted(kind, version, now + CLOCKS_APART)
        except BadKey:
            return None

    def _forget_the_destroyed(self) -> None:
        """What a destroyed key opened must not stay open."""
        if self._opened_by is not self._ring.snapshot:
            self._open.clear()
            self._opened_by = self._ring.snapshot

    def _kept(self, record_id: int, wrapped: bytes) -> RecordKey:
        secret = self._unwrap(wrapped, ["data_key", record_id], "data_key")
        key = RecordKey(record_id, secret)
        self._open[record_id] = key
        if len(self._open) > CACHED_KEYS:
            self._open.popitem(last=False)
        return key

    def _unwrap(self, wrapped: bytes, place: Sequence[Value], table: str) -> bytes:
        now = self._clock.now()
        for at in (now, now + CLOCKS_APART):
            try:
                return envelope.unwrap_data_key(self._ring, wrapped, place, at)
            except BadCiphertext:
                continue
        raise RowTampered(table)


def _opened(secret: bytes, sealed: bytes, place: Sequence[Value], table: str) -> bytes:
    try:
        return envelope.open(secret, sealed, place)
    except BadCiphertext:
        raise RowTampered(table) from None
