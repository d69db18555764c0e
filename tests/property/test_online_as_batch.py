"""Counters and files tell the same registrations apart alike, in whatever order these come.

Newborns without a name are left out: a file lets one that fits several children join none, which a
counter that knows only the first of them cannot do (``docs/matching.md``).
"""

import random
from collections import defaultdict
from collections.abc import Hashable, Iterable

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from loadtests.populations import MIXES, Population
from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.database import connection
from service.person import actions, meeting
from service.person.facts import traits_in
from service.person.identity.names import check_name
from service.person.matching.batch import match
from service.person.model import Registration
from tests.support.app import a_context
from tests.support.database import DatabaseServer
from tests.support.fakes_identity import POLICY

PEOPLE = 40
Clusters = set[frozenset[int]]


def registrations(seed: int, mix: str) -> list[Registration]:
    """Of some 40 people in households, with the errors of the mix; about 3 of each."""
    blank = {"institution_id": None, "id_no": None, "phone": None, "name": "", "id_type": "01"}
    fields = set(Registration.__struct_fields__)
    return [
        msgspec.convert(
            blank | {field: said for field, said in line.items() if field in fields and said},
            Registration,
        )
        for line, *_ in Population(seed, PEOPLE, MIXES[mix]).lines()
        if check_name(line["name"]).kind != "newborn_placeholder"
    ]


def clusters(names: Iterable[tuple[int, Hashable]]) -> Clusters:
    """Places with one name together."""
    found = defaultdict(set)
    for place, name in names:
        found[name].add(place)
    return {frozenset(places) for places in found.values()}


async def at_counters(ctx: Context, said: list[Registration], order: list[int]) -> list[int]:
    """The records of the registrations, registered in this order."""
    records = dict.fromkeys(order, 0)
    for place in order:
        records[place] = (await actions.register(ctx, said[place])).record_id
    return [records[place] for place in range(len(said))]


async def persons_of(ctx: Context, records: list[int]) -> Clusters:
    async with connection(ctx.pool) as conn:
        rows = await conn.fetch("select record_id, person_id from link where to_at is null")
    person_of = {row["record_id"]: row["person_id"] for row in rows}
    return clusters((place, person_of[record]) for place, record in enumerate(records))


@settings(
    max_examples=10,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 10**6),
    mix=st.sampled_from(sorted(MIXES)),
    draw=st.randoms(use_true_random=False),
)
async def test_counters_make_the_persons_that_files_make(
    postgres: DatabaseServer, migrated: str, seed: int, mix: str, draw: random.Random
) -> None:
    said = registrations(seed, mix)
    order = draw.sample(range(len(said)), len(said))
    async with postgres.database(migrated) as dsn, a_context(dsn, policy=POLICY) as ctx:
        records = await at_counters(ctx, said, order)
        today = business_day(ctx.clock.now())
        traits = [
            traits_in(one, today, key=f"{record}")
            for one, record in zip(said, records, strict=True)
        ]
        scale = meeting.scale_of(ctx.policy.registrations_expected)
        file = clusters(enumerate(match(traits, scale=scale).cluster_of))
        assert await persons_of(ctx, records) == file
