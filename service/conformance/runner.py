"""Finds out which form a file has, hands each case to its judge, prints, and gives a status.

Of a folder, every ``.json`` file in it. Exit statuses: 0 every case passes, 1 one fails, 3 none
fails but a section is not built yet or has no case, 2 a file is not one of the known forms.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.commands.console import complain, say
from service.conformance import (
    ciphers,
    code_lists,
    code_offers,
    health_code,
    identity,
    insurance,
    payments,
)
from service.conformance.verdict import (
    UNSUPPORTED,
    Case,
    CaseJudge,
    Judgement,
    MalformedFile,
    MemberMissing,
    Members,
    Verdict,
    expected_of,
)

FILE_MAX = 1 << 26
_Sections = Mapping[str, Sequence[Case]]
NOT_JUDGED = frozenset({"persons", "sandbox_policy", "uncertain_outcomes"})
"""Sections that hold material for others, or behaviour that only simulation shows."""

_HEALTH_CODE = {**health_code.JUDGES, **code_lists.JUDGES, **code_offers.JUDGES}
_IDENTITY = frozenset(
    {
        "citizen_id",
        "hmt_residence_permit",
        "foreign_permanent_resident",
        "other_documents",
        "uscc",
        "medical_institution_code",
        "birth_certificate",
        "phone",
        "name",
        "cross_field",
        "qr_text",
        "signature",
    }
)
_INSURANCE = frozenset(
    {
        "order_status",
        "persons",
        "amount_cases",
        "messages",
        "electronic_credential",
        "mobile_payment_plain",
        "crypto",
        "x_tif_headers",
        "fiscal_e_invoice",
        "refund_validation",
        "reconciliation_files",
        "uncertain_outcomes",
        "wechat_mixed_amounts",
        "sandbox_policy",
    }
)


@dataclass(frozen=True, slots=True)
class _Form:
    """A recognised file: which judges judge, what they share, which keys are not sections."""

    judges: Mapping[str, CaseJudge]
    shared: Mapping[str, Any]
    aside: frozenset[str]
    by_kind: bool = False


def _form_of(document: Mapping[str, Any]) -> _Form:
    """Recognise a document by what stands in it, so that a part of a file is judged as well."""
    names = set(document)
    if document.get("form") == health_code.FORM:
        aside = frozenset({"form", "note", "root", "trust_lists", "keys", "index_root"})
        return _Form(_HEALTH_CODE, document, aside)
    if isinstance(document.get("vectors"), list):
        shared = document.get("keys", {})
        return _Form(payments.JUDGES, shared, frozenset(names - {"vectors"}), by_kind=True)
    if names & set(ciphers.JUDGES):
        return _Form(ciphers.JUDGES, document, frozenset({"note", "meta"}))
    aside = frozenset({"note", "meta"}) | NOT_JUDGED
    identity_count, insurance_count = len(names & _IDENTITY), len(names & _INSURANCE)
    if identity_count > insurance_count:
        return _Form(identity.JUDGES, document, aside)
    if insurance_count:
        return _Form(insurance.JUDGES, document, aside)
    raise MalformedFile("the file has none of the known forms")


def _read(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_MAX + 1)
    except OSError as error:
        raise MalformedFile(f"cannot read the file: {error.strerror}") from None
    if len(raw) > FILE_MAX:
        raise MalformedFile("the file is longer than 64 MiB")
    try:
        document = json.loads(raw, object_pairs_hook=Members)
    except (ValueError, RecursionError):
        raise MalformedFile("the file is not JSON") from None
    if not isinstance(document, dict):
        raise MalformedFile("the file is not a JSON object of sections")
    return document


def judge_file(path: Path) -> Iterator[Verdict]:
    """One verdict a case, in the file's order; ``MalformedFile`` before the first one."""
    yield from _judged(*_sections(_read(path)))


def _judged(form: _Form, sections: _Sections) -> Iterator[Verdict]:
    for name, cases in sections.items():
        for number, case in enumerate(cases, 1):
            section = str(case.get("kind", name)) if form.by_kind else name
            case_id = case.get("id")
            if not isinstance(case_id, str):
                case_id = f"{name}-{number:03d}"
            yield _judge(form, section, case_id, case)


