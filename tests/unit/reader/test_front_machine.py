"""The front machine: one map for all desks, bounded bodies, a secret where asked."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from crypto.healthcode.layout import Purpose
from crypto.healthcode.rootfile import fingerprint
from service.front_machine.app import FrontMachine
from service.front_machine.http_server import Request
from service.front_machine.serving import FrontSettings, check_folder, open_reader, read_secret
from service.reader.reading import FolderReader, Question
from tests.support.clock import FakeClock
from tests.support.front import front_client
from tests.support.reader_world import NOON, CutOffTill, ReaderWorld
from tests.support.running import free_port

WORLD = ReaderWorld()
SECRET = b"a secret of some length"
Client = Callable[..., httpx.Client]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    readers = []

    def make(secret: bytes | None = None) -> httpx.Client:
        WORLD.write_trust(tmp_path / "trust.json", WORLD.trust())
        (tmp_path / "revoked").write_bytes(WORLD.signed(WORLD.revoked(1, [])))
        reader = FolderReader(
            trust_file=tmp_path / "trust.json",
            revoked_files=lambda: [tmp_path / "revoked"],
            state=tmp_path / "state",
            now=NOON,
        )
        readers.append(reader)
        return front_client(reader, FakeClock(NOON), secret)

    yield make
    for reader in readers:
        reader.close()


def ask(client: httpx.Client, text: str, **members: str) -> dict[str, Any]:
    answer = client.post("/v1/verify", json={"text": text, **members})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_all_desks_share_what_was_shown(client: Client) -> None:
    with client() as http:
        text = WORLD.phone().show(NOON)
        first = ask(http, text, reader="desk 1", request_id="1")
        assert (first["valid"], first["level"]) == (True, "present")
        assert ask(http, text, reader="desk 1", request_id="1") == first
        assert ask(http, text, reader="desk 2", request_id="1")["error"] == "ALREADY_SHOWN"
        status = http.get("/v1/status").json()
        counted = (status["accepted"], status["refused"], status["seen"], status["shown"])
        assert counted == (1, 1, 1, 1)
        assert [one["scope"] for one in status["lists"]] == ["trust", "bound"]
        assert status["missing_lists"] == ["printed"]


def test_scanner_damage_is_undone_and_said(client: Client) -> None:
    with client() as http:
        answer = ask(http, " " + WORLD.once().lower() + "\r\n")
        assert (answer["valid"], answer["repaired"]) == (True, True)
        assert ask(http, WORLD.once() + WORLD.once())["error"] == "CODE_MALFORMED"


def test_a_code_shown_to_identify_does_not_pay(client: Client) -> None:
    with client() as http:
        assert ask(http, WORLD.once(), purpose="pay")["error"] == "PURPOSE_MISMATCH"
        assert ask(http, WORLD.once(), offer="YMO1:000")["error"].startswith("OFFER_")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed-request"),
        (b"[", 400, "malformed-request"),
        (b"\xff\xfe", 400, "malformed-request"),
        (b"[" * 9000, 400, "malformed-request"),
        (b'{"text":1}', 400, "malformed-request"),
        (b'{"text":"a","more":1}', 400, "malformed-request"),
        (b'{"text":"a","purpose":"steal"}', 400, "malformed-request"),
        (json.dumps({"text": "A" * 1281}).encode(), 400, "malformed-request"),
        (json.dumps({"text": "A", "reader": "r" * 65}).encode(), 400, "malformed-request"),
    ],
)
def test_hostile_bodies_get_clear_errors(
    client: Client, body: bytes, status: int, code: str
) -> None:
    with client() as http:
        answer = http.post("/v1/verify", content=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_wrong_methods_and_paths(client: Client) -> None:
    with client() as http:
        refused = http.get("/v1/verify")
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
        assert http.post("/v1/status").status_code == 405
        assert http.get("/v1/other").json()["code"] == "not-found"


def test_a_request_id_for_something_else_is_a_conflict(client: Client) -> None:
    with client() as http:
        ask(http, WORLD.once(), reader="desk", request_id="1")
        body = {"text": WORLD.once(), "reader": "desk", "request_id": "1"}
        answer = http.post("/v1/verify", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-key-reused")


class FaultyReader:
    """Fails at one text."""

    def answer_all(self, questions: Sequence[Question], _now: object) -> list[bytes]:
        if any(question.text == "fault" for question in questions):
            raise ArithmeticError
        return [b"{}" for _ in questions]


def test_a_request_that_we_fail_at_fails_alone() -> None:
    reader: Any = FaultyReader()
    bodies = [b'{"text":"good"}', b'{"text":"fault"}', b"", b'{"text":"good"}']
    requests = [Request(b"POST", b"/v1/verify", b"", body) for body in bodies]
    replies = FrontMachine(reader, FakeClock(NOON), None).answer_all(requests)
    assert [one.status for one in replies] == [200, 500, 400, 200]


def test_without_the_secret_nothing_is_told(client: Client) -> None:
    with client(SECRET) as http:
        for headers in ({}, {"authorization": "Bearer another"}, {"authorization": SECRET}):
            assert http.get("/v1/status", headers=headers).status_code == 401
            answer = http.post("/v1/verify", json={"text": "a"}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")
        good = {"authorization": f"Bearer {SECRET.decode()}"}
        assert http.get("/v1/status", headers=good).status_code == 200


def test_other_than_loopback_needs_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for host, content, is_fine in (
        ("127.0.0.1", None, True),
        ("0.0.0.0", None, False),  # noqa: S104 - refused is what is tested
        ("10.0.0.1", b"short", False),
        ("10.0.0.1", SECRET + b"\n", True),
    ):
        if content is not None:
            file.write_bytes(content)
        named = None if content is None else file
        settings = FrontSettings(folder=tmp_path, host=host, port=1, secret_file=named)
        if is_fine:
            assert read_secret(settings) == (None if content is None else SECRET)
        else:
            with pytest.raises(ValueError, match="secret"):
                read_secret(settings)


def test_a_desk_takes_the_offers_of_its_own_till_for_what_they_ask(tmp_path: Path) -> None:
    WORLD.write_trust(tmp_path / "trust.json", WORLD.trust())
    (tmp_path / "tills.json").write_text('{"desk 1": "0000000000000007"}')
    own, other = CutOffTill(WORLD), CutOffTill(WORLD, terminal=8)
    reader = open_reader(tmp_path, FakeClock(NOON))
    pay = {"purpose": "pay", "reader": "desk 1"}
    phone = WORLD.phone()
    with front_client(reader, FakeClock(NOON)) as http:
        text = phone.show(NOON, purpose=Purpose.PAY, context=own.asked.context())
        for members in (
            {**pay, "offer": other.offer()},
            {**pay, "offer": own.offer(), "reader": "desk 2"},
            {**pay, "offer": own.offer(), "purpose": "identify"},
        ):
            assert ask(http, text, **members)["error"] == "OFFER_ELSEWHERE"
        assert ask(http, text, **pay, offer=own.offer())["valid"]
    reader.close()


def test_without_its_tills_it_takes_no_offer_and_a_spoilt_list_is_said(tmp_path: Path) -> None:
    WORLD.write_trust(tmp_path / "trust.json", WORLD.trust())
    own = CutOffTill(WORLD)
    reader = open_reader(tmp_path, FakeClock(NOON))
    with front_client(reader, FakeClock(NOON)) as http:
        text = WORLD.phone().show(NOON, purpose=Purpose.PAY, context=own.asked.context())
        assert ask(http, text, purpose="pay", offer=own.offer())["error"] == "OFFER_ELSEWHERE"
    reader.close()
    for spoilt in ("[]", '{"desk 1": 7}', '{"desk 1": "A000T1"}'):
        (tmp_path / "tills.json").write_text(spoilt)
        with pytest.raises(ValueError, match=r"tills.json: \{"):
            open_reader(tmp_path, FakeClock(NOON))


def test_tills_are_read_again_while_it_runs(tmp_path: Path) -> None:
    WORLD.write_trust(tmp_path / "trust.json", WORLD.trust())
    own, file = CutOffTill(WORLD), tmp_path / "tills.json"
    reader, phone = open_reader(tmp_path, FakeClock(NOON)), WORLD.phone()
    one = '{"desk 1": "0000000000000007"}'
    spoilt = {"tills.json": "TILLS_MALFORMED"}
    with front_client(reader, FakeClock(NOON)) as http:
        for seq, (content, is_taken, refused) in enumerate(
            (
                (None, False, {}),
                (one, True, {}),
                ("[]", True, spoilt),
                ("\xff", True, spoilt),
                ('{"desk 1": "0000000000000008"}', False, {}),
                (one + " ", True, {}),
                (None, False, {}),
            )
        ):
            file.unlink(missing_ok=True)
            if content is not None:
                file.write_bytes(content.encode("latin-1"))
            reader.refresh(NOON)
            text = phone.show(NOON, seq=seq, purpose=Purpose.PAY, context=own.asked.context())
            said = ask(http, text, purpose="pay", reader="desk 1", offer=own.offer())
            assert (said["valid"], said["error"]) == (
                is_taken,
                None if is_taken else "OFFER_ELSEWHERE",
            )
            assert http.get("/v1/status").json()["refused_lists"] == refused
    reader.close()


def test_the_status_names_the_roots_in_force_and_the_log_their_change(tmp_path: Path) -> None:
    """Whose trust file lies in the folder decides whom the reader believes; restarts hide none."""
    own, other = ReaderWorld(NOON), ReaderWorld(NOON)
    prints = [fingerprint([one.root.public.compressed()]) for one in (own, other)]

    def roots_of(reader: FolderReader) -> object:
        with front_client(reader, FakeClock(NOON)) as http:
            return http.get("/v1/status").json()["roots"]

    with structlog.testing.capture_logs() as logs:
        own.write_trust(tmp_path / "trust.json", own.trust(1))
        reader = open_reader(tmp_path, FakeClock(NOON))
        assert roots_of(reader) == prints[:1]
        own.write_trust(tmp_path / "trust.json", own.trust(2))
        reader.refresh(NOON)
        assert logs == []
        other.write_trust(tmp_path / "trust.json", other.trust(2))
        reader.refresh(NOON)
        assert roots_of(reader) == prints[1:]
        reader.close()
        open_reader(tmp_path, FakeClock(NOON)).close()
        own.write_trust(tmp_path / "trust.json", own.trust(3))
        reader = open_reader(tmp_path, FakeClock(NOON))
        assert roots_of(reader) == prints[:1]
        reader.close()
    assert [(one["event"], one["log_level"], one["before"], one["now"]) for one in logs] == [
        ("roots.changed", "warning", prints[0], prints[1]),
        ("roots.changed", "warning", prints[1], prints[0]),
    ]


def test_the_command_says_where_it_listens_and_what_holds_it_up(tmp_path: Path) -> None:
    WORLD.write_trust(tmp_path / "trust.json", WORLD.trust())
    port = str(free_port())
    verb = [sys.executable, "-m", "service", "code", "serve", "--state", str(tmp_path)]
    running = subprocess.Popen([*verb, "--port", port], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == f"listening at http://127.0.0.1:{port}\n"
        (tmp_path / "second").mkdir()
        WORLD.write_trust(tmp_path / "second" / "trust.json", WORLD.trust())
        verb[-1] = str(tmp_path / "second")
        taken = subprocess.run(
            [*verb, "--port", port], capture_output=True, text=True, timeout=30, check=False
        )
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)
    assert running.returncode == 0
    said = (
        f"yimatong code serve: cannot listen at http://127.0.0.1:{port}: Address already in use\n"
    )
    assert (taken.returncode, taken.stderr) == (2, said)


def test_a_folder_that_cannot_serve_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    empty, file = tmp_path / "empty", tmp_path / "file"
    empty.mkdir()
    file.write_text("")
    for folder, said in (
        (empty, f"{empty} holds no trust.json, the platform's trust file"),
        (file, f"{file} is not a folder; it is the folder that holds trust.json"),
        (tmp_path / "none", f"{tmp_path / 'none'} is not there; it is the folder that holds trust"),
    ):
        with pytest.raises(ValueError, match=re.escape(f"--state: {said}")):
            check_folder(folder)
    assert not list(empty.iterdir())


def test_the_folder_is_looked_at_before_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        verb = [sys.executable, "-m", "service", "code", "serve", "--state", str(tmp_path)]
        done = subprocess.run(
            [*verb, "--port", str(port)], capture_output=True, text=True, timeout=30, check=False
        )
    assert done.returncode == 2
    assert done.stderr.startswith(f"yimatong code serve: --state: {tmp_path} holds no trust.json")
