"""Strict DER for the few structures SM2 needs: definite, minimal, nothing behind the end.

Used on every signature and ciphertext before any library sees it. Errors are ``BadEncoding``.
"""

from crypto.errors import BadEncoding

SEQUENCE = 0x30
INTEGER = 0x02
OCTETS = 0x04
BITS = 0x03
OID = 0x06
LENGTH_MAX = 1 << 24


def read(blob: bytes, at: int, tag: int) -> tuple[bytes, int]:
    """The content of the element with ``tag`` at ``at``, and where the next one starts."""
    if at + 2 > len(blob) or blob[at] != tag:
        raise BadEncoding("DER: unexpected element")
    size, start = blob[at + 1], at + 2
    if size >= 0x80:
        count = size & 0x7F
        if not 1 <= count <= 3 or start + count > len(blob):
            raise BadEncoding("DER: length refused")
        size = int.from_bytes(blob[start : start + count], "big")
        if size < 0x80 or size < 1 << 8 * (count - 1):
            raise BadEncoding("DER: length is not minimal")
        start += count
    if start + size > len(blob):
        raise BadEncoding("DER: truncated")
    return blob[start : start + size], start + size


def read_whole(blob: bytes, tag: int) -> bytes:
    """The content of the one element that ``blob`` is."""
    content, end = read(blob, 0, tag)
    if end != len(blob):
        raise BadEncoding("DER: bytes behind the end")
    return content


def read_unsigned(blob: bytes, at: int, size: int) -> tuple[bytes, int]:
    """A non-negative minimal INTEGER of at most ``size`` bytes, left-padded to ``size``."""
    content, end = read(blob, at, INTEGER)
    if not content or content[0] & 0x80:
        raise BadEncoding("DER: integer is empty or negative")
    if len(content) > 1 and not content[0] and not content[1] & 0x80:
        raise BadEncoding("DER: integer is not minimal")
    value = content[1:] if len(content) > 1 and not content[0] else content
    if len(value) > size:
        raise BadEncoding("DER: integer is too long")
    return value.rjust(size, b"\0"), end


def write(tag: int, content: bytes) -> bytes:
    """One element."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    if size > LENGTH_MAX:
        raise BadEncoding("DER: content is too long")
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def write_unsigned(value: bytes) -> bytes:
    """A non-negative INTEGER from big-endian bytes."""
    digits = value.lstrip(b"\0")
    if not digits or digits[0] & 0x80:
        digits = b"\0" + digits
    return write(INTEGER, digits)


def signature_to_raw(signature: bytes) -> bytes:
    """``SEQUENCE { r, s }`` to 64 bytes."""
    body = read_whole(signature, SEQUENCE)
    r, at = read_unsigned(body, 0, 32)
    s, at = read_unsigned(body, at, 32)
    if at != len(body):
        raise BadEncoding("DER: extra element")
    return r + s


def signature_from_raw(signature: bytes) -> bytes:
    """64 bytes to ``SEQUENCE { r, s }``."""
    if len(signature) != 64:
        raise BadEncoding("a raw signature has 64 bytes")
    return write(SEQUENCE, write_unsigned(signature[:32]) + write_unsigned(signature[32:]))


def ciphertext_to_parts(ciphertext: bytes) -> tuple[bytes, bytes, bytes]:
    """``SEQUENCE { x, y, C3, C2 }`` to (x and y in 64 bytes, C3, C2)."""
    body = read_whole(ciphertext, SEQUENCE)
    x, at = read_unsigned(body, 0, 32)
    y, at = read_unsigned(body, at, 32)
    c3, at = read(body, at, OCTETS)
    c2, at = read(body, at, OCTETS)
    if at != len(body) or len(c3) != 32:
        raise BadEncoding("DER: not an SM2 ciphertext")
    return x + y, c3, c2


def ciphertext_from_parts(c1: bytes, c3: bytes, c2: bytes) -> bytes:
    """The reverse."""
    point = write_unsigned(c1[:32]) + write_unsigned(c1[32:])
    return write(SEQUENCE, point + write(OCTETS, c3) + write(OCTETS, c2))


def elements(content: bytes, limit: int = 64) -> list[tuple[int, bytes, bytes]]:
    """All elements one after another: (tag, content, whole); at most ``limit``."""
    out: list[tuple[int, bytes, bytes]] = []
    at = 0
    while at < len(content):
        if len(out) == limit:
            raise BadEncoding("DER: too many elements")
        tag = content[at]
        inner, end = read(content, at, tag)
        out.append((tag, inner, content[at:end]))
        at = end
    return out


def only(content: bytes, *tags: int) -> list[bytes]:
    """The contents of exactly these elements; ``BadEncoding`` otherwise."""
    found = elements(content)
    if tuple(tag for tag, _, _ in found) != tags:
        raise BadEncoding("DER: unexpected structure")
    return [inner for _, inner, _ in found]
