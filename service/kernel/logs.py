"""Structured logs: JSON lines; the event is a fixed dotted past-tense name, facts are fields.

A processor drops what could carry personal data: Masked values, bytes, long texts.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from service.kernel.masked import Masked

LONGEST_TEXT = 200


def _hide(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in list(event.items()):
        if isinstance(value, Masked | bytes | bytearray):
            event[key] = "(hidden)"
        elif isinstance(value, str) and len(value) > LONGEST_TEXT and key != "exception":
            event[key] = f"({len(value)} characters)"
    return event


def _hide_exception_text(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Keep the type and the places of an exception; its message may quote input or rows."""
    fault = event.pop("fault", None)
    if isinstance(fault, BaseException):
        event["fault_type"] = type(fault).__qualname__
        places = []
        trace = fault.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            places.append(f"{code.co_filename.rsplit('/', 2)[-1]}:{trace.tb_lineno}")
            trace = trace.tb_next
        event["fault_places"] = places[-6:]
    return event


def set_up_logs(role: str, *, stream: TextIO | None = None) -> None:
    """Configure structlog for this process; called once by the command line."""
    structlog.contextvars.bind_contextvars(role=role)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _hide_exception_text,
            _hide,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> Any:
    """A logger whose lines carry ``component: yimatong.<name>``."""
    # Initial values keep the proxy lazy: ``bind`` here would freeze the default configuration.
    return structlog.get_logger(component=f"yimatong.{name}")
