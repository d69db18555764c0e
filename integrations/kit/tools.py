"""What a partner's gateway is given: it makes up no time and no randomness, opens no client."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from integrations.kit.transport import Transport


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """Handed to a partner's ``open_account``."""

    transport: Transport
    bills: Transport
    """Waits longer and takes larger answers: for statements."""
    clock: Callable[[], datetime]
    """Aware UTC."""
    nonce: Callable[[], str]
    """32 hexadecimal digits, never the same."""
