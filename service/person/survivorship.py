"""Which of the values that a person's records say survive in the golden view. Pure.

A name, a number, a sex and a birth date come from the best verified source that says one; a phone
from the newest record. Among equals the value that most records say wins, then the newest, then the
greatest record. Where a record says that name or number have changed, what was said before it does
not survive. What is no value of the person (a newborn's placeholder, the name of an unknown
person, a number or phone typed to fill the field) never survives where there is another. Values
that gave way are kept as former ones.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from service.person.identity.names import check_name, compare_key
from service.person.identity.registrations import is_dummy
from service.person.matching.traits import phone_of
from service.person.model import Changed, Facts, Former, Golden, Known, Source

TRUST = {
    Source.READER: 0,
    Source.RESIDENT: 1,
    Source.WINDOW: 2,
    Source.RURAL: 3,
    Source.LEGACY: 4,
    Source.EMERGENCY: 5,
}
"""Whose word weighs more (dossier 5, survivorship); a resident's facts passed a national check."""
FORMER_MAX = 20
"""Of each kind; the newest are kept."""
_NOBODYS = frozenset({"newborn_placeholder", "unknown_person"})

Rank = tuple[float | int, ...]


def golden_view(records: Sequence[Known]) -> Golden:
    """The view of the person who has these records, in whatever order they come.

    Raises ``ValueError`` for no record.
    """
    if not records:
        raise ValueError("a person has at least one record")
    named, numbered = _since(records, Changed.NAME), _since(records, Changed.ID_NO)
    name = _surviving(named, _name_of, _by_source) or min(named, key=_only_source)
    number = _surviving(numbered, _number_of, _by_source)
    sex = number or _surviving(records, _sex_of, _by_source) or name
    born = number or _surviving(records, _born_of, _by_source)
    phone = _surviving(records, _phone_of, _by_time)
    found = {"name": name, "id_no": number, "sex": sex, "birth_date": born, "phone": phone}
    return Golden(
        facts=Facts(
            name=name.facts.name,
            id_type=(number or name).facts.id_type,
            id_no=number.facts.id_no if number else None,
            sex=sex.facts.sex,
            birth_date=born.facts.birth_date if born else None,
            phone=phone.facts.phone if phone else None,
        ),
        provenance={field: one.record_id for field, one in found.items() if one is not None},
        former_names=_former(records, _name_of, lambda known: known.facts.name, name),
        former_phones=_former(records, _phone_of, lambda known: known.facts.phone or "", phone),
    )


def _since(records: Sequence[Known], changed: Changed) -> list[Known]:
    """The records from the newest on that says that this has changed; else all of them."""
    last = max((one.received_at for one in records if one.changed is changed), default=None)
    return [one for one in records if last is None or one.received_at >= last]


def _surviving(
    records: Sequence[Known],
    value_of: Callable[[Known], str | None],
    rank: Callable[[Known, int], Rank],
) -> Known | None:
    """The record whose value survives; None where no record says one."""
    saying = [(known, value) for known in records if (value := value_of(known)) is not None]
    said = Counter(value for _, value in saying)
    best = min(saying, key=lambda one: rank(one[0], said[one[1]]), default=None)
    return best[0] if best is not None else None


def _former(
    records: Sequence[Known],
    value_of: Callable[[Known], str | None],
    text_of: Callable[[Known], str],
    surviving: Known | None,
) -> tuple[Former, ...]:
    """The other values, each once, newest first."""
    seen = {value_of(surviving)} if surviving is not None else set()
    former = []
    for known in sorted(records, key=lambda known: (_newest(known), -known.record_id)):
        value = value_of(known)
        if value is not None and value not in seen:
            seen.add(value)
            former.append(Former(text=text_of(known), record_id=known.record_id))
    return tuple(former[:FORMER_MAX])


def _name_of(known: Known) -> str | None:
    is_nobodys = check_name(known.facts.name).kind in _NOBODYS
    return None if is_nobodys else compare_key(known.facts.name)


def _number_of(known: Known) -> str | None:
    number = known.facts.id_no
    return f"{known.facts.id_type}:{number}" if number and not is_dummy(number) else None


def _sex_of(known: Known) -> str | None:
    return known.facts.sex if known.facts.sex != "U" else None


def _born_of(known: Known) -> str | None:
    return known.facts.birth_date.isoformat() if known.facts.birth_date else None


def _phone_of(known: Known) -> str | None:
    return phone_of(known.facts.phone or "") or None


def _by_source(known: Known, said: int) -> Rank:
    return (TRUST[known.source], -said, _newest(known), -known.record_id)


def _by_time(known: Known, said: int) -> Rank:
    return (_newest(known), TRUST[known.source], -said, -known.record_id)


def _only_source(known: Known) -> Rank:
    return _by_source(known, 1)


def _newest(known: Known) -> float:
    return -known.received_at.timestamp()
