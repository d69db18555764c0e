"""The outer message of every transaction (dossier 1.1, 1.2) and how an answer is read.

Owns reading bounds and tolerances of the outer message. Knows no single transaction.
"""

import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

T = TypeVar("T")

ANSWER_BYTES_MAX = 4 * 1024 * 1024
_DEPTH_MAX = 32

Text = str | int | UnsetType | None
"""A partner's field. Numbers with a fraction arrive as their exact text (``read_json``)."""


class AnswerUnreadable(ValueError):
    """The answer is not a message of this interface: too large, no JSON, or of another shape."""


class Wire(msgspec.Struct, kw_only=True):
    """A node of the partner's message. An absent field stays absent when written back."""


class NoOutput(Wire):
    """The output of a transaction that has none."""


class Request(Wire, Generic[T]):
    """The outer message of a request. ``msgid`` is what 2601 later names as ``omsgid``."""

    infno: str
    msgid: str
    mdtrtarea_admvs: str
    insuplc_admdvs: str
    recer_sys_code: str
    infver: str
    opter_type: str
    opter: str
    opter_name: str
    inf_time: str
    fixmedins_code: str
    fixmedins_name: str
    sign_no: str
    input: T
    dev_no: Text = UNSET
    dev_safe_info: Text = UNSET
    cainfo: Text = UNSET
    signtype: Text = UNSET
    enc_type: Text = UNSET
    fixmedins_soft_fcty: Text = UNSET


class Answer(Wire, Generic[T]):
    """The outer message of an answer. ``output`` may be a node, JSON in a string, or empty."""

    infcode: str | int
    inf_refmsgid: Text = UNSET
    refmsg_time: Text = UNSET
    respond_time: Text = UNSET
    err_msg: Text = UNSET
    output: T | str | UnsetType | None = UNSET
    enctype: Text = UNSET
    signtype: Text = UNSET
    type: Text = UNSET
    message: Text = UNSET


def _refuse_constant(word: str) -> Any:
    raise AnswerUnreadable(f"number {word} in an answer")


def read_json(body: bytes | str) -> Any:
    """Read JSON in UTF-8 without floats: a number with a fraction becomes its text. Bounded.

    Raises ``AnswerUnreadable``.
    """
    if len(body) > ANSWER_BYTES_MAX:
        raise AnswerUnreadable("answer too large")
    try:
        # Told bytes, json would take UTF-16 and UTF-32 as well.
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
        found = json.loads(text, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as fault:
        raise AnswerUnreadable("answer is not JSON") from fault
    _check_depth(found)
    return found


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _DEPTH_MAX:
            raise AnswerUnreadable("answer nested too deep")
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]


def read_answer(body: bytes) -> Answer[dict[str, Any]]:
    """Read the outer message; raises ``AnswerUnreadable``."""
    try:
        return msgspec.convert(read_json(body), Answer[dict[str, Any]])
    except msgspec.ValidationError as fault:
        raise AnswerUnreadable("not an answer of this interface") from fault


def read_output(answer: Answer[dict[str, Any]], shape: type[T]) -> T:
    """The output node in its shape, parsed again where it came as a string.

    Raises ``AnswerUnreadable`` when the node is missing or of another shape.
    """
    output = answer.output
    if isinstance(output, str):
        output = read_json(output) if output.strip() else None
    if not isinstance(output, Mapping):
        raise AnswerUnreadable("answer without its output node")
    try:
        return msgspec.convert(output, shape)
    except msgspec.ValidationError as fault:
        raise AnswerUnreadable("output of another shape") from fault


def text_of(value: Text) -> str:
    """The field as text; absent and null are the empty text."""
    if value is UNSET or value is None:
        return ""
    return str(value)


def code_of(answer: Answer[Any]) -> str:
    """``infcode`` as text, whether it came as a number or as a string."""
    return str(answer.infcode).strip()
