"""Every cipher case, on both backends, through the runner that operators use."""

import json
from pathlib import Path

import pytest

from crypto.sm2_backend import Sm2Backend, install_backend, installed_backend
from service.conformance.runner import judge_file, main
from service.conformance.verdict import MalformedFile, Verdict
from tests.support.running import ROOT
from tests.unit.crypto.conftest import VECTORS

SM = VECTORS / "sm.json"
CODES = ROOT / "openapi" / "examples" / "health-code"


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_every_case_passes_on_every_backend(backend: Sm2Backend) -> None:
    before = installed_backend()
    install_backend(backend)
    try:
        verdicts = list(judge_file(SM))
    finally:
        install_backend(before)
    assert len(verdicts) == 122
    assert [verdict.id for verdict in verdicts if not verdict.passed] == []


def test_a_wrong_expectation_fails_and_gives_status_1(tmp_path: Path) -> None:
    sections = json.loads(SM.read_text())
    wrong: dict[str, list[dict[str, object]]] = {}
    for name, cases in sections.items():
        if name == "note":
            continue
        case = dict(cases[0])
        if "result" in case:
            case["result"] = "invalid" if case["result"] == "valid" else "valid"
        for field in ("digest", "mac", "sig_raw", "e", "ct", "pub"):
            if isinstance(case.get(field), str) and "result" not in case:
                case[field] = "00" + str(case[field])[2:-2] + "ff"
        wrong[name] = [case]
    path = write(tmp_path / "wrong.json", wrong)
    assert [verdict.section for verdict in judge_file(path) if verdict.passed] == []
    assert main([path], as_json=True) == 1


def test_cases_without_id_get_section_and_number(tmp_path: Path) -> None:
    case = {"msg": "616263", "repeat": 1, "digest": json.loads(SM.read_text())["sm3"][0]["digest"]}
    path = write(tmp_path / "sm3.json", {"sm3": [case, case | {"id": "mine"}]})
    assert [verdict.id for verdict in judge_file(path)] == ["sm3-001", "mine"]


def test_acceptable_may_go_either_way(tmp_path: Path) -> None:
    cases = [{"d": digit * 64, "result": "acceptable"} for digit in "0f1"]
    path = write(tmp_path / "acceptable.json", {"sm2_private_key": cases})
    assert all(verdict.passed for verdict in judge_file(path))


def test_a_section_that_is_not_built_is_unsupported_and_gives_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "new.json", {"sm3": [], "sm9_sign": [{"a": 1}]})
    assert main([path], as_json=False) == 3
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "id": "sm9_sign-001",
        "section": "sm9_sign",
        "pass": False,
        "got": "unsupported",
    }
    assert "1 unsupported" in err


def test_a_case_that_breaks_its_judge_has_failed(tmp_path: Path) -> None:
    path = write(tmp_path / "broken.json", {"sm3": [{"msg": 7, "digest": "00"}, {}]})
    assert [verdict.passed for verdict in judge_file(path)] == [False, False]


def test_sections_not_judged_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {"persons": [{"a": 1}], "sandbox_policy": {"b": 2}, "uncertain_outcomes": [{}]}
    path = write(tmp_path / "data.json", content)
    assert list(judge_file(path)) == []
    main([path], as_json=True)
    said = "data.json: not judged: persons, sandbox_policy, uncertain_outcomes\n"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    ["", "[]", "1", "{}", '{"note": {}}', "{" * 50_000, '{"sm3": {}}', '{"sm3": [1]}', "\xff"],
)
def test_other_files_are_refused_with_status_2(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content.encode("latin-1"))
    assert main([path], as_json=True) == 2
    assert capsys.readouterr().err.startswith("conformance: ")
    with pytest.raises(MalformedFile):
        list(judge_file(path))


def test_a_missing_file_is_status_2(tmp_path: Path) -> None:
    assert main([tmp_path / "none.json"], as_json=True) == 2


