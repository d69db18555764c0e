"""The SM2 curve (GB/T 32918.5) in plain integers: constants, strict point decoding, arithmetic.

Nothing here is constant-time. Strict parsing of public points is for every backend; the
multiplications are only for the software backend and for known-answer tests.
"""

from functools import cache

from crypto.errors import BadKey

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
GX = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
GY = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0

Affine = tuple[int, int]
Jacobian = tuple[int, int, int]
INFINITY: Jacobian = (1, 1, 0)


def right_side(x: int) -> int:
    """``x^3 + ax + b mod p``."""
    return (x * x * x + A * x + B) % P


def is_on_curve(x: int, y: int) -> bool:
    """True for coordinates below p that satisfy the curve equation."""
    return 0 <= x < P and 0 <= y < P and y * y % P == right_side(x)


def read_point(point: bytes) -> Affine:
    """65 bytes ``04 x y`` to coordinates; ``BadKey`` unless canonical and on the curve."""
    if len(point) != 65 or point[0] != 4:
        raise BadKey("a public key is 04 and two coordinates of 32 bytes")
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    if not is_on_curve(x, y):
        raise BadKey("the public key is not a point of the curve")
    return x, y


def write_point(x: int, y: int) -> bytes:
    """``04 x y``, 65 bytes."""
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def decompress(point: bytes) -> bytes:
    """33 bytes ``02|03 x`` to ``04 x y``; ``BadKey`` when there is no such point."""
    if len(point) != 33 or point[0] not in {2, 3}:
        raise BadKey("a compressed public key is 02 or 03 and one coordinate")
    x = int.from_bytes(point[1:], "big")
    if x >= P:
        raise BadKey("the public key is not a point of the curve")
    square = right_side(x)
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        raise BadKey("the public key is not a point of the curve")
    return write_point(x, y if y & 1 == point[0] & 1 else P - y)


def double(point: Jacobian) -> Jacobian:
    """Twice a point."""
    x, y, z = point
    if not z or not y:
        return INFINITY
    zz = z * z % P
    m = 3 * (x - zz) * (x + zz) % P
    yy = y * y % P
    s = 4 * x * yy % P
    x3 = (m * m - 2 * s) % P
    return x3, (m * (s - x3) - 8 * yy * yy) % P, 2 * y * z % P


def add_affine(point: Jacobian, other: Affine) -> Jacobian:
    """A Jacobian point plus an affine one."""
    x1, y1, z1 = point
    x2, y2 = other
    if not z1:
        return x2, y2, 1
    zz = z1 * z1 % P
    h = (x2 * zz - x1) % P
    r = (y2 * zz * z1 - y1) % P
    if not h:
        return INFINITY if r else double(point)
    hh = h * h % P
    hhh = hh * h % P
    v = x1 * hh % P
    x3 = (r * r - hhh - 2 * v) % P
    return x3, (r * (v - x3) - y1 * hhh) % P, z1 * h % P


def to_affine(point: Jacobian) -> Affine | None:
    """Coordinates, or None for infinity."""
    x, y, z = point
    if not z:
        return None
    inverse = pow(z, -1, P)
    square = inverse * inverse % P
    return x * square % P, y * square * inverse % P


def _all_affine(points: list[Jacobian]) -> list[Affine]:
    """Many finite points to coordinates with one inversion."""
    products, product = [], 1
    for _, _, z in points:
        products.append(product)
        product = product * z % P
    inverse = pow(product, -1, P)
    out: list[Affine] = []
    for (x, y, z), before in zip(reversed(points), reversed(products), strict=True):
        z_inverse = inverse * before % P
        inverse = inverse * z % P
        square = z_inverse * z_inverse % P
        out.append((x * square % P, y * square * z_inverse % P))
    out.reverse()
    return out


@cache
def _generator_table() -> tuple[tuple[Affine, ...], ...]:
    """Row i, entry j-1 is ``j * 2**(8 i) * G`` for j in 1..255."""
    bases: list[Jacobian] = [(GX, GY, 1)]
    for _ in range(31):
        point = bases[-1]
        for _ in range(8):
            point = double(point)
        bases.append(point)
    rows: list[Jacobian] = []
    for base in _all_affine(bases):
        point = (base[0], base[1], 1)
        rows.append(point)
        for _ in range(254):
            point = add_affine(point, base)
            rows.append(point)
    flat = _all_affine(rows)
    return tuple(tuple(flat[i * 255 : i * 255 + 255]) for i in range(32))


def multiply_generator(scalar: int) -> Jacobian:
    """``scalar * G`` for 0 <= scalar < 2**256 by the fixed table."""
    point = INFINITY
    for row, digit in zip(_generator_table(), scalar.to_bytes(32, "little"), strict=True):
        if digit:
            point = add_affine(point, row[digit - 1])
    return point


def _naf(scalar: int) -> list[int]:
    """Width-5 non-adjacent form, least significant digit first."""
    digits = []
    while scalar:
        digit = 0
        if scalar & 1:
            digit = scalar & 31
            if digit > 15:
                digit -= 32
            scalar -= digit
        digits.append(digit)
        scalar >>= 1
    return digits


def multiply(scalar: int, base: Affine) -> Jacobian:
    """``scalar * base``."""
    twice = to_affine(double((base[0], base[1], 1)))
    if twice is None or not scalar:  # order is prime, so twice a finite point is finite
        return INFINITY
    odd: list[Jacobian] = [(base[0], base[1], 1)]
    for _ in range(7):
        odd.append(add_affine(odd[-1], twice))
    table = _all_affine(odd)
    point = INFINITY
    for digit in reversed(_naf(scalar)):
        point = double(point)
        if digit > 0:
            point = add_affine(point, table[digit >> 1])
        elif digit:
            x, y = table[-digit >> 1]
            point = add_affine(point, (x, P - y))
    return point


def combine(scalar: int, other_scalar: int, base: Affine) -> Affine | None:
    """``scalar * G + other_scalar * base``; None for infinity."""
    left = to_affine(multiply_generator(scalar))
    point = multiply(other_scalar, base)
    return to_affine(point if left is None else add_affine(point, left))
