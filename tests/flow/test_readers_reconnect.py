"""Readers from files alone, cut off, then connected again: what they owe comes in as it stands."""

import json
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

from crypto.healthcode.trust import sign_trust_list, trust_list_of
from crypto.healthcode.trustfile import write_trust_file
from crypto.sm2 import PrivateKey
from service.casework import actions as casework
from service.commands.code_hand_in import bodies, confirm
from service.reader.reading import FolderReader, Question
from tests.support.bound_phone import BoundPhone
from tests.support.callers import TerminalCaller
from tests.support.front import front_client
from tests.support.identity_rig import IdentityRig, an_identity_rig
from tests.support.readers import fetch_list, make_lists


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


class Folders:
    """Makes readers from what the platform publishes, each in a folder of its own."""

    def __init__(self, rig: IdentityRig, folder: Path, revoked: bytes) -> None:
        self.rig = rig
        self.folder = folder
        self.revoked = revoked
        self.root = PrivateKey.generate()
        self.readers: list[FolderReader] = []

    def reader(self, name: str) -> FolderReader:
        now = self.rig.clock.now()
        place = self.folder / name
        place.mkdir(exist_ok=True)
        trust = trust_list_of(
            self.rig.ctx.ring.snapshot,
            sequence=1,
            made_at=now.replace(microsecond=0) - timedelta(hours=1),
            next_at=now.replace(microsecond=0) + timedelta(days=90),
        )
        signed = sign_trust_list(trust, self.root)
        (place / "trust.json").write_text(write_trust_file(signed, [self.root.public]))
        (place / "revoked").write_bytes(self.revoked)
        reader = FolderReader(
            trust_file=place / "trust.json",
            revoked_files=lambda: [place / "revoked"],
            state=place / "state",
            now=now,
        )
        self.readers.append(reader)
        return reader


@pytest.fixture
async def folders(rig: IdentityRig, tmp_path: Path) -> AsyncIterator[Folders]:
    await make_lists(rig.ctx)
    made = Folders(rig, tmp_path, await fetch_list(rig.client))
    yield made
    for reader in made.readers:
        reader.close()


@pytest.fixture
async def phone(rig: IdentityRig) -> BoundPhone:
    phone = BoundPhone(await rig.resident(1), rig.clock)
    await phone.enrol()
    return phone


def read(reader: FolderReader, rig: IdentityRig, text: str) -> dict[str, object]:
    return dict(json.loads(reader.answer(Question(text=text), rig.clock.now())))


async def hand_in(terminal: TerminalCaller, body: dict[str, object]) -> dict[str, int]:
    path = "/v1/terminal/shown-codes"
    answer = await terminal.send("POST", path, body, key=secrets.token_hex(8))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_one_screenshot_at_two_cut_off_readers_is_found_when_both_are_back(
    rig: IdentityRig, folders: Folders, phone: BoundPhone
) -> None:
    one, other = folders.reader("one"), folders.reader("other")
    text = phone.show()
    assert read(one, rig, text)["valid"]
    assert read(one, rig, text)["error"] == "ALREADY_SHOWN"
    rig.clock.advance(timedelta(seconds=20))
    assert read(other, rig, text)["valid"], "nothing tells a cut-off reader of another's showing"

    found = []
    for reader, terminal in ((one, rig.kiosk), (other, rig.desk)):
        body = msgspec.to_builtins(reader.next_hand_in())
        said = await hand_in(terminal, body)
        again = await hand_in(terminal, body)
        assert (said["taken"], again["taken"]) == (1, 1), "a body sent twice is taken once"
        reader.confirm(str(body["log"]), int(body["first"]) + said["taken"], rig.clock.now())
        assert reader.next_hand_in() is None
        found.append(said["work_items"])
    assert found == [0, 1]
    (item,) = await casework.list_open(rig.ctx, 5)
    assert item.reason == "code-shown-twice"
    rig.clock.advance(timedelta(seconds=30))
    assert (await rig.scan(phone.show())).status_code == 200, "the phone goes on: no block"


@pytest.fixture
def front(folders: Folders, rig: IdentityRig) -> Iterator[httpx.Client]:
    with front_client(folders.reader("front"), rig.clock) as http:
        yield http


async def test_a_running_front_machine_says_what_it_owes(
    rig: IdentityRig, front: httpx.Client, phone: BoundPhone
) -> None:
    def ask(path: str, body: object = None) -> httpx.Response:
        return front.get(path) if body is None else front.post(path, json=body)

    assert ask("/v1/shown-codes").status_code == 204
    for seq in range(3):
        assert ask("/v1/verify", {"text": phone.show(seq=seq)}).json()["valid"]
    body = ask("/v1/shown-codes").json()
    said = await hand_in(rig.kiosk, body)
    assert (body["first"], said["taken"]) == (0, 3)
    path = "/v1/shown-codes/confirmation"
    for wrong in ({"log": "0" * 32, "taken": 3}, {"log": body["log"], "taken": 4}, {}, []):
        refused = ask(path, wrong)
        assert (refused.status_code, refused.json()["code"]) == (400, "malformed-request")
    assert ask(path, {"log": body["log"], "taken": 3}).json()["handed_in"] == 3
    assert ask("/v1/shown-codes").status_code == 204


async def test_a_folder_hands_in_from_the_command_line(
    rig: IdentityRig, folders: Folders, phone: BoundPhone, tmp_path: Path
) -> None:
    reader = folders.reader("counter")
    state = tmp_path / "counter" / "state"
    for seq in range(2):
        assert read(reader, rig, phone.show(seq=seq))["valid"]
    with pytest.raises(ValueError, match="another reader is using this folder"):
        bodies(state)
    reader.close()
    folders.readers.clear()
    (body,) = bodies(state)
    said = await hand_in(rig.kiosk, json.loads(body))
    assert confirm(state, said["taken"]) == "2 of 2 entries are handed in"
    assert bodies(state) == []
    with pytest.raises(ValueError, match="does not have"):
        confirm(state, 3)
    with pytest.raises(ValueError, match="no such folder"):
        bodies(tmp_path / "nowhere")
