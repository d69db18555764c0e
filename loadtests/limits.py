"""The cipher's own limits on this machine: CPU seconds of the bare operations requests need."""

import time
from collections.abc import Callable

import msgspec

from crypto.sm2 import PrivateKey, PublicKey
from crypto.sm3 import hmac_sm3

MESSAGE = bytes(range(160))
ROUND_S = 0.4


class CipherCost(msgspec.Struct, kw_only=True):
    """CPU microseconds of one operation, the key already imported unless the name says so: then
    from the 33 bytes that codes carry."""

    sign_us: float
    verify_us: float
    import_and_verify_us: float
    hmac_sm3_us: float


def cipher_cost() -> CipherCost:
    """Measure each for a moment, in CPU time of this process alone."""
    key = PrivateKey.generate()
    public = key.public
    encoded, signature, secret = public.compressed(), key.sign(MESSAGE), bytes(32)
    return CipherCost(
        sign_us=_cpu_us(lambda: key.sign(MESSAGE)),
        verify_us=_cpu_us(lambda: public.verify(MESSAGE, signature)),
        import_and_verify_us=_cpu_us(
            lambda: PublicKey.from_bytes(encoded, allow_compressed=True).verify(MESSAGE, signature)
        ),
        hmac_sm3_us=_cpu_us(lambda: hmac_sm3(secret, MESSAGE)),
    )


def mean(one: CipherCost, other: CipherCost) -> CipherCost:
    """Of two measurements, before and after what they are compared with."""
    names = CipherCost.__struct_fields__
    return CipherCost(**{n: (getattr(one, n) + getattr(other, n)) / 2 for n in names})


def _cpu_us(operation: Callable[[], object]) -> float:
    operation()
    done = 0
    began = time.process_time()
    while (spent := time.process_time() - began) < ROUND_S:
        for _ in range(50):
            operation()
        done += 50
    return spent / done * 1e6
