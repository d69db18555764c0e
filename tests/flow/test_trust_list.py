"""The trust list as readers fetch it, and what is said of it long before it fails."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from crypto.healthcode.trust import sign_trust_list, trust_list_of
from crypto.healthcode.trustfile import read_trust_file, write_roots, write_trust_file
from crypto.keyring import KeyKind, KeyRing
from crypto.sm2 import PrivateKey
from service.app import create_app
from service.casework import actions as casework
from service.healthcode import actions as healthcode
from service.installation import prepare_trust, sandbox_root_file
from service.kernel.context import Context, Policy
from service.settings import read_settings
from tests.support.app import a_client, a_context
from tests.support.clock import FakeClock
from tests.support.identity_rig import CIPHER, PAGES

ROOT, OTHER_ROOT = PrivateKey.generate(), PrivateKey.generate()
LIFE = timedelta(days=90)


@dataclass
class Rig:
    ctx: Context
    client: httpx.AsyncClient
    folder: Path

    @property
    def clock(self) -> FakeClock:
        assert isinstance(self.ctx.clock, FakeClock)
        return self.ctx.clock

    def write(
        self,
        *,
        signed_by: PrivateKey = ROOT,
        naming: PrivateKey | None = None,
        sequence: int = 1,
        ring: KeyRing | None = None,
    ) -> str:
        now = self.clock.now()
        listed = trust_list_of(
            ring or self.ctx.ring.snapshot, sequence=sequence, made_at=now, next_at=now + LIFE
        )
        blob = sign_trust_list(listed, signed_by)
        text = write_trust_file(blob, [(naming or signed_by).public])
        replaced = self.folder / "new"
        replaced.write_text(text, "ascii")
        replaced.replace(self.folder / "trust-list.json")
        return text

    async def state(self) -> dict[str, object]:
        answer = await self.client.get("/readyz")
        assert answer.status_code == 200
        return dict(answer.json()["trust_list"])

    async def reasons(self) -> list[str]:
        await healthcode.watch_trust(self.ctx)
        return sorted(item.reason for item in await casework.list_open(self.ctx, 10))


@pytest.fixture
async def rig(postgres: object, migrated: str, tmp_path: Path) -> AsyncIterator[Rig]:
    (tmp_path / "roots").write_text(write_roots([ROOT.public]), "ascii")
    policy = Policy(trust_list=tmp_path / "trust-list.json", trust_roots=tmp_path / "roots")
    async with (
        postgres.database(migrated) as dsn,  # type: ignore[attr-defined]
        a_context(dsn, policy=policy) as ctx,
        a_client(create_app(ctx, CIPHER, PAGES)) as client,
    ):
        yield Rig(ctx, client, tmp_path)


async def test_readers_fetch_the_file_as_it_was_signed(rig: Rig) -> None:
    text = rig.write()
    answer = await rig.client.get("/v1/lists/trust")
    assert (answer.status_code, answer.text) == (200, text)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert read_trust_file(answer.text).sequence == 1
    held = {"if-none-match": answer.headers["etag"]}
    assert (await rig.client.get("/v1/lists/trust", headers=held)).status_code == 304
    weak = {"if-none-match": f'"x", W/{answer.headers["etag"]}'}
    assert (await rig.client.get("/v1/lists/trust", headers=weak)).status_code == 304
    rig.write(sequence=2)
    newer = await rig.client.get("/v1/lists/trust", headers=held)
    assert newer.status_code == 200
    assert read_trust_file(newer.text).sequence == 2
    assert (await rig.state())["ok"] is True
    assert await rig.reasons() == []


async def test_a_list_under_a_foreign_root_is_not_served(rig: Rig) -> None:
    rig.write(signed_by=OTHER_ROOT)
    answer = await rig.client.get("/v1/lists/trust")
    assert (answer.status_code, answer.json()["code"]) == (503, "trust-list-unavailable")
    assert answer.json()["detail"] == "foreign-root"
    assert (await rig.state())["fault"] == "foreign-root"
    assert await rig.reasons() == ["trust-list-refused"]


async def test_a_file_that_names_a_foreign_root_to_readers_is_not_served(rig: Rig) -> None:
    content = json.loads(rig.write())
    content["roots"].append(OTHER_ROOT.public.compressed().hex())
    (rig.folder / "trust-list.json").write_text(json.dumps(content), "ascii")
    assert (await rig.state())["fault"] == "foreign-root"


@pytest.mark.parametrize(
    ("file", "content", "fault"),
    [
        ("trust-list.json", None, "no-file"),
        ("trust-list.json", b"", "list-invalid"),
        ("trust-list.json", b"\xff\xfe", "list-invalid"),
        ("trust-list.json", b"[" * 100_000, "list-invalid"),
        ("trust-list.json", b'{"form":"yimatong-trust/1","roots":[],"trust_list":""}', None),
        ("trust-list.json", b"{" + b" " * 3_000_000, "list-invalid"),
        ("roots", None, "no-roots"),
        ("roots", b"", "roots-invalid"),
        ("roots", b"02" * 33, "roots-invalid"),
        ("roots", b"zz", "roots-invalid"),
    ],
)
async def test_a_broken_file_says_which_and_the_service_goes_on(
    rig: Rig, file: str, content: bytes | None, fault: str | None
) -> None:
    rig.write()
    (rig.folder / file).unlink()
    if content is not None:
        (rig.folder / file).write_bytes(content)
    answer = await rig.client.get("/v1/lists/trust")
    assert answer.status_code == 503
    assert answer.json()["detail"] == (fault or "list-invalid")


async def test_somebody_is_told_thirty_days_before_the_list_runs_out(rig: Rig) -> None:
    rig.write()
    rig.clock.advance(LIFE - timedelta(days=31))
    assert await rig.reasons() == []
    rig.clock.advance(timedelta(days=1))
    assert await rig.reasons() == ["trust-list-expiring"]
    assert await rig.reasons() == ["trust-list-expiring"]
    text = (await rig.client.get("/metrics")).text
    assert 'yimatong_trust_list{value="days_left"} 30.0' in text
    assert 'yimatong_alarms_total{kind="trust-list-expiring"} 1.0' in text
    rig.clock.advance(timedelta(days=31))
    state = await rig.state()
    assert state["ok"] is False
    assert (await rig.client.get("/v1/lists/trust")).status_code == 200


async def test_a_key_in_use_that_readers_do_not_know_is_named(rig: Rig) -> None:
    rotated = rig.ctx.ring.snapshot.rotated(
        KeyKind.ISSUER_ONCE, rig.clock.now(), life=timedelta(days=9), overlap=timedelta(hours=1)
    )
    rig.write(ring=rotated)
    assert (await rig.state())["ok"] is True
    rig.write(ring=KeyRing.generate_for_development(rig.clock.now()))
    state = await rig.state()
    assert state["ok"] is False
    assert state["missing_keys"] == ["6301", "6302", "6303", "6304", "6305"]
    text = (await rig.client.get("/metrics")).text
    assert 'yimatong_trust_list{value="missing_keys"} 5.0' in text
    assert await rig.reasons() == ["trust-list-lacks-keys"]
    rig.write(ring=rotated)
    assert await rig.reasons() == []


async def test_without_a_file_configured_nothing_is_served_and_nobody_alarmed(
    postgres: object, migrated: str
) -> None:
    async with (
        postgres.database(migrated) as dsn,  # type: ignore[attr-defined]
        a_context(dsn) as ctx,
        a_client(create_app(ctx, CIPHER, PAGES)) as client,
    ):
        assert (await client.get("/v1/lists/trust")).json()["detail"] == "not-configured"
        assert await healthcode.watch_trust(ctx) == 0


def test_the_sandbox_makes_its_own_root_and_first_list_and_never_over_another(
    tmp_path: Path,
) -> None:
    settings = read_settings({"YIMATONG_STATE_DIR": str(tmp_path)})
    ring = KeyRing.generate_for_development(FakeClock().now())
    assert prepare_trust(settings, ring)
    first = settings.trust_list.read_text("ascii")
    assert len(read_trust_file(first).keys) == 5
    assert sandbox_root_file(settings).stat().st_mode & 0o777 == 0o600
    assert not prepare_trust(settings, ring)
    assert settings.trust_list.read_text("ascii") == first


def test_production_gets_no_root_of_our_making(tmp_path: Path) -> None:
    settings = read_settings(
        {
            "YIMATONG_STATE_DIR": str(tmp_path),
            "YIMATONG_MODE": "production",
            "YIMATONG_DATABASE_URL": "postgresql://db.example/y",
            "YIMATONG_PUBLIC_URL": "https://code.example",
        }
    )
    assert not prepare_trust(settings, KeyRing.generate_for_development(FakeClock().now()))
    assert not settings.trust_list.exists()
