"""A hospital registers whoever stands before it, says later who he is, and reports a death."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from service.institution import actions as institution
from service.person import actions as person
from tests.support.audited import entries_of
from tests.support.callers import ApplicationCaller
from tests.support.fakes_identity import citizen_number
from tests.support.identity_rig import BORN, IdentityRig, an_identity_rig

PATIENTS = "/v1/institution/patients"
UNKNOWN = {"source": "emergency", "name": "", "sex": "M", "local_id": "E-1"}


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        opened.his = await opened.application(opened.hospital, "patient")
        yield opened


async def _post(his: ApplicationCaller, path: str, body: Any) -> httpx.Response:
    return await his.send("POST", path, body, key=secrets.token_hex(8))


async def _registered(rig: IdentityRig, body: Any) -> str:
    answer = await _post(rig.his, PATIENTS, body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["patient_id"])


async def _again(rig: IdentityRig, patient_id: str, learnt: str, patient: Any) -> httpx.Response:
    body = {"learnt": learnt, "because": "papers seen", "patient": patient}
    return await _post(rig.his, f"{PATIENTS}/{patient_id}/registrations", body)


async def _record_of(rig: IdentityRig, patient_id: str) -> int:
    return await institution.find_patient(rig.ctx, rig.hospital.institution_id, patient_id)


async def _person_of(rig: IdentityRig, patient_id: str) -> int:
    record_id = await _record_of(rig, patient_id)
    return (await person.read(rig.ctx, record_id)).person_id


def _known(serial: int, name: str) -> dict[str, str]:
    return {"source": "window", "name": name, "id_no": citizen_number(BORN, serial)}


async def test_an_unknown_patient_is_a_resident_once_he_is_identified(rig: IdentityRig) -> None:
    phone = await rig.resident(301, "测试甲")
    unknown = await _registered(rig, UNKNOWN)
    answer = await _again(rig, unknown, "identified", _known(301, "测试甲"))
    assert answer.status_code == 201, answer.text
    known = answer.json()["patient_id"]
    scanned = (await rig.scan(await phone.code())).json()["patient_id"]
    assert len({unknown, known, scanned}) == 3
    persons = {await _person_of(rig, one) for one in (unknown, known, scanned)}
    assert len(persons) == 1


async def test_twins_get_their_names_and_numbers(rig: IdentityRig) -> None:
    born = {"source": "window", "birth_date": "2026-06-01", "guardian_name": "测试丙"}
    twins = [
        await _registered(rig, born | {"name": name}) for name in ("测试丙之大双", "测试丙之小双")
    ]
    for serial, patient_id, name in ((303, twins[0], "测试丁"), (305, twins[1], "测试戊")):
        answer = await _again(rig, patient_id, "named", _known(serial, name))
        assert answer.status_code == 201, answer.text
        named = answer.json()["patient_id"]
        assert await _person_of(rig, named) == await _person_of(rig, patient_id)
    one, other = [await _person_of(rig, patient_id) for patient_id in twins]
    assert one != other


async def test_no_code_of_the_dead_is_taken(rig: IdentityRig) -> None:
    phone = await rig.resident(307, "测试己")
    patient_id = await _registered(rig, _known(307, "测试己"))
    code = await phone.code()
    path = f"{PATIENTS}/{patient_id}/death"
    answer = await _post(rig.his, path, {"because": "certificate seen"})
    assert (answer.status_code, answer.json()) == (200, {"patient_id": patient_id})
    assert (await rig.scan(code)).status_code >= 400
    repeated = await _post(rig.his, path, {"because": "certificate seen"})
    assert (repeated.status_code, repeated.json()["code"]) == (409, "state-conflict")
    record_id = await _record_of(rig, patient_id)
    (entry,) = await entries_of(rig.ctx, record_id, "person.died")
    assert entry["because"] == "certificate seen"
    assert str(entry["by"]).startswith("application:")


async def test_a_hospital_says_it_of_whom_it_registered_only(rig: IdentityRig) -> None:
    phone = await rig.resident(309, "测试庚")
    scanned = (await rig.scan(await phone.code())).json()["patient_id"]
    answer = await _again(rig, scanned, "name-changed", _known(309, "测试辛"))
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    mine = await _registered(rig, UNKNOWN | {"local_id": "E-2"})
    elsewhere = await rig.application(await rig.enrol("H99000900009"), "patient")
    for path in (f"{PATIENTS}/{mine}/registrations", f"{PATIENTS}/{mine}/death"):
        body: dict[str, Any] = {"because": "papers seen"}
        if path.endswith("registrations"):
            body |= {"learnt": "identified", "patient": _known(311, "测试壬")}
        assert (await _post(elsewhere, path, body)).status_code == 404


async def test_it_needs_the_scope(rig: IdentityRig) -> None:
    mine = await _registered(rig, UNKNOWN | {"local_id": "E-3"})
    scanner = await rig.application(rig.hospital, "scan", "bill")
    learnt = {"learnt": "identified", "because": "papers seen", "patient": _known(313, "测试癸")}
    for path, body in (
        (PATIENTS, UNKNOWN),
        (f"{PATIENTS}/{mine}/registrations", learnt),
        (f"{PATIENTS}/{mine}/death", {"because": "certificate seen"}),
    ):
        answer = await _post(scanner, path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")


async def test_a_repeat_registers_nobody_twice(rig: IdentityRig) -> None:
    key = secrets.token_hex(8)
    sent = [await rig.his.send("POST", PATIENTS, _known(315, "测试子"), key=key) for _ in range(2)]
    assert sent[0].json() == sent[1].json()
    record_id = await _record_of(rig, sent[0].json()["patient_id"])
    assert await person.list_records(rig.ctx, record_id) == [record_id]
