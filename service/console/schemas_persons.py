"""What travels between the steward's page and us: questions, persons, rulings."""

from datetime import date, datetime
from typing import Annotated, Literal, Self

import msgspec

from service.audit.model import Decided
from service.console.looking import PersonSeen, QuestionSeen
from service.kernel.context import Context
from service.kernel.principals import Operator
from service.person.evidence import Pair, Side
from service.person.model import Former
from service.person.model_merging import Change, Ruling, RulingVerdict

PublicId = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class DecidedRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why: words without personal data; they stand in the decisions and in the audit log."""

    because: Words

    def decided(self, operator: Operator) -> Decided:
        """With who decides."""
        return Decided(operator.name, self.because)


class PairRequest(DecidedRequest, forbid_unknown_fields=True, kw_only=True):
    """Two records."""

    record: PublicId
    other: PublicId

    def records(self, ctx: Context) -> tuple[int, int]:
        """Their numbers. Raises ``NotFound``."""
        return ctx.public_ids.parse(self.record)[0], ctx.public_ids.parse(self.other)[0]


class RulingRequest(PairRequest, forbid_unknown_fields=True, kw_only=True):
    """Whether they are one person's. At ``same`` the person of ``record`` is kept."""

    verdict: Literal["same", "different"]


class RecordAnswer(msgspec.Struct, kw_only=True):
    """A registration, as received; what the index made of its number, sex and birth date."""

    record: str
    person: str
    source: str
    institution: str | None
    received_at: datetime
    name: str
    id_type: str
    id_no: str | None
    whose: str
    """Whose the number is: own, guardian, borrowed, malformed, dummy, old, absent."""
    sex: str
    birth_date: date | None
    phone: str | None
    address: str | None
    local_id: str | None
    former_name: str | None
    guardian_name: str | None
    guardian_id: str | None
    contact_name: str | None
    nationality: str | None
    ethnicity: str | None

    def __repr__(self) -> str:
        return f"RecordAnswer({self.record})"

    @classmethod
    def of(cls, ctx: Context, side: Side, institutions: dict[int, str]) -> Self:
        """As it travels."""
        said, facts = side.received, side.facts
        place = side.institution_id
        return cls(
            record=ctx.public_ids.text(side.record_id, side.record_id),
            person=ctx.public_ids.text(side.person_id, side.person_id),
            source=side.source.value,
            institution=None if place is None else institutions.get(place),
            received_at=side.received_at,
            name=said.name,
            id_type=facts.id_type,
            id_no=said.id_no,
            whose=facts.whose.value,
            sex=facts.sex,
            birth_date=facts.birth_date,
            phone=said.phone,
            address=said.address,
            local_id=said.local_id,
            former_name=said.former_name,
            guardian_name=said.guardian_name,
            guardian_id=said.guardian_id,
            contact_name=said.contact_name,
            nationality=said.nationality,
            ethnicity=said.ethnicity,
        )


class EvidenceAnswer(msgspec.Struct, kw_only=True):
    """What the matching makes of two records. Words for levels and reasons are the page's."""

    levels: dict[str, int]
    """By field: 0 says nothing, above 0 agrees, below 0 disagrees."""
    bits: dict[str, float]
    """By group of fields, to a tenth."""
    total_bits: float
    match_bits: float
    review_bits: float
    outcome: str
    reason: str
    model: str

    @classmethod
    def of(cls, pair: Pair) -> Self:
        """As it travels."""
        found = pair.comparison
        return cls(
            levels=found.levels,
            bits={group: round(bits, 1) for group, bits in found.bits.items()},
            total_bits=round(found.total_bits, 1),
            match_bits=found.match_bits,
            review_bits=found.review_bits,
            outcome=found.outcome.value,
            reason=found.reason,
            model=found.model,
        )


class RulingAnswer(msgspec.Struct, kw_only=True):
    """A steward's word about two records."""

    record: str
    other: str
    verdict: str
    by: str
    because: str
    ruled_at: datetime

    @classmethod
    def of(cls, ctx: Context, row: Ruling) -> Self:
        """As it travels."""
        return cls(
            record=ctx.public_ids.text(row.record_id, row.record_id),
            other=ctx.public_ids.text(row.other_record_id, row.other_record_id),
            verdict="same" if row.verdict is RulingVerdict.SAME else "different",
            by=row.actor,
            because=row.reason,
            ruled_at=row.asserted_at,
        )


