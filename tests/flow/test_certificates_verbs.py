"""``yimatong certificates``: the verbs an operator types, from request to revocation."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from crypto.certificates import (
    Anchors,
    CertificateRefused,
    check_path,
    make_name,
    make_request,
    read_chain,
    read_crls,
)
from crypto.sm2 import PrivateKey
from service.cli import main as yimatong
from service.commands.certificates import main
from service.installation import prepare_keys
from service.institution import actions as institution
from service.institution.model import Institution, MovedAmounts, NewInstitution
from service.kernel.clock import SystemClock
from service.kernel.context import Context
from service.settings import Settings, read_settings
from service.wiring import open_context
from tests.unit.crypto.certificate_parts import (
    DAY,
    HOSPITAL,
    NOW,
    ROOT,
    a_crl,
    authority,
    caller,
)
from tests.unit.crypto.certificate_parts import certify as certified

CODE = "H99000100001"


@pytest.fixture
async def settings(fresh_database: str, tmp_path: Path) -> AsyncIterator[Settings]:
    """An installation without hospitals. The command sets up logs; they are put back."""
    roots = tmp_path / "roots"
    roots.mkdir()
    (tmp_path / "partners.json").write_text("{}")
    made = read_settings(
        {
            "YIMATONG_STATE_DIR": str(tmp_path),
            "YIMATONG_DATABASE_URL": fresh_database,
            "YIMATONG_CERTIFICATE_ROOTS": str(roots),
        }
    )
    prepare_keys(made)
    yield made
    structlog.reset_defaults()


class Operator:
    """Types verbs and reads what they say."""

    def __init__(self, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        self.settings = settings
        self.capsys = capsys
        self.err = ""

    async def type(self, line: str, *, status: int = 0) -> str:
        self.capsys.readouterr()
        assert await asyncio.to_thread(main, line.split(), self.settings) == status
        said = self.capsys.readouterr()
        self.err = said.err
        return said.err if status == 2 else said.out


async def enrolled(ctx: Context) -> Institution:
    return await institution.enrol_institution(
        ctx,
        NewInstitution(
            code=CODE,
            name="测试医院",
            insurance_region="990001",
            level=3,
            moved_amounts=MovedAmounts.ADJUST,
        ),
    )


async def test_from_request_to_revocation(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = Operator(settings, capsys)
    async with open_context(settings, "test") as ctx:
        hospital = await enrolled(ctx)
        kiosk, _ = await institution.enrol_terminal(
            ctx, hospital.institution_id, name="测试机", public_place=True
        )
        kiosk_id = ctx.public_ids.text(hospital.institution_id, kiosk.terminal_id)
    request = tmp_path / "a.csr"
    request.write_text(make_request(make_name("any"), PrivateKey.generate()))
    assert "proof      holds" in await operator.type(f"show {request}")
    enrol = f"issue --institution {CODE} --name HIS --scopes bill,settlement --csr {request}"
    said = await operator.type(enrol)
    application_id = said.splitlines()[0].removeprefix("application ")
    leaf, root = read_chain(said)
    assert "certificate-key-taken" in await operator.type(enrol, status=2)
    request.write_text(make_request(make_name("any"), PrivateKey.generate()))
    renewed = tmp_path / "renewed.pem"
    said = await operator.type(
        f"renew --application {application_id} --csr {request} --output {renewed}"
    )
    named = ", ".join(renewed.read_text().splitlines()[:3])
    assert said == f"written to {renewed}: {named}\n"
    assert named.startswith(f"application {application_id}, certificate ")
    listed = (await operator.type(f"list --application {application_id}")).splitlines()
    assert [line.split("\t")[3] for line in listed] == ["ACTIVE", "ACTIVE"]
    assert len((await operator.type("list --within 366")).splitlines()) == 2
    assert await operator.type("list --within 10") == ""
    assert "no certificate ends within 10 days" in operator.err
    certificate_id = renewed.read_text().splitlines()[1].removeprefix("certificate ")
    await operator.type(f"revoke --certificate {certificate_id} --reason superseded")
    roots = read_chain(await operator.type("roots"))
    assert roots == [root]
    anchors = Anchors(roots=roots, crls=read_crls((await operator.type("crl")).encode()))
    now = SystemClock().now() + timedelta(seconds=1)
    assert check_path(leaf, [], anchors, now)
    with pytest.raises(CertificateRefused, match="superseded"):
        check_path(read_chain(renewed.read_text())[0], [], anchors, now)
    said = await operator.type(f"revoke --application {application_id} --reason keyCompromise")
    assert said == "revoked 1 certificate\n"
    said = await operator.type(f"revoke --application {application_id} --reason keyCompromise")
    assert said == "there was nothing left to revoke\n"
    request.write_text(make_request(make_name("any"), PrivateKey.generate()))
    said = await operator.type(f"issue --terminal {kiosk_id} --csr {request}")
    assert said.startswith(f"terminal {kiosk_id}\n")
    for wrong in (
        f"renew --application nobody --csr {request}",
        f"issue --institution H99000100009 --name HIS --scopes bill --csr {request}",
        f"issue --institution {CODE} --csr {request}",
        f"issue --institution {CODE} --name HIS --scopes bill --csr {tmp_path / 'none'}",
        f"issue --institution {CODE} --name HIS --scopes bill --chain {request}",
        "crl --authority 9",
    ):
        assert (await operator.type(wrong, status=2)).startswith("yimatong certificates: ")
    await tells_of_a_changed_row(operator)


async def tells_of_a_changed_row(operator: Operator) -> None:
    """In one line, with nothing listed."""
    async with open_context(operator.settings, "test") as ctx, ctx.pool.acquire() as conn:
        await conn.execute("update certificate set not_after = not_after - interval '1 day'")
    said = await operator.type("list --within 366", status=2)
    assert "a row of the table certificate was changed" in said


async def test_files_are_shown_and_judged_offline(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = Operator(settings, capsys)
    root = certified(ROOT, ROOT, authority())
    leaf = certified(HOSPITAL, ROOT, caller())
    crl = a_crl(root, ROOT.key, 7)
    folder = tmp_path / "roots"
    (folder / "root.pem").write_text(root.pem())
    (folder / "root.crl").write_bytes(crl.encoded)
    file = tmp_path / "shown"
    file.write_text(leaf.pem())
    at = NOW.isoformat()
    said = await operator.type(f"show {file} --at {at}")
    assert "O=Test Hospital" in said
    assert "(in its time)" in said
    assert "our row    none\n" in said
    assert "path: accepted, 2 certificates, not revoked as of 2026-03-02T01:00:00" in said
    late = (NOW + 40 * DAY).isoformat()
    said = await operator.type(f"show {file} --at {late}", status=1)
    assert "(expired)" in said
    assert "path: refused, EXPIRED" in said
    file.write_bytes(crl.encoded)
    assert "revoked    1" in await operator.type(f"show {file} --at {at}")
    assert "too old" in await operator.type(f"show {file} --at {late}")
    file.write_bytes(leaf.encoded)
    assert f"serial     {leaf.serial:x}" in await operator.type(f"show {file} --at {at}")
    file.write_bytes(leaf.encoded[:-1])
    assert "MALFORMED" in await operator.type(f"show {file}", status=2)
    file.write_text("nothing")
    assert "no certificate" in await operator.type(f"show {file}", status=2)


def test_the_command_hands_its_words_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        assert yimatong(["certificates", "show", str(tmp_path / "none"), "--at", "2026-01-01"]) == 2
        assert "yimatong certificates: " in capsys.readouterr().err
        for help_line, word in ((["--help"], "issue, renew"), (["revoke", "--help"], "--reason")):
            with pytest.raises(SystemExit) as ended:
                yimatong(["certificates", *help_line])
            assert ended.value.code == 0
            assert word in capsys.readouterr().out
    finally:
        structlog.reset_defaults()
