"""What the tests of the keys share."""

from pathlib import Path

import pytest

from tests.unit.keys.place_rig import Place


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Place:
    """A fresh machine."""
    return Place(tmp_path, monkeypatch, capsys)
