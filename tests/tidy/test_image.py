"""The container's files, read as text: what the package needs is copied, what runs is mounted."""

import re
import tomllib
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from service.settings import Mode, Settings, read_settings
from tests.tidy.tree import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
GIVEN = {"POSTGRES_PASSWORD": "x", "YIMATONG_PUBLIC_URL": "https://code.example"}
OURS = [name for name, one in COMPOSE["services"].items() if "YIMATONG_MODE" in one["environment"]]


def copied() -> dict[str, list[str]]:
    """What each stage copies from the checkout."""
    found: dict[str, list[str]] = {}
    stage = ""
    for line in DOCKERFILE.splitlines():
        if line.startswith("FROM "):
            stage = line.partition(" AS ")[2]
        elif line.startswith("COPY ") and "--from=" not in line:
            found.setdefault(stage, []).extend(line.split()[1:-1])
    return found


def test_the_image_is_built_from_everything_the_wheel_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    forced = {name.partition("/")[0] for name in wheel["force-include"]}
    assert {*wheel["packages"], *forced, "pyproject.toml", project["project"]["readme"]} <= set(
        copied()["build"]
    )
    assert "clients/holder" in copied()["phone"]
    lines = DOCKERFILE.splitlines()
    built = lines.index("COPY --from=phone /src/service/web/built service/web/built")
    # After the checkout's own, which may be old or absent; before the wheel takes it in.
    assert (
        lines.index("COPY service service")
        < built
        < DOCKERFILE[: DOCKERFILE.index("hatchling build")].count("\n")
    )
    assert project["tool"]["hatch"]["build"]["artifacts"] == ["service/web/built/*"]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    for name in (name for names in copied().values() for name in names):
        assert (ROOT / name).exists(), name
        path = PurePosixPath(name)
        assert any(path.match(rule) or path.is_relative_to(rule) for rule in allowed), name


def test_stages_that_are_copied_from_are_stages_and_images_are_pinned() -> None:
    stages = set(re.findall(r" AS (\w+)$", DOCKERFILE, re.MULTILINE))
    assert set(re.findall(r"COPY --from=(\w+)", DOCKERFILE)) == stages
    images = re.findall(r"^ARG \w+_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    images += [one["image"] for one in COMPOSE["services"].values()]
    assert all(re.search(r":(?!latest)[\w.-]+$", image) for image in images)


def settings_of(service: dict[str, Any]) -> Settings:
    """As the process in the container reads them. A misspelt name is a fault."""

    def filled(value: str) -> str:
        return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda name: GIVEN[name[1]], value)

    environment = {name: filled(str(value)) for name, value in service["environment"].items()}
    return read_settings({"YIMATONG_STATE_DIR": "/var/lib/yimatong", **environment})


@pytest.mark.parametrize("name", OURS)
def test_every_file_that_a_process_reads_is_mounted(name: str) -> None:
    service = COMPOSE["services"][name]
    settings = settings_of(service)
    assert settings.mode is Mode.PRODUCTION
    mounts = [mount.split(":") for mount in service["volumes"]]
    places = {PurePosixPath(mount[1]) for mount in mounts}
    for file in (
        settings.keystore,
        settings.master_key_file,
        settings.trust_list,
        settings.trust_roots,
    ):
        assert PurePosixPath(file.parent) in places
    assert settings.keystore.parent != settings.master_key_file.parent
    assert str(settings.partners_file) == f"/run/secrets/{service['secrets'][0]}"
    named = {mount[0] for mount in mounts if not mount[0].startswith(".")}
    assert named <= set(COMPOSE["volumes"])
    is_read_only = all(mount[-1] == "ro" for mount in mounts)
    assert is_read_only is (name != "keys")


def test_the_api_is_reached_where_it_listens() -> None:
    serve = COMPOSE["services"]["serve"]
    settings = settings_of(serve)
    assert settings.host == "0.0.0.0"  # noqa: S104 - inside a container
    assert [port.rsplit(":", 1)[1] for port in serve["ports"]] == [str(settings.port)]
    assert f"EXPOSE {settings.port}\n" in DOCKERFILE
