"""The phone's module in JavaScript against this package: vectors, and codes in both directions."""

import json
import os
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from crypto.healthcode.holder import Holder
from crypto.healthcode.issue import CredentialRequest, Issuer, issue_credential
from crypto.healthcode.layout import Kind, enrol_message
from crypto.healthcode.trust import open_trust_list
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.sm2 import PrivateKey, PublicKey
from tests.unit.crypto.health_code_holder_vectors import credential
from tests.unit.crypto.health_code_parts import (
    BOUND,
    HOLDER,
    INDEX,
    INDEX_ROOT,
    ISSUER,
    NOW,
    ROOT,
    s,
    trust_list,
    z,
)

CLIENT = Path(__file__).resolve().parents[2] / "clients" / "holder"
Answer = Any


@pytest.fixture(scope="module")
def node() -> str:
    """Node, with the module's packages installed."""
    found = shutil.which("node")
    if found and (CLIENT / "node_modules").is_dir():
        return found
    if os.environ.get("YIMATONG_REQUIRE_CLIENTS"):
        pytest.fail("the phone's module is not built: make clients")
    pytest.skip("PHONES' MODULE NOT TESTED: run `make clients` (Node 18 or newer, npm)")


def run(node: str, *arguments: str, given: object = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [node, *arguments],
        cwd=CLIENT,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def ask(node: str, question: str, **given: object) -> Answer:
    """One answer of the JavaScript side."""
    answer = run(node, "test/peer.js", given={"ask": question, **given})
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def verifier() -> CodeVerifier:
    listed = bytes.fromhex(trust_list(NOW - timedelta(hours=3), NOW + timedelta(days=3)))
    return CodeVerifier(open_trust_list(listed, [ROOT.public]))


def test_its_own_tests_over_the_published_vectors_pass(node: str) -> None:
    files = [f"test/{path.name}" for path in sorted((CLIENT / "test").glob("*.test.js"))]
    assert len(files) >= 4
    answer = run(node, "--test", *files)
    assert answer.returncode == 0, answer.stdout[-3000:]


def test_a_phone_enrolled_in_javascript_is_issued_here_and_its_codes_hold(node: str) -> None:
    challenge, account = bytes(range(32)), bytes(range(16))
    made = ask(
        node, "enrol", challenge=challenge.hex(), account=account.hex(), entropy=bytes(32).hex()
    )
    holder_key = PublicKey.from_bytes(bytes.fromhex(made["holder_key"]), allow_compressed=True)
    message = enrol_message(challenge, account, holder_key.compressed())
    assert holder_key.verify(message, bytes.fromhex(made["proof"]))
    issuer = Issuer(kind=Kind.BOUND, key_id=BOUND, signer=ISSUER, index_root=INDEX_ROOT)
    request = CredentialRequest(index=INDEX, code_class=1, holder_key=holder_key)
    issued = issue_credential(issuer, request, NOW)
    moments = [0, 1, 31, 3600]
    at = [z(s(seconds)) for seconds in moments]
    shown = ask(node, "show", key=made["key"], credential=issued.hex(), at=at, purpose="identify")
    reader = verifier()
    for seconds, code in zip(moments, shown, strict=True):
        verdict = reader.verify(code["text"], Reader(), s(seconds))
        assert verdict.refusal is None
        assert code["modules"] == 57


def test_the_symbol_drawn_on_the_phone_is_read(node: str) -> None:
    key, at = HOLDER.to_bytes().hex(), [z(s(seconds)) for seconds in (0, 1, 2)]
    for code in ask(node, "show", key=key, credential=credential().hex(), at=at, purpose="pay"):
        width = code["modules"] + 8
        pixels = np.full((width, width), 255, np.uint8)
        runs = re.findall(r"M(\d+) (\d+)h(\d+)v1H\1z", code["svg"])
        for x, y, size in (map(int, run) for run in runs):
            pixels[y, x : x + size] = 0
        picture = Image.fromarray(pixels).resize((width * 4, width * 4), Image.Resampling.NEAREST)
        [found] = zxingcpp.read_barcodes(picture)
        assert found.text == code["text"]
        assert code["svg"].count("M") == len(runs) > 500


def test_codes_of_the_reference_holder_hold_in_javascript(node: str) -> None:
    holder = Holder(HOLDER, credential())
    texts = [holder.show(s(seconds)).issued.text for seconds in (0, 1, 31)]
    issuer_key = ISSUER.public.compressed().hex()
    assert ask(node, "judge", texts=texts, issuer_key=issuer_key) == [True] * 3
    stranger = PrivateKey.generate().public.compressed().hex()
    assert ask(node, "judge", texts=texts, issuer_key=stranger) == [False] * 3


def test_the_lock_pins_every_package_and_names_no_registry() -> None:
    lock = json.loads((CLIENT / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if "integrity" not in entry] == []
