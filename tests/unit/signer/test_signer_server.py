"""The signer as a process: what it signs, for whom, and what it makes of bad questions."""

import asyncio
import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crypto import keystore
from crypto.errors import BadKey
from crypto.keyring import ISSUER_KINDS, KeyKind, KeyRing
from crypto.signer import RingSigner, SignerUnavailable, UnknownKey, name_of, read_name
from crypto.sm2 import PrivateKey
from service.cli import main
from service.installation import prepare_keys
from service.settings import read_settings
from service.signer.client import SocketSigner
from service.signer.server import SignerServer, SocketTaken
from service.signer.wire import FRAME_MAX, Answer, BadFrame, Op, Question, Status
from service.wiring import keystore_of
from tests.support.running import ROOT

NOW = datetime.now(UTC)
RING = KeyRing.generate_for_development(NOW - timedelta(days=2))
ONCE = RING.current(KeyKind.ISSUER_ONCE, NOW)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: sockets take no long one."""
    with tempfile.TemporaryDirectory(prefix="ymt") as made:
        yield Path(made)


def mode_of(path: Path) -> int:
    return path.stat().st_mode


def ring_signer(*kinds: KeyKind) -> RingSigner:
    return RingSigner(RING, lambda: NOW, kinds or ISSUER_KINDS)


@asynccontextmanager
async def a_server(path: Path, users: set[int] | None = None) -> AsyncIterator[SocketSigner]:
    stop = asyncio.Event()
    server = SignerServer(ring_signer(), {os.geteuid()} if users is None else users)
    serving = asyncio.create_task(server.serve(path, stop))
    while not path.exists():  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.01)
    client = SocketSigner(path, deadline_s=2)
    try:
        yield client
    finally:
        await client.close()
        stop.set()
        await serving


async def test_a_digest_is_signed_under_the_named_key(folder: Path) -> None:
    async with a_server(folder / "s") as client:
        digests = [secrets.token_bytes(32) for _ in range(100)]
        names = [name_of(RING.current(kind, NOW)) for kind in ISSUER_KINDS]
        asked = [(name, e) for e in digests for name in names[:1]]
        signed = await asyncio.gather(*(client.sign_digest(name, e) for name, e in asked))
        public = PrivateKey.from_bytes(RING.current(KeyKind.ISSUER_BOUND, NOW).material).public
        assert all(public.verify_digest(e, one) for e, one in zip(digests, signed, strict=True))
        assert await client.public_key(names[0]) == public


@pytest.mark.parametrize(
    "name", ["code_list.1", "token.1", "column.1", "issuer_once.2", "nothing.1", "issuer_once", "x"]
)
async def test_only_keys_of_the_kinds_it_serves_sign(folder: Path, name: str) -> None:
    async with a_server(folder / "s") as client:
        with pytest.raises(UnknownKey):
            await client.sign_digest(name, bytes(32))
        with pytest.raises(UnknownKey):
            await client.public_key(name)


async def test_a_key_signs_only_inside_its_window() -> None:
    closed = RING.closed_after(KeyKind.ISSUER_ONCE, 1, NOW)
    signer = RingSigner(closed, lambda: NOW + timedelta(seconds=1), ISSUER_KINDS)
    with pytest.raises(UnknownKey):
        await signer.sign_digest(name_of(ONCE), bytes(32))


def test_a_kind_that_does_not_sign_is_refused_at_once() -> None:
    with pytest.raises(BadKey):
        RingSigner(RING, lambda: NOW, [KeyKind.COLUMN])


def test_key_names_are_read_strictly() -> None:
    assert read_name("issuer_once.3") == (KeyKind.ISSUER_ONCE, 3)
    for name in ("", ".", "issuer_once.", "issuer_once.-1", "issuer_once.1.1", "issuer_once.１"):
        with pytest.raises(UnknownKey):
            read_name(name)


async def test_the_socket_is_private_from_its_first_moment(folder: Path) -> None:
    async with a_server(folder / "s"):
        mode = mode_of(folder / "s")
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600


async def test_another_user_is_hung_up_on(folder: Path) -> None:
    async with a_server(folder / "s", users={os.geteuid() + 1}) as client:
        with pytest.raises(SignerUnavailable):
            await client.sign_digest(name_of(ONCE), bytes(32))


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff\xff" + bytes(100),
        b"\x00\x00",
        (FRAME_MAX + 1).to_bytes(2) + bytes(FRAME_MAX + 1),
        b"\x00\x0b" + bytes((2, 1)) + bytes(8) + b"\x01",
        b"\x00\x0b" + bytes((1, 9)) + bytes(8) + b"\x01",
        b"\x00\x0b" + bytes((1, 1)) + bytes(8) + b"\x00",
        b"\x00\x0d" + bytes((1, 2)) + bytes(8) + b"\x02\xff\xfe",
        Question(op=Op.SIGN, id=1, name="issuer_once.1", digest=bytes(31)).to_bytes(),
        Question(op=Op.PUBLIC_KEY, id=1, name="issuer_once.1", digest=bytes(32)).to_bytes(),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_no_question_ends_that_line_only(folder: Path, sent: bytes) -> None:
    async with a_server(folder / "s") as client:
        reader, writer = await asyncio.open_unix_connection(folder / "s")
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(30):
            assert await reader.read() == b""
        writer.close()
        assert len(await client.sign_digest(name_of(ONCE), bytes(32))) == 64


def test_frames_are_read_back() -> None:
    asked = Question(op=Op.SIGN, id=7, name="issuer_once.1", digest=bytes(range(32)))
    assert Question.read(asked.to_bytes()[2:]) == asked
    answer = Answer(status=Status.DONE, id=7, content=bytes(64))
    assert Answer.read(answer.to_bytes()[2:]) == answer
    for body in (b"", bytes(9), b"\x02" + bytes(20), b"\x01\x09" + bytes(20)):
        with pytest.raises(BadFrame):
            Answer.read(body)


async def test_a_dead_signer_s_socket_is_taken_over_and_a_living_one_s_is_not(folder: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(folder / "s"))
    left.close()
    stop = asyncio.Event()
    server = SignerServer(ring_signer(), {os.geteuid()})
    serving = asyncio.create_task(server.serve(folder / "s", stop))
    client = SocketSigner(folder / "s")
    await asyncio.sleep(0.05)
    assert len(await client.sign_digest(name_of(ONCE), bytes(32))) == 64
    with pytest.raises(SocketTaken):
        await SignerServer(ring_signer(), {os.geteuid()}).serve(folder / "s", stop)
    (folder / "file").write_bytes(b"kept")
    with pytest.raises(SocketTaken):
        await SignerServer(ring_signer(), {os.geteuid()}).serve(folder / "file", stop)
    await client.close()
    stop.set()
    await serving
    assert (folder / "file").read_bytes() == b"kept"


async def test_the_process_signs_follows_its_keystore_and_ends(folder: Path) -> None:
    master = secrets.token_bytes(32)
    keystore.create(folder / "keystore", RING, master)
    (folder / "master").write_text(master.hex(), "ascii")
    environ = {name: value for name, value in os.environ.items() if "YIMATONG_" not in name}
    with subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "service", "signer", "--socket", str(folder / "s")],
        cwd=ROOT,
        env={
            **environ,
            "YIMATONG_KEYSTORE": str(folder / "keystore"),
            "YIMATONG_MASTER_KEY_FILE": str(folder / "master"),
        },
        stdout=subprocess.DEVNULL,
    ) as child:
        client = SocketSigner(folder / "s")
        public = PrivateKey.from_bytes(ONCE.material).public
        assert public.verify_digest(bytes(32), await patiently(client, name_of(ONCE)))
        keystore.replace(
            folder / "keystore",
            RING.rotated(
                KeyKind.ISSUER_ONCE, NOW, life=timedelta(days=9), overlap=timedelta(hours=1)
            ),
            master,
        )
        assert await patiently(client, "issuer_once.2")
        await client.close()
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0
    assert not (folder / "s").exists()


async def patiently(client: SocketSigner, name: str) -> bytes:
    for _ in range(150):
        try:
            return await client.sign_digest(name, bytes(32))
        except (SignerUnavailable, UnknownKey):
            await asyncio.sleep(0.1)
    raise AssertionError("the signer did not come up")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--socket", "/no-such-folder/x"], "cannot listen at /no-such-folder/x: No such file"),
        (["--user", "nobody-there"], "--user nobody-there: there is no such user"),
        (["--kind", "column"], "--kind column: no kind that signs; those are "),
    ],
)
def test_what_it_cannot_begin_with_is_named(folder: Path, words: list[str], said: str) -> None:
    state = {"YIMATONG_STATE_DIR": str(folder / "state")}
    prepare_keys(read_settings(state))
    verb = [sys.executable, "-m", "service", "signer", "--socket", str(folder / "s"), *words]
    done = subprocess.run(
        verb, env=os.environ | state, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"yimatong signer: {said}")


async def test_the_settings_are_not_in_order_while_the_signer_is_away_or_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {
        "YIMATONG_STATE_DIR": str(folder / "state"),
        "YIMATONG_SIGNER_SOCKET": str(folder / "s"),
    }
    settings = read_settings(environ)
    prepare_keys(settings)
    for name, text in environ.items():
        monkeypatch.setenv(name, text)

    async def check(ring: KeyRing | None) -> tuple[int, str]:
        stop = asyncio.Event()
        serving = None
        if ring is not None:
            signer = RingSigner(ring, lambda: datetime.now(UTC), settings.signer_kinds)
            server = SignerServer(signer, {os.geteuid()})
            serving = asyncio.create_task(server.serve(folder / "s", stop))
            await asyncio.sleep(0.05)
        status = await asyncio.to_thread(main, ["config-check"])
        stop.set()
        if serving is not None:
            await serving
        said = capsys.readouterr()
        return status, said.out if status == 0 else said.err

    away = f"yimatong: the signer at {folder / 's'}: the signer cannot be reached\n"
    assert await check(None) == (2, away)
    status, said = await check(keystore_of(settings).load())
    assert (status, "answers, with the keys of the serving keystore" in said) == (0, True)
    status, said = await check(RING)
    assert (status, "is not the serving keystore's" in said) == (2, True)
