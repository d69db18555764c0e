"""The root under dual control, and the backup of a ring: what opens them and what never does."""

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from crypto.errors import BadCiphertext, BadEncoding, BadKey, CryptoError
from crypto.healthcode.rootfile import fingerprint, make_root, read_root
from crypto.keybackup import open_backup, seal_backup
from crypto.keyring import KeyRing
from crypto.passphrase import LENGTH_MIN, key_from_passphrase
from crypto.sm2 import PrivateKey

CHEAP = 14
WORDS = {
    "Wu": "correct horse battery one",
    "Li": "correct horse battery two",
    "Chen": "correct horse battery three",
}
TEXT = make_root(WORDS, log2_n=CHEAP)
RING = KeyRing.generate(datetime(2026, 11, 22, tzinfo=UTC), life=timedelta(days=9), province=99)
Change = Callable[[dict[str, object]], object]


@pytest.mark.parametrize("pair", list(itertools.permutations(WORDS, 2)))
def test_any_two_custodians_open_the_root(pair: tuple[str, str]) -> None:
    root = read_root(TEXT)
    key = root.open({name: WORDS[name] for name in pair})
    assert key.public.compressed() == root.public.compressed()
    assert root.public.verify(b"m", key.sign(b"m"))


@pytest.mark.parametrize("names", [[], ["Wu"], list(WORDS)])
def test_one_custodian_or_three_do_not_open_it(names: list[str]) -> None:
    with pytest.raises(BadKey):
        read_root(TEXT).open({name: WORDS[name] for name in names})


@pytest.mark.parametrize(
    "given",
    [
        {"Wu": WORDS["Wu"], "Li": WORDS["Wu"]},
        {"Wu": WORDS["Li"], "Li": WORDS["Wu"]},
        {"Wu": WORDS["Wu"], "Li": WORDS["Chen"]},
        {"Wu": WORDS["Wu"], "Li": WORDS["Li"] + "!"},
    ],
)
def test_a_wrong_passphrase_opens_nothing(given: dict[str, str]) -> None:
    with pytest.raises(BadCiphertext):
        read_root(TEXT).open(given)


def test_a_stranger_is_no_custodian() -> None:
    with pytest.raises(BadKey):
        read_root(TEXT).open({"Wu": WORDS["Wu"], "Mallory": WORDS["Li"]})


def test_nothing_of_the_key_or_the_passphrases_stands_in_the_file() -> None:
    key = read_root(TEXT).open({name: WORDS[name] for name in ("Wu", "Li")})
    for secret in (key.to_bytes().hex(), *WORDS.values()):
        assert secret not in TEXT


def test_the_same_root_can_have_other_custodians() -> None:
    key = read_root(TEXT).open({name: WORDS[name] for name in ("Wu", "Li")})
    others = {"Zhao": "another long passphrase", "Li": WORDS["Li"], "Sun": "a third long one, yes"}
    moved = read_root(make_root(others, root=key, log2_n=CHEAP))
    assert moved.public.compressed() == key.public.compressed()
    opened = moved.open({"Zhao": others["Zhao"], "Sun": others["Sun"]})
    assert opened.to_bytes() == key.to_bytes()


@pytest.mark.parametrize(
    "words",
    [
        dict(list(WORDS.items())[:2]),
        WORDS | {"Chen": WORDS["Li"]},
        WORDS | {"Chen": WORDS["Li"] + "\n"},
        WORDS | {"Chen": "short"},
        WORDS | {" ": "a passphrase of somebody"},
        {str(n): f"the passphrase of number {n}" for n in range(10)},
    ],
)
def test_custodians_that_cannot_be_are_refused(words: dict[str, str]) -> None:
    with pytest.raises(BadKey):
        make_root(words, log2_n=CHEAP)


