"""What operators do at the console's page, and what stands in a running system before they do."""

import asyncio
import re
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from playwright.sync_api import Page, expect

from service.kernel.context import Context
from service.settings import read_settings
from service.wiring import open_context
from tests.support.console_rig import code_at
from tests.support.running import RunningSystem

WHO = ("--by", "chief", "--because", "hired")
STEP_S = 30
_T = TypeVar("_T")


def in_the_system(system: RunningSystem, job: Callable[[Context], Awaitable[_T]]) -> _T:
    """What ``job(ctx)`` gives, over the running system's own database and keys; in a thread, for
    Playwright's loop runs in ours."""
    given: list[_T] = []

    async def run() -> None:
        async with open_context(read_settings(system.env), "test") as ctx:
            given.append(await job(ctx))

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    thread.join()
    return given[0]


class Steward:
    """An operator with his authenticator app, enrolled by command."""

    def __init__(self, system: RunningSystem, name: str, *roles: str) -> None:
        self.base_url = system.base_url
        self.name = name
        listed = [part for role in roles for part in ("--role", role)]
        added = system.run("console", "add", "--name", name, *listed, *WHO)
        added.check_returncode()
        found = re.search(r"password (\S+)\n(otpauth://\S+)", added.stdout)
        assert found is not None, added.stdout
        self.password, self.factor = found[1], found[2]
        self._used = 0

    def code(self) -> str:
        """A code that was not used yet: the app's next one, where the present one was."""
        step = max(int(time.time()) // STEP_S, self._used + 1)
        while step > int(time.time()) // STEP_S + 1:
            time.sleep(1)
        self._used = step
        return code_at(self.factor, step * STEP_S)

    def sign_in(self, page: Page) -> None:
        """At the console's page, from the first field to the first screen."""
        page.goto(f"{self.base_url}/console")
        self.type_in(page)
        expect(page.get_by_role("button", name="退出")).to_be_visible()

    def type_in(self, page: Page, password: str = "", code: str = "") -> None:
        """Only the fields and the button; what is not given is right."""
        page.get_by_label("用户名").fill(self.name)
        page.get_by_label("密码").fill(password or self.password)
        page.get_by_label("动态验证码").fill(code or self.code())
        page.get_by_role("button", name="登录", exact=True).click()
