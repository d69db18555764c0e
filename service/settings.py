"""Settings, read once from the environment. The only module that reads it.

Every fault is collected and reported together. Secrets come by file path. ``PRODUCTION`` refuses
what only a sandbox may have.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from crypto.keyring import LISTED_KINDS, SIGNING_KINDS, KeyKind
from integrations.ports.events_out import Network, read_networks

T = TypeVar("T")
PREFIX = "YIMATONG_"
SIGNER_KINDS = frozenset({*LISTED_KINDS, KeyKind.CERTIFICATE_AUTHORITY})
"""What others believe without asking us. A log-in or an answer can wait for no signer."""
LOOPBACK = "127.0.0.0/8,::1/128"
SOCKET_PATH_MAX = 107
"""What the system takes as the path of a socket."""


class Mode(StrEnum):
    """Where this runs."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


class SettingsFault(Exception):
    """All faults of the environment, one a line."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One process's settings. ``docs/settings.md`` explains each."""

    mode: Mode
    state_dir: Path
    database_url: str | None
    """None: the embedded server under ``state_dir``."""
    keystore: Path
    master_key_file: Path
    partners_file: Path
    trust_list: Path
    """The trust file that readers fetch; signed elsewhere, by the offline root."""
    trust_roots: Path
    """The roots this service pins, one compressed public key in hexadecimal a line."""
    host: str
    port: int
    public_url: str
    """How providers and browsers reach us: scheme, host, port; no path."""
    twin_url: str | None
    """Base address of the twins; only in the sandbox."""
    sandbox_port: int
    worker_port: int | None
    """Where a worker answers ``/metrics``; None: nowhere."""
    workers: int
    pool_size: int
    registrations_expected: int
    pay_within: timedelta
    post_within: timedelta
    hand_out_within: timedelta
    poll_every: timedelta
    code_within: timedelta
    """From taking a payer's shown code to its reversal."""
    code_ask_every: timedelta
    address_header: str | None
    """The header in which the proxy in front names a browser's address."""
    lease: timedelta
    retry_after: timedelta
    ask_within: timedelta
    """Within which a hospital's own machine answers an insurance call."""
    notice_networks: tuple[Network, ...]
    """Where events to hospitals may go beside the public internet."""
    code_life_s: int
    certificate_roots: Path | None
    """A folder with outside authorities' roots and revocation lists; None: only our own counts."""
    certificate_life: timedelta
    require_certificates: bool
    """Turn away hospitals' applications that have only a bare key."""
    credential_life_min: int
    sm2_backend: str | None
    """A name of ``crypto.sm2_backend.REGISTRY``; None takes the best that works."""
    signer_socket: Path | None
    """Where a signer process listens; None: every key signs in this process."""
    signer_kinds: frozenset[KeyKind]
    """What the signer signs with; serving processes have no private keys of these kinds."""
    serving_keystore: Path
    """The ring without those private keys; read instead of ``keystore`` where a signer is."""
    serving_master_key_file: Path
    allow_software_signing: bool
    """Pure-Python signing is not constant-time; only for hosts without SM2 in libcrypto."""


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[str] = []
        self._known: set[str] = set()

    def read(self, name: str, parse: Callable[[str], T], default: T) -> T:
        full = PREFIX + name
        self._known.add(full)
        text = self._environ.get(full, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as fault:
            self.faults.append(f"{full}: {fault}")
            return default

    def refuse_unknown(self) -> None:
        """A misspelt setting would silently keep its default."""
        for name in sorted(self._environ):
            if name.startswith(PREFIX) and name not in self._known | _FOREIGN:
                self.faults.append(f"{name}: no such setting")


_FOREIGN = {
    "YIMATONG_TEST_DATABASE_URL",
    "YIMATONG_TEST_POSTGRES",
    "YIMATONG_REQUIRE_BROWSER",
    "YIMATONG_REQUIRE_CLIENTS",
    "YIMATONG_TEST_PICTURES",
    "YIMATONG_BASE_URL",
}


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def _seconds(low: int, high: int) -> Callable[[str], timedelta]:
    whole = _whole(low, high)
    return lambda text: timedelta(seconds=whole(text))


def _days(low: int, high: int) -> Callable[[str], timedelta]:
    whole = _whole(low, high)
    return lambda text: timedelta(days=whole(text))


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise ValueError("a folder that exists")
    return Path(text)


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not parts.hostname:
            raise ValueError(f"an address that begins with {' or '.join(schemes)}://")
        return text.rstrip("/")

    return parse


def _database(text: str) -> str:
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("an address that begins with postgresql://")
    return text


def _socket(text: str) -> Path | None:
    if len(text.encode()) > SOCKET_PATH_MAX:
        raise ValueError(f"a path of at most {SOCKET_PATH_MAX} bytes")
    return Path(text)


def _signing_kinds(text: str) -> frozenset[KeyKind]:
    known = {kind.value: kind for kind in SIGNING_KINDS}
    named = [part.strip() for part in text.split(",")]
    if not set(named) <= set(known):
        raise ValueError(f"kinds that sign, with commas between: {', '.join(sorted(known))}")
    return frozenset(known[name] for name in named)


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("0 or 1")
    return text == "1"


def _mode(text: str) -> Mode:
    try:
        return Mode(text.lower())
    except ValueError:
        raise ValueError("sandbox or production") from None


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read every ``YIMATONG_`` variable. Raises ``SettingsFault`` with all faults."""
    reader = _Reader(environ)
    read = reader.read
    state_dir = read("STATE_DIR", Path, Path(".yimatong"))
    keys = state_dir / "keys"
    port = read("PORT", _whole(1, 65535), 8080)
    sandbox_port = read("SANDBOX_PORT", _whole(1, 65535), 8090)
    mode = read("MODE", _mode, Mode.SANDBOX)
    twin_url = f"http://127.0.0.1:{sandbox_port}" if mode is Mode.SANDBOX else None
    near = read_networks(LOOPBACK) if mode is Mode.SANDBOX else ()
    settings = Settings(
        mode=mode,
        state_dir=state_dir,
        database_url=read("DATABASE_URL", _database, None),
        keystore=read("KEYSTORE", Path, keys / "keystore"),
        master_key_file=read("MASTER_KEY_FILE", Path, keys / "master"),
        partners_file=read("PARTNERS_FILE", Path, state_dir / "partners.json"),
        trust_list=read("TRUST_LIST", Path, keys / "trust-list.json"),
        trust_roots=read("TRUST_ROOTS", Path, keys / "trust-roots"),
        host=read("HOST", str, "127.0.0.1"),
        port=port,
        public_url=read("PUBLIC_URL", _url("http", "https"), f"http://127.0.0.1:{port}"),
        twin_url=read("TWIN_URL", _url("http"), twin_url),
        sandbox_port=sandbox_port,
        worker_port=read("WORKER_PORT", _whole(1, 65535), None),
        workers=read("WORKERS", _whole(1, 64), 1),
        pool_size=read("POOL_SIZE", _whole(2, 200), 20),
        registrations_expected=read("REGISTRATIONS_EXPECTED", _whole(1_000, 10**9), 1_000_000),
        pay_within=read("PAY_WITHIN_S", _seconds(5, 86_400), timedelta(minutes=15)),
        post_within=read("POST_WITHIN_S", _seconds(5, 86_400), timedelta(minutes=10)),
        hand_out_within=read("HAND_OUT_WITHIN_S", _seconds(60, 2_592_000), timedelta(days=1)),
        poll_every=read("POLL_EVERY_S", _seconds(1, 3600), timedelta(seconds=30)),
        code_within=read("PAY_BY_CODE_WITHIN_S", _seconds(20, 120), timedelta(seconds=45)),
        code_ask_every=read("PAY_BY_CODE_ASK_EVERY_S", _seconds(1, 30), timedelta(seconds=5)),
        address_header=read("ADDRESS_HEADER", str, None),
        lease=read("LEASE_S", _seconds(2, 600), timedelta(seconds=30)),
        retry_after=read("RETRY_AFTER_S", _seconds(1, 600), timedelta(seconds=5)),
        ask_within=read("ASK_WITHIN_S", _seconds(2, 60), timedelta(seconds=10)),
        notice_networks=read("NOTICE_NETWORKS", read_networks, near),
        code_life_s=read("CODE_LIFE_S", _whole(10, 120), 60),
        certificate_roots=read("CERTIFICATE_ROOTS", _folder, None),
        certificate_life=read("CERTIFICATE_LIFE_DAYS", _days(1, 1096), timedelta(days=365)),
        require_certificates=read("REQUIRE_CERTIFICATES", _flag, False),
        credential_life_min=read("CREDENTIAL_LIFE_MIN", _whole(60, 4320), 2880),
        sm2_backend=read("SM2_BACKEND", str, None),
        signer_socket=read("SIGNER_SOCKET", _socket, None),
        signer_kinds=read("SIGNER_KINDS", _signing_kinds, SIGNER_KINDS),
        serving_keystore=read("SERVING_KEYSTORE", Path, keys / "serving-keystore"),
        serving_master_key_file=read("SERVING_MASTER_KEY_FILE", Path, keys / "serving-master"),
        allow_software_signing=read("ALLOW_SOFTWARE_SIGNING", _flag, False),
    )
    reader.refuse_unknown()
    if settings.mode is Mode.PRODUCTION:
        _refuse_sandbox(settings, reader.faults)
    if reader.faults:
        raise SettingsFault(reader.faults)
    return settings


def _refuse_sandbox(settings: Settings, faults: list[str]) -> None:
    if settings.database_url is None:
        faults.append("YIMATONG_DATABASE_URL: production needs a server of its own")
    if settings.twin_url is not None:
        faults.append("YIMATONG_TWIN_URL: production speaks to no twin")
    if not settings.public_url.startswith("https://"):
        faults.append("YIMATONG_PUBLIC_URL: production is reached by https")
