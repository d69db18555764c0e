"""One machine of those who answer for the keys: its state folder and its command line."""

from pathlib import Path

import pytest

from crypto.healthcode.rootfile import make_root, read_root
from crypto.passphrase import LOG2_N_MIN
from service.cli import main
from service.kernel.live_ring import KeystoreFile

WORDS = {name: f"a long passphrase of {name}" for name in ("Wu", "Li", "Chen")}


class Place:
    """One machine: a state folder, and what the command said there."""

    def __init__(
        self, folder: Path, env: pytest.MonkeyPatch, said: pytest.CaptureFixture[str]
    ) -> None:
        self.folder, self.env, self._said = folder, env, said
        self.state = folder / "state"
        for name, text in WORDS.items():
            (folder / name).write_text(text + "\n")
        self.words = [f"--passphrase-file={name}={folder / name}" for name in WORDS]

    def run(self, *arguments: str) -> tuple[int, str]:
        """``yimatong keys …``: its status and all that it said."""
        self.env.setenv("YIMATONG_STATE_DIR", str(self.state))
        status = self.status(*arguments)
        said = self._said.readouterr()
        return status, said.out + said.err

    def status(self, *arguments: str) -> int:
        """The status alone, in the state folder named last."""
        return main(["keys", *arguments])

    def do(self, *arguments: str) -> str:
        """What must succeed."""
        status, said = self.run(*arguments)
        assert status == 0, said
        return said

    def refused(self, *arguments: str) -> str:
        """What must be refused."""
        status, said = self.run(*arguments)
        assert status == 2, said
        return said

    @property
    def served(self) -> Path:
        """The trust list in force."""
        return self.state / "keys" / "trust-list.json"

    @property
    def pins(self) -> Path:
        """The pinned roots."""
        return self.state / "keys" / "trust-roots"

    @property
    def keystore(self) -> KeystoreFile:
        """The keystore of the present state folder."""
        return KeystoreFile(self.state / "keys" / "keystore", self.state / "keys" / "master")

    def path(self, name: str) -> str:
        """A file that is carried between machines."""
        return str(self.folder / name)


def a_root(place: Place, name: str) -> str:
    """A new root file, of the least work that is read; gives its public half."""
    text = make_root(WORDS, log2_n=LOG2_N_MIN)
    Path(place.path(name)).write_text(text)
    return read_root(text).public.compressed().hex()


def signed(place: Place, root: str, output: str, *more: str) -> str:
    """Export, and sign by that root into ``output``."""
    public = place.path(output + ".public")
    shown = place.do("export-public", public).splitlines()[1].removeprefix("fingerprint ")
    return place.do(
        *("root", "sign-trust-list", "--root", place.path(root), "--ring-public", public),
        *("--output", place.path(output), "--next", "90", "--fingerprint", shown),
        *("--by", "Li", "Chen", "--yes", *place.words, *more),
    )
