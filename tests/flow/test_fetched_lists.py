"""``yimatong code fetch-lists`` against the platform as it serves, for a reader that judges."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from crypto.certificates import read_chain
from crypto.healthcode.trust import sign_trust_list, trust_list_of
from crypto.healthcode.trustfile import write_roots, write_trust_file
from crypto.sm2 import PrivateKey
from service.app import create_app
from service.fetch_lists.download import Downloader
from service.fetch_lists.fetching import Fetcher, Outcome, Told
from service.fetch_lists.folder import Folder
from service.front_machine.serving import open_reader
from service.kernel.context import Context, Policy
from service.reader.reading import Question
from tests.support.app import a_client, a_context
from tests.support.clock import FakeClock
from tests.support.database import DatabaseServer
from tests.support.identity_rig import CIPHER, PAGES
from tests.support.readers import a_holder, make_lists, revoke

ROOT = PrivateKey.generate()


@dataclass
class Served:
    """The platform, and a hospital's folder beside it."""

    ctx: Context
    client: httpx.AsyncClient
    folder: Path

    @property
    def clock(self) -> FakeClock:
        assert isinstance(self.ctx.clock, FakeClock)
        return self.ctx.clock

    async def fetch(self) -> dict[str, Told]:
        """One run, with the certificates' roots as the platform serves them."""
        folder = Folder(self.folder)
        try:
            source = Downloader(self.client, 30.0)
            fetcher = Fetcher(source, folder, [ROOT.public], self.clock.now())
            anchors = read_chain((await self.client.get("/v1/lists/certificates.pem")).text)
            told = [await fetcher.trust(), *await fetcher.revoked([0])]
            told.append(await fetcher.certificates(anchors))
            return {one.name: one for one in told}
        finally:
            folder.close()


@pytest.fixture
async def served(postgres: DatabaseServer, migrated: str, tmp_path: Path) -> AsyncIterator[Served]:
    (tmp_path / "roots").write_text(write_roots([ROOT.public]), "ascii")
    policy = Policy(trust_list=tmp_path / "trust-list.json", trust_roots=tmp_path / "roots")
    async with (
        postgres.database(migrated) as dsn,
        a_context(dsn, policy=policy) as ctx,
        a_client(create_app(ctx, CIPHER, PAGES)) as client,
    ):
        now = ctx.clock.now()
        trust = trust_list_of(
            ctx.ring.snapshot, sequence=1, made_at=now, next_at=now + timedelta(days=90)
        )
        text = write_trust_file(sign_trust_list(trust, ROOT), [ROOT.public])
        (tmp_path / "trust-list.json").write_text(text, "ascii")
        yield Served(ctx, client, tmp_path / "front")


async def test_a_lost_phone_is_refused_after_the_next_fetch(served: Served) -> None:
    holder = a_holder(served.ctx)
    await make_lists(served.ctx)
    assert {one.outcome for one in (await served.fetch()).values()} == {Outcome.NEW}
    assert {one.outcome for one in (await served.fetch()).values()} == {Outcome.UNCHANGED}
    reader = open_reader(served.folder, served.clock)
    now = served.clock.now()
    shown = holder.show(now).issued
    said = json.loads(reader.answer(Question(text=shown.text), now))
    assert (said["valid"], said["level"], said["marks"]) == (True, "present", [])

    await revoke(served.ctx, bytes.fromhex(said["code_id"]))
    served.clock.advance(timedelta(minutes=6))
    await make_lists(served.ctx)
    told = await served.fetch()
    assert told["revoked bound 0"].outcome is Outcome.NEW
    assert told["trust"].outcome is Outcome.UNCHANGED
    assert len(list((served.folder / "revoked").glob("fetched-1-0-*"))) in {1, 2}
    now = served.clock.now()
    reader.refresh(now)
    said = json.loads(reader.answer(Question(text=holder.show(now).issued.text), now))
    assert said["error"] == "REVOKED"
    reader.close()
