"""Cuts the signed object out of a gateway answer as it stands on the wire (payments.md 5.1).

Parsing and writing it again would break the signature. Owns the outer object only: its members,
where they begin and end, and that none stands twice. Judges no signature.
"""

import json

import msgspec

DEPTH_MAX = 32
MEMBERS_MAX = 16
NAME_MAX = 128
BLANKS = b" \t\r\n"
_OPENING, _CLOSING = b"{[", b"}]"


class SliceRefused(ValueError):
    """The bytes are not one JSON object of a few members, each standing once."""


class AnswerSlices(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway answer, taken apart. ``content`` is the signed object, braces included."""

    name: str
    content: bytes
    sign: str | None
    certificate_sn: str | None


def answer_slices(body: bytes, names: frozenset[str]) -> AnswerSlices:
    """The one member of ``names`` with the outer texts. Raises ``SliceRefused``."""
    found = members(body)
    present = [name for name in found if name in names]
    if len(present) != 1:
        raise SliceRefused("not exactly one answer object")
    content = found[present[0]]
    if not content.startswith(b"{"):
        raise SliceRefused("the answer is no object")
    return AnswerSlices(
        name=present[0],
        content=content,
        sign=_text(found.get("sign")),
        certificate_sn=_text(found.get("alipay_cert_sn")),
    )


def members(body: bytes) -> dict[str, bytes]:
    """The outer object's members by name, each value's bytes untouched."""
    found: dict[str, bytes] = {}
    at = _skip_blanks(body, 0)
    if body[at : at + 1] != b"{":
        raise SliceRefused("no object")
    at = _skip_blanks(body, at + 1)
    while True:
        end = _string_end(body, at)
        if end - at > NAME_MAX:
            raise SliceRefused("a name is too long")
        name = _text(body[at:end]) or ""
        at = _skip_blanks(body, end)
        if body[at : at + 1] != b":":
            raise SliceRefused("no colon after a name")
        at = _skip_blanks(body, at + 1)
        end = _value_end(body, at)
        if name in found or len(found) >= MEMBERS_MAX:
            raise SliceRefused("a member stands twice, or there are too many")
        found[name] = body[at:end]
        at = _skip_blanks(body, end)
        separator = body[at : at + 1]
        at = _skip_blanks(body, at + 1)
        if separator == b"}":
            break
        if separator != b",":
            raise SliceRefused("members are not separated")
    if at != len(body):
        raise SliceRefused("something follows the object")
    return found


def _skip_blanks(body: bytes, at: int) -> int:
    while at < len(body) and body[at] in BLANKS:
        at += 1
    return at


def _string_end(body: bytes, at: int) -> int:
    """Past the closing quote of the string that begins at ``at``."""
    if body[at : at + 1] != b'"':
        raise SliceRefused("no string")
    quote = at
    while True:
        quote = body.find(b'"', quote + 1)
        if quote < 0:
            raise SliceRefused("a string does not end")
        backslashes = quote
        while body[backslashes - 1 : backslashes] == b"\\":
            backslashes -= 1
        if (quote - backslashes) % 2 == 0:
            return quote + 1


def _value_end(body: bytes, at: int) -> int:
    """Past the value that begins at ``at``; what is inside an object is left to the decoder."""
    first = body[at : at + 1]
    if first == b'"':
        return _string_end(body, at)
    if first not in (b"{", b"["):
        return _plain_end(body, at)
    open_marks = bytearray()
    while at < len(body):
        mark = body[at]
        if mark == 0x22:
            at = _string_end(body, at)
            continue
        if mark in _OPENING:
            open_marks.append(mark)
            if len(open_marks) > DEPTH_MAX:
                raise SliceRefused("nested too deep")
        elif mark in _CLOSING:
            if open_marks.pop() != _OPENING[_CLOSING.index(mark)]:
                raise SliceRefused("braces do not match")
            if not open_marks:
                return at + 1
        at += 1
    raise SliceRefused("an object does not end")


def _plain_end(body: bytes, at: int) -> int:
    end = at
    while end < len(body) and body[end] not in b",}] \t\r\n":
        end += 1
    if end == at:
        raise SliceRefused("no value")
    return end


def _text(value: bytes | None) -> str | None:
    """A member's text, or None where it is missing or no string."""
    if value is None:
        return None
    try:
        text = json.loads(value)
    except (ValueError, RecursionError):
        raise SliceRefused("a text is not JSON") from None
    return text if isinstance(text, str) else None