@pytest.mark.parametrize("name", ["identity", "payments", "medical-insurance"])
def test_the_other_forms_are_recognised(name: str) -> None:
    verdicts: list[Verdict] = list(judge_file(VECTORS / f"{name}.json"))
    assert verdicts
    assert len({verdict.id for verdict in verdicts}) == len(verdicts)


def test_a_folder_or_several_files_are_judged_file_by_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = {"msg": "616263", "repeat": 1, "digest": json.loads(SM.read_text())["sm3"][0]["digest"]}
    write(tmp_path / "a.json", {"sm3": [case]})
    write(tmp_path / "b.json", {"sm3": [case, case]})
    (tmp_path / "README.md").write_text("no cases")
    assert main([tmp_path], as_json=False) == 0
    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["file"] for line in lines] == ["a.json", "b.json", "b.json"]
    assert said.err.startswith("3 passed, 0 failed")
    assert main([tmp_path / "b.json", tmp_path / "a.json"], as_json=True) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == ["b.json", "b.json", "a.json"]
    write(tmp_path / "c.json", {"sm3": [case | {"digest": "00" * 32}]})
    assert main([tmp_path], as_json=True) == 1
    write(tmp_path / "aa.json", ["not sections"])
    assert main([tmp_path], as_json=True) == 2
    said = capsys.readouterr()
    assert "aa.json: the file is not a JSON object" in said.err
    assert len(said.out.splitlines()) == 8, "the others are judged all the same"


def test_a_folder_without_cases_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([tmp_path], as_json=True) == 2
    assert "holds no .json files" in capsys.readouterr().err


HEALTH_CODE = {"form": "yimatong-health-code/1"}
SM3 = {"id": "mine", "msg": "616263", "repeat": 1, "digest": "00" * 32, "why": "the standard's"}


def test_a_failed_case_says_what_was_expected_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offer = json.loads((CODES / "context.json").read_text())["context"][0]
    wrong = HEALTH_CODE | {"context": [offer | {"expect": {"context": "00"}}]}
    assert main([write(tmp_path / "wrong.json", wrong)], as_json=False) == 1
    line = json.loads(capsys.readouterr().out)
    assert line["expected"] == {"context": "00"}
    assert list(line)[:4] == ["id", "section", "pass", "got"]
    assert main([write(tmp_path / "sm3.json", {"sm3": [SM3]})], as_json=True) == 1
    line = json.loads(capsys.readouterr().out)
    assert line["expected"] == {"digest": "00" * 32}
    assert line["why"] == "the standard's"
    right = SM3 | {"digest": line["got"]["digest"]}
    assert main([write(tmp_path / "sm3.json", {"sm3": [right]})], as_json=True) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["id", "section", "pass", "got"]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (HEALTH_CODE, "no section with cases"),
        (HEALTH_CODE | {"verify": []}, "section verify has no case"),
        ({"sm3": []}, "section sm3 has no case"),
        ({"vectors": []}, "section vectors has no case"),
    ],
)
def test_what_holds_no_case_does_not_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object, word: str
) -> None:
    assert main([write(tmp_path / "empty.json", content)], as_json=False) == 3
    assert word in capsys.readouterr().err


@pytest.mark.parametrize(
    ("section", "case", "got"),
    [
        ("verify", {"expect": {}}, "error: the case expects nothing"),
        ("context", {"expect": {"context": "00"}}, "error: there is no member 'offer'"),
        ("context", {"offer": {}, "expect": {"context": "00"}}, "error: there is no member"),
        ("text", {"text": "YM1:00"}, "error: there is no member 'bytes'"),
    ],
)
def test_half_a_case_says_what_it_lacks(
    tmp_path: Path, section: str, case: dict[str, object], got: str
) -> None:
    path = write(tmp_path / "half.json", HEALTH_CODE | {section: [case]})
    (verdict,) = judge_file(path)
    assert not verdict.passed
    assert str(verdict.got).startswith(got)
