"""Every kind of key is rotated while three processes are at work, and nothing is ever refused."""

from pathlib import Path

import pytest

from crypto.keyring import KeyKind
from service.keys.changes import ChangeRefused
from service.keys.schedule import FIXED
from tests.support.rotation_rig import a_town

ROTATED = [kind for kind in KeyKind if kind not in FIXED]
TOGETHER = 5
"""Kinds that change at one moment: each is at work in every round of the traffic all the same."""


@pytest.mark.timeout(900)
async def test_rotation_of_every_kind_fails_nothing(fresh_database: str, tmp_path: Path) -> None:
    """A failed request or verification of the traffic ends the test at once."""
    async with a_town(fresh_database, tmp_path) as town:
        await town.traffic()
        before = dict(town.patients)
        turns = [ROTATED[at : at + TOGETHER] for at in range(0, len(ROTATED), TOGETHER)]
        for kinds in turns:
            await town.rotate(*kinds)
        with pytest.raises(ChangeRefused):
            await town.rotate(KeyKind.INSTITUTION_PSEUDONYM)
        await town.traffic()
        town.seen.update(await town.stored_versions())
        assert {kind: town.seen[kind] for kind in ROTATED} == {kind: {1, 2} for kind in ROTATED}
        assert town.bureau_silent <= len(town.scan_ids) // 2
        assert before.items() <= town.patients.items()
        assert all(rig.ctx.ring.fault is None for rig in town.rigs)
        assert min(town.rounds.values()) >= 5 * len(turns)
