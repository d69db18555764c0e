"""``yimatong notice``: the operator sees and replays; what he mistypes is told, not done."""

import pytest

from service.commands.notice import _parser


@pytest.mark.parametrize(
    "argv",
    [
        ["replay", "--institution", "H1"],
        ["replay", "--institution", "H1", "--event", "B0", "--since", "2026-03-02T08:00:00+08:00"],
        ["replay", "--institution", "H1", "--since", "2026-03-02T08:00:00"],
        ["replay", "--institution", "H1", "--since", "yesterday"],
        ["replay", "--event", "B0"],
        ["show"],
    ],
)
def test_half_a_command_is_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _parser().parse_args(argv)
    assert ended.value.code == 2
    assert "usage: yimatong notice" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["2026-11-23", "2026-11-23T08:00:00", "yesterday"])
def test_a_time_without_its_zone_is_refused_with_what_is_wanted(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["replay", "--institution", "H99000100001", "--since", text]
    with pytest.raises(SystemExit) as ended:
        _parser().parse_args(line)
    assert ended.value.code == 2
    said = f"{text}: a time with its zone is wanted, as 2026-03-02T08:00:00+08:00"
    assert said in capsys.readouterr().err
