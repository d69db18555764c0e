"""The OpenAPI document, generated from the routes: errors are ``application/problem+json``.

Committed as ``openapi/openapi.yaml``; a test says when it is stale.
"""

from typing import Any, cast

import yaml

from crypto.selftest import SelfTestReport
from service.app import create_framework_app
from service.console.guarding import COOKIE
from service.kernel.context import Context
from service.kernel.http_problems import MEDIA_TYPE
from service.kernel.idempotency import KEY_LENGTH_MAX
from service.kernel.idempotent_http import KEY_HEADER
from service.web.routes import PageSettings

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "retryable", "instance"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "see openapi/problems.yaml"},
        "retryable": {"type": "boolean"},
        "instance": {"type": "string"},
        "detail": {"type": "string"},
    },
}
_ANSWER = {
    "description": "A problem (RFC 9457); openapi/problems.yaml lists every code.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_SECURITY = {
    "resident": {"type": "http", "scheme": "bearer", "bearerFormat": "SM2-signed JWT"},
    "application": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "YIMATONG-SM2-SM3, see docs/integration.md",
    },
    "terminal": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "YIMATONG-HMAC-SM3, see docs/integration.md",
    },
    "operator": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "the session of a sign-in; changing requests need more, see docs/console.md",
    },
}
_BY_PREFIX = {
    "/v1/me/": "resident",
    "/v1/institution/": "application",
    "/v1/terminal/": "terminal",
    "/v1/console/": "operator",
}
_UNPROVED = frozenset({"/v1/console/sign-in"})
"""Where a proof begins."""


def schema() -> dict[str, Any]:
    """The document as plain values."""
    pages = PageSettings(sandbox=False, login_twin_url=None, cashier_url=None)
    app = create_framework_app(cast("Context", None), cast("SelfTestReport", None), pages)
    document = app.openapi_schema.to_schema()
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    components["securitySchemes"] = _SECURITY
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if not isinstance(operation, dict):
                continue
            answers = {k: v for k, v in operation["responses"].items() if int(k) < 400}
            operation["responses"] = {**answers, "default": _ANSWER}
            _require_key(operation)
            for prefix, scheme in _BY_PREFIX.items():
                if path in _UNPROVED:
                    continue
                if path.startswith(prefix) or path + "/" == prefix:
                    operation["security"] = [{scheme: []}]
    return document


def _require_key(operation: dict[str, Any]) -> None:
    """The routes take a missing key, to refuse it in their own words; callers must send one."""
    for parameter in operation.get("parameters", []):
        if parameter["name"] == KEY_HEADER:
            parameter["required"] = True
            parameter["schema"] = {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH_MAX}


def document() -> str:
    """The document as YAML."""
    text: str = yaml.safe_dump(schema(), allow_unicode=True, sort_keys=False, width=100)
    return text
