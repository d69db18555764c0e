"""Which records go with those that leave a person.

Pure. One goes where it says number and name of those that leave and of none that stays, else where
it says the number alone so; where it says no number, by the name alone. All else stays. Records
that a steward ruled the same go together.
"""

from collections.abc import Sequence

from service.person.identity.names import compare_key
from service.person.model import Facts, Known

Pair = tuple[int, int]


def going_with(
    goes: Known, stays: Known, records: Sequence[Known], ruled_same: Sequence[Pair]
) -> list[int] | None:
    """Numbers of the records that leave, ``goes`` among them; None where a steward ruled the two
    the same, directly or through others."""
    group_of = _groups([one.record_id for one in records], ruled_same)
    if group_of[goes.record_id] == group_of[stays.record_id]:
        return None
    leaving = {group_of[goes.record_id]} | {
        group_of[one.record_id]
        for one in records
        if _is_rather(one.facts, [goes.facts], [stays.facts])
    }
    leaving.discard(group_of[stays.record_id])
    return sorted(one.record_id for one in records if group_of[one.record_id] in leaving)


def _groups(record_ids: Sequence[int], ruled_same: Sequence[Pair]) -> dict[int, int]:
    """Of each record the least one that it was ruled the same with, by way of any number."""
    group_of = {one: one for one in record_ids}
    for one, other in ruled_same:
        if one in group_of and other in group_of:
            least, gone = sorted((group_of[one], group_of[other]))
            group_of = {key: least if group == gone else group for key, group in group_of.items()}
    return group_of


def following(leave: Sequence[Known], stay: Sequence[Known], came: Sequence[Known]) -> list[int]:
    """Of the records that ``came`` while they were one person, those that go with ``leave``."""
    leaving, staying = [one.facts for one in leave], [one.facts for one in stay]
    return [one.record_id for one in came if _is_rather(one.facts, leaving, staying)]


def _is_rather(facts: Facts, leaving: Sequence[Facts], staying: Sequence[Facts]) -> bool:
    """Whether they are rather those of who leaves than of who stays."""
    for said_by in (_number_and_name, _number_of) if facts.id_no else (_name_of,):
        said = said_by(facts)
        goes = any(said_by(one) == said for one in leaving)
        stays = any(said_by(one) == said for one in staying)
        if goes != stays:
            return goes
    return False


def _number_and_name(facts: Facts) -> str:
    return f"{_number_of(facts)} {_name_of(facts)}"


def _number_of(facts: Facts) -> str:
    return f"{facts.id_type}:{facts.id_no or ''}"


def _name_of(facts: Facts) -> str:
    return compare_key(facts.name)
