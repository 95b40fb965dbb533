"""A fake WeChat in a test: copy this file beside your tests. It needs Python 3.9 and the program `wxgate`, on PATH or at
WXGATE_BIN; nothing else.

With pytest, in conftest.py:

    from wxgate_sandbox import wechat, wechat_sandbox

and in a test, whose world nobody else has:

    def test_login(wechat):
        user = wechat.user("Ann")
        code = wechat.control("login/code", appid=MINI_APPID, openid=user["openids"][MINI_APPID])["code"]
        assert my_backend(api_base=wechat.url).login(code) == ...
        assert [call["path"] for call in wechat.calls()] == ["/sns/jscode2session"]

Without pytest:

    with wxgate_sandbox.start() as wechat: ...

Accounts, codes that never run out and all control calls: `wechat.url` in a browser, or docs/sandbox.en.md of wxgate.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

APPID, SECRET = "wx00000000000000a1", "a1" * 16  # an official account
MINI_APPID, MINI_SECRET = "wx00000000000000b2", "b2" * 16  # a mini program
CALLBACK_TOKEN, AES_KEY = "sandboxtoken", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
TEMPLATE = "sandbox-template-00000000000000000000000001"

_READS = {"calls", "faults", "snapshot", "state", "worlds"}
_SECONDS = 20  # for the program to start, and for a control call: a push to a backend may take 15


class World:
    """A WeChat of its own. `url` is the base of its api, mp and open hosts."""

    def __init__(self, url: str) -> None:
        self.url = url

    def control(self, call: str, **members: Any) -> dict:
        """A control call: `control("fault", path="/cgi-bin/token", errcode=45009)`. What it refuses is a ValueError."""
        if call in _READS and (call != "worlds" or not members):
            return self._send("GET", f"{call}?{urlencode(members)}" if members else call)
        return self._send("POST", call, members)

    def user(self, nickname: str | None = None) -> dict:
        """A new WeChat user: {"user", "nickname", "unionid", "openids": {appid: openid}}."""
        return self.control("users", **({"nickname": nickname} if nickname else {}))

    def calls(self, **which: Any) -> list[dict]:
        """The calls that came, whole, oldest first; `which`: path, appid, since, limit (100)."""
        return self.control("calls", **which)["calls"]

    def reset(self, seed: int | None = None) -> None:
        """Back to the start; with a seed every id, token and code is the same again."""
        self.control("reset", **({} if seed is None else {"seed": seed}))

    def _send(self, method: str, call: str, members: dict | None = None) -> dict:
        body = None if members is None else json.dumps(members).encode()
        request = urllib.request.Request(f"{self.url}/sandbox/{call}", data=body, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy of the environment
        try:
            with opener.open(request, timeout=_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            raise ValueError(f"{method} /sandbox/{call}: {refused.code} {refused.read().decode()}") from None


class Sandbox(World):
    """The program, and its first world."""

    def __init__(self, process: subprocess.Popen, url: str) -> None:
        super().__init__(url)
        self._process = process

    def world(self, name: str | None = None, seed: int | None = None) -> World:
        """Another world, which nobody else has unless it is given a name that others know."""
        asked = {"name": name, "seed": seed}
        return World(self._send("POST", "worlds", {key: value for key, value in asked.items() if value is not None})["url"])

    def end(self, world: World) -> None:
        """Ends another world."""
        self._send("DELETE", f"worlds/{world.url.rsplit('/', 1)[1]}")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(*arguments: str) -> Sandbox:
    """Starts the program on a free port and returns when it answers; `arguments`: `--seed N`, `--world FILE`."""
    program = os.environ.get("WXGATE_BIN") or shutil.which("wxgate")
    if not program:
        raise FileNotFoundError("wxgate is not on PATH, and WXGATE_BIN doesn't say where it is")
    process = subprocess.Popen(
        [program, "sandbox", "--listen", "127.0.0.1:0", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    # It says where it listens when it does. What hangs is ended, and then says nothing.
    watch = threading.Timer(_SECONDS, process.kill)
    watch.start()
    line = process.stdout.readline()
    watch.cancel()
    url = re.search(r"http://[\d.:]+\d", line)
    if not url:
        process.kill()
        raise RuntimeError(f"{program} sandbox did not start (it says why on standard error): exit code {process.wait()}")
    return Sandbox(process, url[0])


try:
    import pytest
except ImportError:
    pass
else:

    @pytest.fixture(scope="session")
    def wechat_sandbox() -> Iterator[Sandbox]:
        """One program for all tests."""
        with start() as sandbox:
            yield sandbox

    @pytest.fixture
    def wechat(wechat_sandbox: Sandbox) -> Iterator[World]:
        """A WeChat of this test alone, so that tests may run side by side."""
        world = wechat_sandbox.world()
        yield world
        wechat_sandbox.end(world)
