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
from crypto.errors import BadCiphertext
from crypto.keyring import KeyKind, KeyRing
from service.kernel.database import Connection, insert_new
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


class RecordKey(msgspec.Struct, frozen=True):
    """The open data key of one record. Lives in memory only."""

    record_id: int
    secret: bytes

    def __repr__(self) -> str:
        return f"RecordKey({self.record_id})"


class Sealer:
    """Everything that turns ring keys into sealed columns, MACs, blind keys and pseudonyms."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._open: OrderedDict[int, RecordKey] = OrderedDict()

    async def new_record_key(self, conn: Connection, record_id: int, now: datetime) -> RecordKey:
        """Make and store the data key of a new record."""
        secret = envelope.new_data_key()
        wrapped = envelope.wrap(self._ring, secret, ["data_key", record_id])
        if not await insert_new(conn, INSERT_DATA_KEY, record_id, wrapped, now):
            raise InvariantBroken("a record has one data key")
        return RecordKey(record_id, secret)

    async def record_key(self, conn: Connection, record_id: int) -> RecordKey:
        """The data key of a record. Raises ``NotFound`` when it was destroyed or never was."""
        if found := self._open.get(record_id):
            self._open.move_to_end(record_id)
            return found
        wrapped = await conn.fetchval(GET_DATA_KEY, record_id)
        if wrapped is None:
            raise NotFound
        try:
            secret = envelope.unwrap(self._ring, wrapped, ["data_key", record_id])
        except BadCiphertext:
            raise RowTampered("data_key") from None
        key = RecordKey(record_id, secret)
        self._open[record_id] = key
        if len(self._open) > CACHED_KEYS:
            self._open.popitem(last=False)
        return key

    def seal(
        self, key: RecordKey, table: str, column: str, row_id: int, plaintext: bytes
    ) -> bytes:
        """An envelope that opens only at this place of this row."""
        return envelope.seal(key.secret, plaintext, [table, column, key.record_id, row_id])

    def open(self, key: RecordKey, table: str, column: str, row_id: int, sealed: bytes) -> bytes:
        """Raises ``RowTampered`` when the envelope is damaged or from another place."""
        try:
            return envelope.open_sealed(key.secret, sealed, [table, column, key.record_id, row_id])
        except BadCiphertext:
            raise RowTampered(table) from None

    def seal_local(self, table: str, row_key: bytes, plaintext: bytes) -> bytes:
        """An envelope under the ring itself, for rows that belong to no record."""
        return envelope.wrap(self._ring, plaintext, [table, row_key])

    def open_local(self, table: str, row_key: bytes, sealed: bytes) -> bytes:
        """Raises ``RowTampered`` when the envelope is damaged or from another place."""
        try:
            return envelope.unwrap(self._ring, sealed, [table, row_key])
        except BadCiphertext:
            raise RowTampered(table) from None

    def row_mac(self, table: str, parts: Sequence[envelope.Part]) -> bytes:
        """The keyed SM3 over the columns of a row, with the key's version in front."""
        version, key = self._ring.current_secret(KeyKind.ROW_MAC)
        return version.to_bytes(2) + envelope.row_mac(key, table, parts)

    def check_mac(self, table: str, parts: Sequence[envelope.Part], mac: bytes) -> None:
        """Raises ``RowTampered`` when the row is not what this program wrote."""
        key = self._ring.secret(KeyKind.ROW_MAC, int.from_bytes(mac[:2]))
        if not envelope.equal(envelope.row_mac(key, table, parts), mac[2:]):
            raise RowTampered(table)

    def blind(self, kind: str, text: str) -> bytes:
        """The 16-byte blind key of a normalised text, under the present key version."""
        _, key = self._ring.current_secret(KeyKind.BLIND_INDEX)
        return blindindex.blind(key, kind, text)

    def blind_version(self) -> int:
        """The version that ``blind`` uses now."""
        version, _ = self._ring.current_secret(KeyKind.BLIND_INDEX)
        return version

    def pseudonym(self, institution_id: int, record_id: int) -> bytes:
        """What one institution calls a record: 16 bytes that no other institution shares.

        Always under the first version of the pseudonym key: an institution's own files refer to it.
        """
        key = self._ring.secret(KeyKind.PSEUDONYM, 1)
        return blindindex.blind(key, f"institution {institution_id}", str(record_id))
