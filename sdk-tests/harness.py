"""Processes the tests need: the sandbox, the gateway, receivers. All end with their `with` block."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import wxgate_sandbox

WXGATE = os.environ.get("WXGATE_BIN", "wxgate")
RECEIVERS = Path(__file__).parent / "receivers"
HAS_NODE = bool(os.environ.get("WXGATE_SDK_NODE"))  # where node_modules lies; empty when npm's registry wasn't reached
# Where the programs of silenceper/ and wxjava/ lie, the latter with their jars; empty when `run` couldn't build them.
GO = os.environ.get("WXGATE_SDK_GO", "")
JAVA = os.environ.get("WXGATE_SDK_JAVA", "")
ADMIN_TOKEN = "admin-token-of-the-sdk-tests-0123456789"

# The sandbox's first account.
APPID = "wx00000000000000a1"
SECRET = "a1" * 16
ORIGINAL_ID = "gh_0000000000a1"
CALLBACK_TOKEN = "sandboxtoken"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
# Its mini program.
MINI_APPID = "wx00000000000000b2"
MINI_SECRET = "b2" * 16


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(what: str, look: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true value of `look`; fails with `what` if there is none in time."""
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return found


def http(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and body; 0 while nobody listens. Proxies of the environment are not asked."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
    except (ConnectionError, urllib.error.URLError):
        return 0, ""


@contextmanager
def process(command: list[str], log: Path, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen]:
    with log.open("ab") as out:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=os.environ | (env or {})
        )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def started(child: subprocess.Popen, log: Path, look: Callable[[], Any]) -> Any:
    """Waits for `look`; a child that ended or never came up fails with its log."""

    def alive() -> Any:
        if child.poll() is not None:
            raise AssertionError(f"{log.name}: ended with {child.returncode}\n{log.read_text()[-3000:]}")
        return look()

    try:
        return eventually(f"{log.name} is up", alive)
    except AssertionError as late:
        raise AssertionError(f"{late}\n{log.read_text()[-3000:]}") from None


@dataclass
class Sandbox:
    url: str

    def control(self, call: str, **members: Any) -> dict:
        """A call of `/sandbox/*` that must work."""
        method = "GET" if call == "state" else "POST"
        body = json.dumps(members).encode() if method == "POST" else None
        status, text = http(method, f"{self.url}/sandbox/{call}", body, {"content-type": "application/json"})
        assert status == 200, f"/sandbox/{call}: HTTP {status}: {text}"
        return json.loads(text)

    def user(self, appid: str = APPID) -> str:
        """A new user's openid."""
        return self.control("users")["openids"][appid]

    def push(self, call: str, **members: Any) -> dict:
        """The one attempt of the one push which a call causes; no `reply`, no `error`: None."""
        pushes = self.control(call, **members)["pushes"]
        assert len(pushes) == 1 and len(pushes[0]["attempts"]) == 1, pushes
        return {"reply": None, "error": None} | pushes[0]["attempts"][0]


@contextmanager
def sandbox() -> Iterator[Sandbox]:
    with wxgate_sandbox.start() as started:
        yield Sandbox(started.url)


@dataclass
class Gateway:
    url: str
    admin: str

    def api(self, path: str, **query: str) -> dict:
        """GET of the admin API."""
        url = f"{self.admin}/api/v1/{path}?{urlencode(query)}"
        status, text = http("GET", url, headers={"authorization": f"Bearer {ADMIN_TOKEN}"})
        assert status == 200, f"{path}: HTTP {status}: {text}"
        return json.loads(text)

    def service(self, endpoint: str, **members: Any) -> dict:
        """The body of a service call that must work."""
        body = json.dumps({"source": "sdk-tests", "appid": APPID} | members).encode()
        status, text = http("POST", f"{self.url}/v1/service/wx/{endpoint}", body)
        answer = json.loads(text or "{}")
        assert status == 200 and answer["ret"]["code"] == 0, f"{endpoint}: HTTP {status}: {text}"
        return answer["body"]


def head(sandbox_url: str, port: int, admin_port: int, auth: str = "off") -> str:
    """The part of the configuration that every test needs: who may call, the sandbox for WeChat."""
    return f"""
[server]
listen = "127.0.0.1:{port}"
admin_listen = "127.0.0.1:{admin_port}"
[store]
url = "sqlite:wxgate.db"
[auth]
mode = "{auth}"
[wechat]
api_base = "{sandbox_url}"
mp_base = "{sandbox_url}"
open_base = "{sandbox_url}"
"""


def check(folder: Path, toml: str) -> str:
    """What `wxgate check` says of `head` and `toml`."""
    config = folder / "check.toml"
    config.write_text(head("http://127.0.0.1:9", free_port(), free_port()) + toml)
    run = subprocess.run([WXGATE, "check", "--config", config], capture_output=True, text=True, timeout=60)
    return run.stdout + run.stderr


@contextmanager
def gateway(folder: Path, wechat: Sandbox, toml: str, auth: str = "off") -> Iterator[Gateway]:
    """`toml`: apps, callers, routes. `auth`: "off" or "keys"."""
    port, admin_port, log = free_port(), free_port(), folder / "gateway.log"
    config = folder / "wxgate.toml"
    config.write_text(head(wechat.url, port, admin_port, auth) + toml)
    admin = f"http://127.0.0.1:{admin_port}"
    with process([WXGATE, "serve", "--config", str(config)], log, {"WXGATE_ADMIN_TOKEN": ADMIN_TOKEN}) as child:
        started(child, log, lambda: http("GET", f"{admin}/readyz")[0] == 200)
        yield Gateway(f"http://127.0.0.1:{port}", admin)


@dataclass
class Receiver:
    url: str
    log: Path

    def entries(self) -> list[dict]:
        """What it judged so far, in order."""
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


def java(name: str) -> list[str]:
    """The command that runs a class of wxjava/."""
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{JAVA}/classes:{JAVA}/jars/*", name]


def command(program: str) -> list[str]:
    """`program`: a file of receivers/, of silenceper/ (its folder) or of wxjava/ (its class)."""
    kind = Path(program).suffix
    if kind == ".py":
        return [sys.executable, str(RECEIVERS / program)]
    if kind == ".mjs":
        return ["node", str(RECEIVERS / program)]
    if kind == ".java":
        return java(Path(program).stem)
    return [f"{GO}/{program}"]


def can_run(program: str) -> bool:
    """Whether `run` could install what the program needs."""
    return {".py": True, ".mjs": HAS_NODE, ".java": bool(JAVA)}.get(Path(program).suffix, bool(GO))


@contextmanager
def receiver(folder: Path, name: str, program: str, **settings: str) -> Iterator[Receiver]:
    """`name` tells two of one program apart."""
    output, log = folder / f"{name}.out", folder / f"{name}.jsonl"
    with process([*command(program), json.dumps({"log": str(log)} | settings)], output) as child:

        def port() -> str | None:
            lines = [line for line in output.read_text().splitlines() if line.startswith("listening ")]
            return lines[0].split()[1] if lines else None

        yield Receiver(f"http://127.0.0.1:{started(child, output, port)}/callback", log)
