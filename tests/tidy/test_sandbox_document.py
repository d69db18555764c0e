"""docs/sandbox.md lists every fault of every twin, by the words of the twins' pages."""

import re
from collections.abc import Mapping

import pytest

from integrations.sandbox.alipay import faults as alipay
from integrations.sandbox.cover import faults as cover
from integrations.sandbox.fault_words import WORDS, in_words
from integrations.sandbox.fiscal import faults as fiscal
from integrations.sandbox.hospital.events import EventFault
from integrations.sandbox.hospital.insurance_machine import MachineFault
from integrations.sandbox.insurance import faults as insurance
from integrations.sandbox.wechatpay import faults as wechatpay
from tests.tidy.tree import ROOT

TWINS: Mapping[str, type] = {
    "WeChat Pay": wechatpay.Fault,
    "Alipay": alipay.Fault,
    "insurance": insurance.Fault,
    "e-invoice": fiscal.Fault,
    "hospital, events": EventFault,
    "hospital, insurance": MachineFault,
    "cover": cover.Fault,
}
ROW = re.compile(r"^\| `([a-z_-]+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def rows_of(twins: Mapping[str, type]) -> list[tuple[str, str, str]]:
    """A row a fault: its name, whose it is, and what it does."""
    owners: dict[str, list[str]] = {}
    for twin, faults in twins.items():
        for fault in faults:
            owners.setdefault(str(fault), []).append(twin)
    return [(name, ", ".join(owners[name]), in_words(name)) for name in sorted(owners)]


def test_the_table_of_faults_equals_the_code() -> None:
    text = (ROOT / "docs/sandbox.md").read_text(encoding="utf-8")
    wanted = rows_of(TWINS)
    assert ROW.findall(text) == wanted, "\n" + "\n".join(
        f"| `{name}` | {owners} | {words} |" for name, owners, words in wanted
    )


def test_no_words_are_left_for_a_fault_that_is_gone() -> None:
    assert {name.replace("_", "-") for name, _, _ in rows_of(TWINS)} == set(WORDS)


def test_a_fault_without_words_is_seen() -> None:
    with pytest.raises(KeyError):
        in_words("no-such-fault")
