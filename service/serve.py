"""Serves the application with granian: one worker process a core, a pool in each."""

import os
from collections.abc import MutableMapping
from typing import Any

from granian import Granian
from granian.constants import Interfaces, Loops

from service.app import create_app
from service.kernel.collector import let_the_collector_rest
from service.kernel.entry import App, Receive, Scope, Send
from service.kernel.logs import get_logger, set_up_logs
from service.kernel.problems import NotSetUp
from service.settings import Settings, read_settings
from service.wiring import install_ciphers, open_context, pages_of

CONNECTIONS_MAX = 4096
"""Open ones of one process, idle ones too. All beyond wait unread, a watcher's question among them;
left to itself the server takes 1024, shared by all its processes."""
BACKLOG = 2048

_log = get_logger("serve")


class LazyApp:
    """Opens the context when the server's lifespan starts, in the process that serves."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if self._app is None:
            raise RuntimeError("the server sent a request before its lifespan began")
        await self._app(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            cipher = install_ciphers(self._settings)
            opened = open_context(self._settings, "serve")
            ctx = await opened.__aenter__()
        except Exception as fault:  # noqa: BLE001 - told to the server, which then stops
            _log.error("serve.not_started", fault=fault)
            told = str(fault) if isinstance(fault, NotSetUp) else type(fault).__name__
            await send({"type": "lifespan.startup.failed", "message": told})
            return
        self._app = create_app(ctx, cipher, pages_of(self._settings))
        let_the_collector_rest()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await opened.__aexit__(None, None, None)
        await send({"type": "lifespan.shutdown.complete"})


def make_app() -> LazyApp:
    """Granian's factory: called in each worker process."""
    set_up_logs("serve")
    return LazyApp(read_settings(os.environ))


def run_server(settings: Settings) -> int:
    """Serve until told to stop."""
    options: MutableMapping[str, Any] = {
        "address": settings.host,
        "port": settings.port,
        "interface": Interfaces.ASGI,
        "workers": settings.workers,
        "backlog": BACKLOG,
        "backpressure": CONNECTIONS_MAX,
        "loop": Loops.uvloop,
        "websockets": False,
        "log_access": False,
        "respawn_failed_workers": True,
        "workers_kill_timeout": 10,
    }
    Granian("service.serve:make_app", factory=True, **options).serve()
    return 0
