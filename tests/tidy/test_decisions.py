"""Every decision record stands in the list of them, once, by its own title."""

import re
from pathlib import Path

from tests.tidy.tree import ROOT

FOLDER = ROOT / "docs" / "decisions"
LISTED = re.compile(r"^\| \[(\d{4})\]\((\d{4}-[a-z0-9-]+\.md)\) \| (.+) \|$", re.MULTILINE)


def title_of(path: Path) -> str:
    """What stands behind the number in its first line."""
    return path.read_text("utf-8").partition("\n")[0].removeprefix(f"# {path.name[:4]} ")


def test_the_list_names_every_decision_by_its_title() -> None:
    listed = LISTED.findall((FOLDER / "README.md").read_text("utf-8"))
    records = sorted(FOLDER.glob("0*.md"))
    assert [name for _, name, _ in listed] == [path.name for path in records]
    assert [(number, title) for number, _, title in listed] == [
        (path.name[:4], title_of(path)) for path in records
    ]
