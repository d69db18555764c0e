"""What may not stand in any file: people, this or that machine, registries, foreign words.

``tests/vectors`` holds the published examples of others and is read by the other rules only.
"""

import hashlib
import re
from pathlib import Path

import pytest

from tests.tidy.tree import ROOT, shown, text_files

ID_NUMBER = re.compile(
    r"(?<![0-9A-Za-z])([1-9]\d{5})((?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3})"
    r"([0-9Xx])(?![0-9A-Za-z])"
)
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
UNASSIGNED = "99"
"""No province and no city has this number."""

MACHINE = re.compile(
    r"(?<![\w.}])/(?:work|Users)/[\w.-]+|(?<![\w.}])/(?:home|root)/[\w.-]+/[\w.-]+|[A-Z]:\\Users\\"
)
# One letter of each in brackets, so that the rule does not match itself.
REGISTRY = re.compile(
    r"pythonhoste[d]|pypi[.](?:org|python)|registry[.]npmjs|(?<!emit-)(?:extra-)?index-ur[l]"
    r"|find-link[s]|[/]simple/|goprox[y]|mirrors?[.][a-z]+[.](?:cn|com|edu)",
    re.IGNORECASE,
)
# Words of the tools people write with have no place in the product. By digest, so that the
# list itself does not hold them.
FOREIGN_WORDS = {
    "c857d09db23e6822",
    "c70eca6b0f88f44d",
    "60965168ce762e94",
    "7d3194f79e645c42",
    "3ea125d0bff386e6",
    "94a168d2da574b00",
    "57de4cf40144bdf7",
    "487b91042c7cf27a",
    "de2187af3fb01170",
    "5d72436256ada538",
    "386ebc0efd04339a",
}
LOCK_LINE = re.compile(
    r"[a-z0-9][a-z0-9._-]*==[A-Za-z0-9.!]+(?: ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}(?: \\)?"
)


def real_looking_people(text: str) -> list[str]:
    """Valid ID numbers of assigned regions; invented people live in region 99."""
    findings = []
    for match in ID_NUMBER.finditer(text):
        digits = match[1] + match[2]
        check = "10X98765432"[sum(int(d) * w for d, w in zip(digits, WEIGHTS, strict=True)) % 11]
        if match[3].upper() == check and UNASSIGNED not in (digits[:2], digits[2:4]):
            findings.append(f"ID number of region {match[1]}: use 990001 or 9900xx")
    return findings


def addresses(text: str) -> list[str]:
    """Folders of one machine, and addresses of package registries."""
    return [match[0] for rule in (MACHINE, REGISTRY) for match in rule.finditer(text)]


def foreign_words(text: str) -> list[str]:
    """Words whose digest is on the list."""
    words = set(re.findall(r"[a-z]{3,12}", text.lower()))
    return [
        w for w in sorted(words) if hashlib.sha256(w.encode()).hexdigest()[:16] in FOREIGN_WORDS
    ]


def not_lock_lines(text: str) -> list[str]:
    """Lines of a lock that are neither a pinned name nor a hash: addresses, options, paths."""
    return [
        line
        for line in text.splitlines()
        if not LOCK_LINE.fullmatch(line) and not line.lstrip().startswith("#")
    ]


def test_files_of_the_project() -> None:
    findings = []
    for path in text_files():
        name = shown(path)
        if name.startswith("tests/vectors/"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found = real_looking_people(text) + foreign_words(text) + addresses(text)
        findings += [f"{name}: {finding}" for finding in found]
    assert findings == []


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.lock")), ids=shown)
def test_locks_hold_names_and_hashes_only(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert text.count("--hash=sha256:") >= text.count("==") - text.count(" ; ") > 0
    assert not_lock_lines(text) == []


def test_people_are_caught() -> None:
    # The standard's own printed example, put together so that it does not stand here.
    example = "110105" + "19491231" + "002X"
    assert real_looking_people(f"id_no = '{example}'")
    assert not real_looking_people(f"id_no = '{example[:-1]}1'")
    assert not real_looking_people("id_no = '990001194912310020'")


# Bad samples are put together here, so that they do not stand in the file.
@pytest.mark.parametrize(
    "parts",
    [
        ("/home", "/somebody/project"),
        ("see /Users", "/someone"),
        ("C:", "\\Users\\x"),
        ("--extra-index", "-url x"),
        ("py", "pi.org"),
        ("packages", "/simple", "/name"),
    ],
)
def test_machine_paths_and_registries_are_caught(parts: tuple[str, ...]) -> None:
    assert addresses("".join(parts))


@pytest.mark.parametrize(
    "line",
    ["--option x", "a @ file:///x", "-e .", "a==1 --option x", "a>=1 \\"],
)
def test_foreign_lock_lines_are_caught(line: str) -> None:
    assert not_lock_lines(line)


def test_foreign_words_are_caught() -> None:
    word = bytes.fromhex("636f70696c6f74").decode()
    assert foreign_words(f"made with {word}")
    assert not foreign_words("a session of the openapi tool")
