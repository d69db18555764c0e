"""Runs a front machine: one process, the lists looked at every two seconds, the log made durable
four times a second."""

import asyncio
import os
import ssl
from collections.abc import Callable
from pathlib import Path

import msgspec

from service.front_machine.app import FrontMachine
from service.front_machine.http_server import HttpServer
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
        other_roots=_tell_roots,
    )


def _tell_roots(before: tuple[str, ...], now: tuple[str, ...]) -> None:
    """Whoever puts a trust file there decides who is believed: a person must know of it."""
    _log.warning("roots.changed", before=", ".join(before), now=", ".join(now))


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


def tls_of(settings: FrontSettings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with the operator's certificate. ``OSError`` or ``ValueError`` if it does
    not fit its key."""
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except ssl.SSLError as fault:
        raise ValueError(f"--tls-cert and --tls-key: {fault.reason or fault}") from None
    return context


async def serve_front(
    settings: FrontSettings, stop: asyncio.Event, say: Callable[[str], None]
) -> None:
    """Serve until ``stop``, and ``say`` where. ``OSError``, ``CryptoError`` or ``ValueError`` if it
    cannot begin."""
    clock = SystemClock()
    secret = read_secret(settings)
    tls = tls_of(settings)
    check_folder(settings.folder)
    reader = open_reader(settings.folder, clock)
    machine = FrontMachine(reader, clock, secret)
    server = HttpServer(machine.answer_all, machine.refuse)
    chores: list[asyncio.Task[None]] = []
    try:
        try:
            await server.listen(settings.host, settings.port, tls)
        except OSError as fault:
            reason = os.strerror(fault.errno) if fault.errno else str(fault)
            raise OSError(f"cannot listen at {address_of(settings)}: {reason}") from None
        chores += [
            asyncio.create_task(_keep_fresh(reader, clock)),
            asyncio.create_task(_keep_durable(reader)),
            asyncio.create_task(server.sweep()),
        ]
        say(f"listening at {address_of(settings)}")
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({stopping, *chores}, return_when=asyncio.FIRST_COMPLETED)
        for chore in chores:
            if chore.done():
                chore.result()
    finally:
        server.close()
        for task in chores:
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
