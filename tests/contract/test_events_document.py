"""openapi/events.yaml says what the code sends, and nothing else."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from integrations.his_generic.courier import ANSWER_WITHIN_S
from service.notice import jobs, rules
from service.notice.schemas import EventType, PersonEvent, PersonEventType, SettlementEvent

COMMITTED = Path(__file__).resolve().parents[2] / "openapi" / "events.yaml"


def told() -> dict[str, Any]:
    return dict(yaml.safe_load(COMMITTED.read_text("utf-8")))


def test_the_schemas_are_those_of_the_code() -> None:
    _, schemas = msgspec.json.schema_components(
        [SettlementEvent, PersonEvent], ref_template="#/schemas/{name}"
    )
    assert told()["schemas"] == schemas


def test_every_type_is_told_and_written_by_somebody() -> None:
    types = {str(one) for one in (*EventType, *PersonEventType)}
    assert set(told()["types"]) == types == set(jobs.HANDLERS)


def test_the_repeats_are_those_of_the_code() -> None:
    delivery = told()["delivery"]
    assert delivery["gaps_s"] == list(rules.GAPS_S)
    assert delivery["tries"] == len(rules.GAPS_S) + 1
    assert delivery["answer"] == f"any 2xx within {ANSWER_WITHIN_S:.0f} seconds"
    assert rules.gap_after(delivery["tries"]) is None
