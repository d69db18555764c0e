"""A scanned text on the command line: what it is, and whether it holds. Needs no network."""

import msgspec

from crypto.healthcode.describe import describe_verdict, inspect_text
from crypto.healthcode.verify import CodeVerifier, Reader
from service.credential.actions import recognise
from service.credential.model import CodeKind
from service.healthcode.rules import trust_of
from service.kernel.clock import SystemClock
from service.kernel.live_ring import KeystoreUnreadable
from service.settings import Settings
from service.wiring import load_ring

TEXT_MAX = 1280


def inspect(text: str, settings: Settings) -> str:
    """A JSON object: what the text is, who issued it, until when; with local keys, if it holds.

    Without a key ring on this machine ``valid`` is null: the form fits, nothing is proved.
    """
    recognised = recognise(text[:TEXT_MAX])
    seen: dict[str, object] = {"recognised": recognised.kind.value, "valid": None}
    if recognised.kind is CodeKind.OURS:
        seen |= inspect_text(recognised.text)
        try:
            ring = load_ring(settings)
        except KeystoreUnreadable:
            seen["note"] = "no key ring here: not verified"
        else:
            verifier = CodeVerifier(trust_of(ring))
            verdict = verifier.verify(recognised.text, Reader(), SystemClock().now())
            seen |= describe_verdict(verdict)
    return msgspec.json.encode(seen).decode()
