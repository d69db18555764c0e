"""A server of lists that answers as it is told to, honestly or not."""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Answer = Callable[[BaseHTTPRequestHandler], None]


class ListServer:
    """``answers``: a path without its query to what is done there. ``asked``: what came."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.address = ""

    def serve(self, path: str, content: bytes, etag: str = "") -> None:
        """The content, with its tag honoured."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            if etag and handler.headers.get("if-none-match") == etag:
                handler.send_response(304)
                handler.end_headers()
                return
            handler.send_response(200)
            handler.send_header("content-length", str(len(content)))
            if etag:
                handler.send_header("etag", etag)
            handler.end_headers()
            handler.wfile.write(content)

        self.answers[path] = answer

    def endless(self, path: str) -> None:
        """A body that does not end."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    handler.wfile.write(b"A" * 65_536)

        self.answers[path] = answer

    def dripping(self, path: str, for_s: float) -> None:
        """A byte now and then."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.end_headers()
            end = time.monotonic() + for_s
            with contextlib.suppress(OSError):
                while time.monotonic() < end:
                    handler.wfile.write(b"A")
                    time.sleep(0.05)

        self.answers[path] = answer

    def cut(self, path: str, content: bytes) -> None:
        """Half of what the length promises."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("content-length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[: len(content) // 2])

        self.answers[path] = answer

    def elsewhere(self, path: str, target: str) -> None:
        """A redirect."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(302)
            handler.send_header("location", target)
            handler.end_headers()

        self.answers[path] = answer


@contextmanager
def a_list_server() -> Iterator[ListServer]:
    """On a free port of this machine."""
    lists = ListServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            lists.asked.append(self.path)
            answer = lists.answers.get(self.path.partition("?")[0])
            if answer is None:
                self.send_response(404)
                self.end_headers()
                return
            answer(self)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    lists.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield lists
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
