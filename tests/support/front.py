"""A front machine to ask without a socket: its operations behind an httpx client."""

import httpx

from service.front_machine.app import FrontMachine
from service.front_machine.http_server import Request
from service.kernel.clock import Clock
from service.reader.reading import FolderReader


class _InProcess(httpx.BaseTransport):
    def __init__(self, machine: FrontMachine) -> None:
        self._machine = machine

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = Request(
            request.method.encode(),
            request.url.raw_path,
            request.headers.get("authorization", "").encode(),
            request.read(),
        )
        (reply,) = self._machine.answer_all([asked])
        headers = {"content-type": reply.kind.decode(), "allow": reply.allow.decode()}
        return httpx.Response(reply.status, content=reply.body, headers=headers)


def front_client(reader: FolderReader, clock: Clock, secret: bytes | None = None) -> httpx.Client:
    """Asks the machine around an opened reader."""
    machine = FrontMachine(reader, clock, secret)
    return httpx.Client(transport=_InProcess(machine), base_url="http://front")
