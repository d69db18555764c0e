"""Reads the forms of a twin's book page and sends them as the page's script does."""

from html.parser import HTMLParser
from typing import Any

import httpx


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[dict[str, str | None], dict[str, str | None]]] = []
        self.cells: list[str] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self.forms.append((found, {}))
        elif tag in {"input", "select"}:
            self.forms[-1][1][found["name"] or ""] = found["data-kind"]
        self._in_cell = tag == "td"

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = False


class TwinPage:
    """One twin's page, asked for anew each time."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def cells(self) -> list[str]:
        """What stands in the tables, in the order of the page."""
        return (await self._read()).cells

    async def send(self, path: str, **filled: str) -> httpx.Response:
        """Send the form of this path that has these inputs; with none, the form that has none."""
        forms = (await self._read()).forms
        said, kinds = next(
            (said, kinds)
            for said, kinds in forms
            if said["data-path"] == path
            and set(filled) <= set(kinds)
            and bool(filled) == bool(kinds)
        )
        body: dict[str, Any] = {
            name: int(text) if kinds[name] == "number" else text for name, text in filled.items()
        }
        shapes = {"object": body, "objects": [body], "values": list(body.values())}
        url = f"/sandbox/{path}"
        if said["data-method"] == "DELETE":
            return await self._client.delete(url)
        return await self._client.post(url, json=shapes[said["data-shape"] or ""])

    async def _read(self) -> _Forms:
        page = await self._client.get("/sandbox/")
        assert page.status_code == 200
        assert "form-action 'none'" in page.headers["content-security-policy"]
        forms = _Forms()
        forms.feed(page.text)
        return forms