class ChangeAnswer(msgspec.Struct, kw_only=True):
    """Records that moved between two persons in one act."""

    change: str
    kind: str
    """MERGE or UNMERGE."""
    person: str
    other_person: str
    by: str
    """``system`` where no steward decided."""
    because: str
    changed_at: datetime
    stands: bool
    """False once it is undone."""

    @classmethod
    def of(cls, ctx: Context, row: Change) -> Self:
        """As it travels."""
        return cls(
            change=ctx.public_ids.text(row.person_id, row.change_id),
            kind=row.kind.value,
            person=ctx.public_ids.text(row.person_id, row.person_id),
            other_person=ctx.public_ids.text(row.other_person_id, row.other_person_id),
            by=row.actor,
            because=row.reason,
            changed_at=row.changed_at,
            stands=row.undone_by is None,
        )


class FormerAnswer(msgspec.Struct, kw_only=True):
    """A value that gave way, and the newest record that says it."""

    text: str
    record: str


class PersonAnswer(msgspec.Struct, kw_only=True):
    """A person of today: the best-founded facts, and the record that each comes from."""

    person: str
    name: str
    id_type: str
    id_no: str | None
    sex: str
    birth_date: date | None
    phone: str | None
    provenance: dict[str, str]
    """Field to record."""
    former_names: list[FormerAnswer]
    former_phones: list[FormerAnswer]
    records: list[RecordAnswer]
    record_count: int
    """Of which ``records`` holds 50 at most."""
    rulings: list[RulingAnswer]
    changes: list[ChangeAnswer]

    def __repr__(self) -> str:
        return f"PersonAnswer({self.person})"

    @classmethod
    def of(cls, ctx: Context, seen: PersonSeen, institutions: dict[int, str]) -> Self:
        """As it travels."""
        facts = seen.golden.facts

        def text(record_id: int) -> str:
            return ctx.public_ids.text(record_id, record_id)

        def former(values: tuple[Former, ...]) -> list[FormerAnswer]:
            return [FormerAnswer(text=one.text, record=text(one.record_id)) for one in values]

        return cls(
            person=text(seen.history.person_id),
            name=facts.name,
            id_type=facts.id_type,
            id_no=facts.id_no,
            sex=facts.sex,
            birth_date=facts.birth_date,
            phone=facts.phone,
            provenance={field: text(one) for field, one in seen.golden.provenance.items()},
            former_names=former(seen.golden.former_names),
            former_phones=former(seen.golden.former_phones),
            records=[RecordAnswer.of(ctx, side, institutions) for side in seen.sides],
            record_count=len(seen.history.records),
            rulings=[RulingAnswer.of(ctx, one) for one in seen.history.rulings],
            changes=[ChangeAnswer.of(ctx, one) for one in seen.history.changes],
        )


class QuestionAnswer(msgspec.Struct, kw_only=True):
    """A question about one or two records, with all that a steward needs to answer it."""

    item: str
    reason: str
    opened_at: datetime
    closed_at: datetime | None
    closing: str | None
    by_hand: bool
    """Nothing in the code can know that it is over: it is closed by hand."""
    one: RecordAnswer | None
    """None where the question is about one record: his person's ``records`` show it."""
    other: RecordAnswer | None
    evidence: EvidenceAnswer | None
    ruling: RulingAnswer | None
    """What stands about the two."""
    persons: list[PersonAnswer]

    @classmethod
    def of(
        cls, ctx: Context, seen: QuestionSeen, institutions: dict[int, str], by_hand: bool
    ) -> Self:
        """As it travels."""
        pair, item = seen.pair, seen.item
        return cls(
            item=ctx.public_ids.text(item.record_id, item.item_id),
            reason=item.reason,
            opened_at=item.opened_at,
            closed_at=item.closed_at,
            closing=item.closing,
            by_hand=by_hand,
            one=None if pair is None else RecordAnswer.of(ctx, pair.one, institutions),
            other=None if pair is None else RecordAnswer.of(ctx, pair.other, institutions),
            evidence=None if pair is None else EvidenceAnswer.of(pair),
            ruling=(
                None if pair is None or pair.ruling is None else RulingAnswer.of(ctx, pair.ruling)
            ),
            persons=[PersonAnswer.of(ctx, one, institutions) for one in seen.persons],
        )
