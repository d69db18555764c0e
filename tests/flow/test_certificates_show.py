"""``yimatong certificates show``: revoked is said as revoked, what was not asked as not asked."""

from pathlib import Path

import pytest
import structlog

from crypto.certificates import make_name, make_request, read_chain
from crypto.sm2 import PrivateKey
from service.kernel.clock import SystemClock
from service.settings import Settings, read_settings
from service.wiring import open_context
from tests.flow.test_certificates_verbs import CODE, Operator, enrolled, settings
from tests.unit.crypto.certificate_parts import (
    DAY,
    HOSPITAL,
    MIDDLE,
    NOW,
    ROOT,
    Holder,
    a_crl,
    authority,
    caller,
)
from tests.unit.crypto.certificate_parts import certify as certified

__all__ = ["settings"]


def offline(folder: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    """On a machine with neither keys nor a database."""
    return Operator(read_settings({"YIMATONG_STATE_DIR": str(folder / "none")}), capsys)


async def test_a_revoked_certificate_is_shown_with_reason_and_date_and_a_forged_one_as_such(
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    operator, elsewhere = Operator(settings, capsys), offline(tmp_path, capsys)
    async with open_context(settings, "test") as ctx:
        await enrolled(ctx)
    request, ours = tmp_path / "a.csr", tmp_path / "ours.pem"
    request.write_text(make_request(make_name("any"), PrivateKey.generate()))
    enrol = f"issue --institution {CODE} --name HIS --scopes bill --csr {request} --output {ours}"
    await operator.type(enrol)
    said = await operator.type(f"show {ours}")
    assert "our row    ACTIVE\n" in said
    assert "path:" not in said
    early, late = tmp_path / "early.crl", tmp_path / "late.crl"
    early.write_text(await operator.type("crl"))
    assert "list       not revoked as of " in await elsewhere.type(f"show {ours} --crl {early}")
    certificate_id = ours.read_text().splitlines()[1].removeprefix("certificate ")
    await operator.type(f"revoke --certificate {certificate_id} --reason keyCompromise")
    revoked = f"REVOKED, keyCompromise, since {SystemClock().now().date().isoformat()}T"
    assert f"our row    {revoked}" in await operator.type(f"show {ours}", status=1)
    late.write_text(await operator.type("crl"))
    said = await elsewhere.type(f"show {ours} --crl {early} --crl {late}", status=1)
    assert "our row    not asked: no keystore opens here" in said
    assert f"list       {revoked}" in said
    assert "not asked: no keystore" in await elsewhere.type(f"show {ours}")
    leaf, root = read_chain(ours.read_text())
    forger, forged = Holder(root.subject), tmp_path / "forged.pem"
    forged.write_text(certified(HOSPITAL, forger, caller()).pem())
    assert "our row    none, though" in await operator.type(f"show {forged}", status=1)
    number = leaf.serial.to_bytes((leaf.serial.bit_length() + 7) // 8)
    forged.write_text(certified(HOSPITAL, forger, caller(serial=number)).pem())
    said = await operator.type(f"show {forged}", status=1)
    assert "our row    of another certificate with its number" in said


async def test_a_list_named_judges_outside_certificates_without_a_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = offline(tmp_path, capsys)
    root, leaf = certified(ROOT, ROOT, authority()), certified(HOSPITAL, ROOT, caller())
    forger = Holder(ROOT.name)
    file, crl = tmp_path / "shown.pem", tmp_path / "a.crl"
    file.write_text(leaf.pem() + root.pem())
    show, late = f"show {file} --crl {crl} --at", (NOW + 20 * DAY).isoformat()
    cases = [
        (a_crl(root, ROOT.key, 7), NOW.isoformat(), 0, "list       not revoked as of 2026-03-02"),
        (a_crl(root, ROOT.key, 7), late, 1, "but the list is too old"),
        (a_crl(root, ROOT.key, leaf.serial), late, 1, "REVOKED, unspecified, since 2026-03-02"),
        (a_crl(certified(forger, forger, authority()), forger.key), late, 1, "did not sign"),
        (a_crl(certified(MIDDLE, ROOT, authority()), MIDDLE.key), late, 1, "none is its issuer's"),
    ]
    try:
        for made, at, status, word in cases:
            crl.write_bytes(made.encoded)
            assert word in await elsewhere.type(f"{show} {at}", status=status)
        file.write_text(leaf.pem())
        assert "not at hand" in await elsewhere.type(f"{show} {late}", status=1)
    finally:
        structlog.reset_defaults()
