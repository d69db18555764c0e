"""Which records of a person go with one of them when a steward says that two are two persons'.

Pure. Records that a steward ruled the same go together. Of the others one goes where it says the
number of the record that goes and not that of the one that stays; where it says no number, where
it says that name and not the other's. All else stays.
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
        group_of[one.record_id] for one in records if _is_rather(one.facts, goes.facts, stays.facts)
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


def _is_rather(facts: Facts, goes: Facts, stays: Facts) -> bool:
    if facts.id_no is not None:
        own = (facts.id_type, facts.id_no)
        return own == (goes.id_type, goes.id_no) != (stays.id_type, stays.id_no)
    name = compare_key(facts.name)
    return name == compare_key(goes.name) != compare_key(stays.name)
