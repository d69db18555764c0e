"""The committed interface document is the one that the routes give."""

from pathlib import Path

import yaml

from service.kernel.http_problems import MEDIA_TYPE
from service.openapi import document

COMMITTED = Path(__file__).resolve().parents[2] / "openapi" / "openapi.yaml"


def test_the_document_is_fresh() -> None:
    assert COMMITTED.read_text("utf-8") == document(), "run: make openapi"


def test_every_operation_documents_its_problems() -> None:
    paths = yaml.safe_load(COMMITTED.read_text("utf-8"))["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            assert MEDIA_TYPE in operation["responses"]["default"]["content"], (path, method)


def test_signed_and_personal_operations_say_how_a_caller_is_proved() -> None:
    paths = yaml.safe_load(COMMITTED.read_text("utf-8"))["paths"]
    for path, operations in paths.items():
        if path.startswith(("/v1/me", "/v1/institution", "/v1/terminal/")):
            assert all("security" in operation for operation in operations.values()), path


def test_the_key_of_a_request_is_required_wherever_it_is_named() -> None:
    paths = yaml.safe_load(COMMITTED.read_text("utf-8"))["paths"]
    named = [
        parameter
        for operations in paths.values()
        for operation in operations.values()
        for parameter in operation.get("parameters", [])
        if parameter["name"] == "Idempotency-Key"
    ]
    assert len(named) >= 10
    assert all(parameter["required"] is True for parameter in named)
    assert all(parameter["schema"]["type"] == "string" for parameter in named)