def test_every_changed_field_is_refused() -> None:
    def with_change(change: Change) -> str:
        content = json.loads(TEXT)
        change(content)
        return json.dumps(content)

    other = PrivateKey.generate().public.compressed().hex()
    changes: list[Change] = [
        lambda c: c.update(form="yimatong-root/2"),
        lambda c: c.update(public=other),
        lambda c: c.update(log2_n=13),
        lambda c: c.update(log2_n=True),
        lambda c: c.update(log2_n=40),
        lambda c: c.update(custodians=[]),
        lambda c: c["custodians"][0].update(name="Mallory"),
        lambda c: c["custodians"][0].update(salt="00" * 16),
        lambda c: c.update(pairs=[]),
        lambda c: c["pairs"][0].update(custodians=[0, 2]),
        lambda c: c["pairs"][0].update(custodians=[1, 0]),
        lambda c: c["pairs"][0].update(nonce="00" * 12),
        lambda c: c["pairs"][0].update(sealed="00" * 48),
        lambda c: c.update(more=1),
        lambda c: c.pop("pairs"),
    ]
    for change in changes:
        with pytest.raises(CryptoError):
            read_root(with_change(change)).open({name: WORDS[name] for name in ("Wu", "Li")})
    for text in ("", "[]", "null", "x" * (1 << 17), "{" * 5000):
        with pytest.raises(BadEncoding):
            read_root(text)


def test_passphrases_are_normalised_and_bounded() -> None:
    salt = bytes(16)
    composed, decomposed = "é" * LENGTH_MIN, "e\u0301" * LENGTH_MIN
    first = key_from_passphrase(composed, salt, CHEAP)
    assert first == key_from_passphrase(decomposed + "\r\n", salt, CHEAP)
    assert first != key_from_passphrase(composed, b"1" * 16, CHEAP)
    for wrong in ("x" * (LENGTH_MIN - 1), "x" * 2000, "x\0" * LENGTH_MIN):
        with pytest.raises(BadKey):
            key_from_passphrase(wrong, salt, CHEAP)
    for salt, cost in ((b"", CHEAP), (bytes(16), 13), (bytes(16), 30)):
        with pytest.raises(BadKey):
            key_from_passphrase(composed, salt, cost)


def test_scrypt_is_that_of_rfc_7914() -> None:
    """Appendix B of RFC 7914 has no passphrase of our length, so the reference is hashlib's."""
    import hashlib  # noqa: PLC0415

    expected = hashlib.scrypt(b"p" * 20, salt=b"s" * 16, n=1 << CHEAP, r=8, p=1, dklen=32)
    assert key_from_passphrase("p" * 20, b"s" * 16, CHEAP) == expected


def test_a_backup_opens_with_its_passphrase_alone() -> None:
    blob = seal_backup(RING, WORDS["Wu"], log2_n=CHEAP)
    assert open_backup(blob, WORDS["Wu"]).keys == RING.keys
    with pytest.raises(BadCiphertext):
        open_backup(blob, WORDS["Li"])
    with pytest.raises(BadKey):
        seal_backup(RING, "short", log2_n=CHEAP)
    assert all(key.material not in blob for key in RING.keys)


def test_every_changed_byte_of_a_backups_head_is_refused() -> None:
    blob = seal_backup(KeyRing([]), WORDS["Wu"], log2_n=CHEAP)
    for at in (*range(23), len(blob) // 2, len(blob) - 1):
        changed = blob[:at] + bytes((blob[at] ^ 1,)) + blob[at + 1 :]
        with pytest.raises(BadCiphertext):
            open_backup(changed, WORDS["Wu"])
    for cut in (0, 5, 22, len(blob) - 1):
        with pytest.raises(BadCiphertext):
            open_backup(blob[:cut], WORDS["Wu"])


def test_fingerprints_differ_and_can_be_read_aloud() -> None:
    one = fingerprint([b"a", b"b"])
    assert one == fingerprint([b"a", b"b"])
    assert one != fingerprint([b"ab", b""])
    assert len(one.split()) == 6
