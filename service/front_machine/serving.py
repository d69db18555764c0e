"""Runs a front machine: one process, the lists looked at every two seconds, the log made durable
four times a second."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from service.front_machine.app import create_front_app
from service.kernel.clock import Clock, SystemClock
from service.kernel.logs import get_logger
from service.reader.files import read_bounded
from service.reader.reading import FolderReader
from service.reader.tills import TillsFile

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
SECRET_MIN, SECRET_MAX = 16, 256
REFRESH_S, SYNC_S = 2.0, 0.25

_log = get_logger("front_machine")


class FrontSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a front machine keeps its files and listens."""

    folder: Path
    host: str
    port: int
    secret_file: Path | None
    tls_cert: Path | None = None
    tls_key: Path | None = None


def read_secret(settings: FrontSettings) -> bytes | None:
    """The shared secret. ``ValueError`` if there must be one and there is none good enough."""
    if settings.secret_file is None:
        if settings.host not in LOOPBACK:
            raise ValueError("--secret-file is needed to listen on other than loopback")
        return None
    secret = read_bounded(settings.secret_file, SECRET_MAX).strip()
    if len(secret) < SECRET_MIN or not secret.isascii():
        raise ValueError(f"the secret needs {SECRET_MIN} to {SECRET_MAX} ASCII letters")
    return secret


def open_reader(folder: Path, clock: Clock) -> FolderReader:
    """``folder`` holds ``trust.json``, any lists under ``revoked``, and ``tills.json``; ``state``
    is ours."""
    revoked = folder / "revoked"
    return FolderReader(
        trust_file=folder / "trust.json",
        revoked_files=lambda: sorted(path for path in revoked.glob("*") if path.is_file()),
        state=folder / "state",
        now=clock.now(),
        tills=TillsFile(folder / "tills.json"),
    )


def address_of(settings: FrontSettings) -> str:
    """Where desks find it."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "http" if settings.tls_cert is None else "https"
    return f"{scheme}://{host}:{settings.port}"


def check_folder(folder: Path) -> None:
    """``ValueError`` with what is missing, before anything is made in it."""
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "is not there"
        raise ValueError(f"--state: {folder} {what}; it is the folder that holds trust.json")
    kept = folder / "state" / "trust.json"
    if not (folder / "trust.json").exists() and not kept.exists():
        raise ValueError(f"--state: {folder} holds no trust.json, the platform's trust file")


def check_free(settings: FrontSettings) -> None:
    """``OSError`` if somebody listens there: the server itself would share the port with a second
    front machine, and each would remember half of what was shown."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as fault:
            raise OSError(f"cannot listen at {address_of(settings)}: {fault.strerror}") from None


async def serve_front(
    settings: FrontSettings, stop: asyncio.Event, say: Callable[[str], None]
) -> None:
    """Serve until ``stop``, and ``say`` where. ``OSError``, ``CryptoError`` or ``ValueError`` if it
    cannot begin."""
    clock = SystemClock()
    secret = read_secret(settings)
    check_folder(settings.folder)
    check_free(settings)
    reader = open_reader(settings.folder, clock)
    server = Server(
        create_front_app(reader, clock, secret),
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        ssl_cert=settings.tls_cert,
        ssl_key=settings.tls_key,
        log_enabled=False,
    )
    server.on_startup(lambda: say(f"listening at {address_of(settings)}"))
    chores = [
        asyncio.create_task(_keep_fresh(reader, clock)),
        asyncio.create_task(_keep_durable(reader)),
    ]
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping, *chores}, return_when=asyncio.FIRST_COMPLETED)
        server.stop()  # type: ignore[no-untyped-call]  # granian leaves it bare
        await asyncio.wait({serving}, timeout=10)
        if serving.done() and (fault := serving.exception()) is not None:
            reason = str(fault).partition("\n")[0]
            raise OSError(f"cannot listen at {address_of(settings)}: {reason}")
    finally:
        for task in (stopping, *chores):
            task.cancel()
        reader.close()


async def _keep_fresh(reader: FolderReader, clock: SystemClock) -> None:
    while True:
        await asyncio.sleep(REFRESH_S)
        try:
            reader.refresh(clock.now())
        except (OSError, ValueError) as fault:
            _log.error("lists.not_read", fault=fault)


async def _keep_durable(reader: FolderReader) -> None:
    while True:
        await asyncio.sleep(SYNC_S)
        try:
            await asyncio.to_thread(reader.log.sync)
        except OSError as fault:
            _log.error("shown_log.not_synced", fault=fault)