def _sections(document: Mapping[str, Any]) -> tuple[_Form, _Sections]:
    form = _form_of(document)
    sections = {name: cases for name, cases in document.items() if name not in form.aside}
    for name, cases in sections.items():
        if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
            raise MalformedFile(f"section {name} is not a list of cases")
    return form, sections


def _judge(form: _Form, section: str, case_id: str, case: Case) -> Verdict:
    judge = form.judges.get(section)
    if judge is None:
        return Verdict(id=case_id, section=section, passed=False, got=UNSUPPORTED, supported=False)
    passed, got = _outcome(judge, case, form.shared)
    if passed:
        return Verdict(id=case_id, section=section, passed=True, got=got)
    return Verdict(
        id=case_id,
        section=section,
        passed=False,
        got=got,
        expected=expected_of(case, got),
        why=case.get("why"),
    )


def _outcome(judge: CaseJudge, case: Case, shared: Mapping[str, Any]) -> Judgement:
    if case.get("expect") == {}:
        return False, "error: the case expects nothing"
    try:
        passed, got = judge(case, shared)
    except MemberMissing as missing:
        return False, f"error: there is no member {missing}"
    except KeyError as unknown:
        return False, f"error: nothing is called {unknown}"
    except Exception as error:  # noqa: BLE001  a judge that breaks on a case has failed it
        return False, f"error: {type(error).__name__}: {error}"
    return bool(passed), got


def _plain(value: object) -> str:
    """What JSON does not know: bytes as hex, anything else by its text."""
    return value.hex() if isinstance(value, bytes) else str(value)


@dataclass(slots=True)
class _Count:
    passed: int = 0
    failed: int = 0
    unsupported: int = 0
    malformed: int = 0
    empty: int = 0

    @property
    def status(self) -> int:
        """The worst that was met."""
        if self.malformed:
            return 2
        if self.failed:
            return 1
        return 3 if self.unsupported or self.empty else 0


def _files(path: Path) -> list[Path]:
    """The file, or the folder's; ``MalformedFile`` for a folder without any."""
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.glob("*.json") if one.is_file())
    if not found:
        raise MalformedFile(f"{path}: the folder holds no .json files")
    return found


def _judge_all(files: Sequence[Path], count: _Count, *, named: bool) -> None:
    for file in files:
        try:
            document = _read(file)
            form, sections = _sections(document)
            if left_out := sorted(NOT_JUDGED & document.keys() & form.aside):
                complain(f"conformance: {file.name}: not judged: {', '.join(left_out)}")
            for fault in _without_a_case(sections):
                complain(f"conformance: {file.name}: {fault}")
                count.empty += 1
            for verdict in _judged(form, sections):
                said = ({"file": file.name} if named else {}) | verdict.document()
                say(json.dumps(said, ensure_ascii=False, default=_plain))
                count.passed += verdict.passed
                count.unsupported += not verdict.supported
                count.failed += verdict.supported and not verdict.passed
        except MalformedFile as error:
            complain(f"conformance: {file.name}: {error}")
            count.malformed += 1


def _without_a_case(sections: _Sections) -> list[str]:
    if not sections:
        return ["the file has no section with cases: nothing was judged"]
    return [f"section {name} has no case" for name, cases in sections.items() if not cases]


def main(paths: Sequence[Path], as_json: bool) -> int:
    """Print a JSON verdict a line, with the file's name unless it is the only one asked for, and
    without ``as_json`` a summary on standard error."""
    count = _Count()
    try:
        files = [file for path in paths for file in _files(path)]
    except MalformedFile as error:
        complain(f"conformance: {error}")
        return 2
    _judge_all(files, count, named=len(paths) > 1 or paths[0].is_dir())
    if not as_json and count.malformed < len(files):
        complain(
            f"{count.passed} passed, {count.failed} failed, {count.unsupported} unsupported; "
            f"SM2 by {ciphers.backend_in_use()}"
        )
    return count.status
