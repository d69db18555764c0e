"""Settings: defaults that run, all faults at once, and production that refuses the sandbox."""

import pytest

from service.settings import Mode, SettingsFault, read_settings


def test_nothing_set_gives_a_sandbox_that_runs() -> None:
    settings = read_settings({})
    assert settings.mode is Mode.SANDBOX
    assert settings.database_url is None
    assert settings.twin_url == "http://127.0.0.1:8090"


def test_all_faults_are_told_together() -> None:
    with pytest.raises(SettingsFault) as caught:
        read_settings(
            {
                "YIMATONG_PORT": "none",
                "YIMATONG_MODE": "maybe",
                "YIMATONG_DATABASE_URL": "mysql://x",
                "YIMATONG_CODE_LIFE_S": "100000",
                "YIMATONG_PRT": "8080",
            }
        )
    text = "\n".join(caught.value.faults)
    for name in ("PORT", "MODE", "DATABASE_URL", "CODE_LIFE_S", "PRT: no such setting"):
        assert f"YIMATONG_{name}" in text


def test_production_refuses_what_only_a_sandbox_may_have() -> None:
    with pytest.raises(SettingsFault) as caught:
        read_settings({"YIMATONG_MODE": "production", "YIMATONG_TWIN_URL": "http://127.0.0.1:1"})
    assert len(caught.value.faults) == 3


def test_production_with_a_server_and_https_is_accepted() -> None:
    settings = read_settings(
        {
            "YIMATONG_MODE": "production",
            "YIMATONG_DATABASE_URL": "postgresql://db/yimatong",
            "YIMATONG_PUBLIC_URL": "https://code.example.cn/",
        }
    )
    assert settings.twin_url is None
    assert settings.public_url == "https://code.example.cn"


def test_events_go_inside_only_where_a_network_is_named() -> None:
    assert [str(one) for one in read_settings({}).notice_networks] == ["127.0.0.0/8", "::1/128"]
    production = {
        "YIMATONG_MODE": "production",
        "YIMATONG_DATABASE_URL": "postgresql://db/yimatong",
        "YIMATONG_PUBLIC_URL": "https://code.example.cn/",
    }
    assert read_settings(production).notice_networks == ()
    with pytest.raises(SettingsFault, match="NOTICE_NETWORKS"):
        read_settings({"YIMATONG_NOTICE_NETWORKS": "10.20.0.1/16"})
