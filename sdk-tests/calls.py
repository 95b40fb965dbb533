"""The callers as data: programs that call WeChat by an SDK, and what they print."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness import APPID, GO, HAS_NODE, JAVA, MINI_APPID, Sandbox, java

CALLERS = Path(__file__).parent / "callers"


@dataclass(frozen=True)
class Caller:
    name: str
    source: str  # in this folder; the pages under docs/sdk show parts of it
    command: list[str]
    installed: bool

    def start(self, folder: Path, env: dict[str, str]) -> "Run":
        """Runs it in a folder of its own: some SDKs keep their token in a file there."""
        home = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=folder))
        with (home / "stdout").open("wb") as out, (home / "stderr").open("wb") as err:
            child = subprocess.Popen(
                self.command, cwd=home, env=os.environ | env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        return Run(child, home)


@dataclass(frozen=True)
class Run:
    child: subprocess.Popen
    home: Path

    def lines(self, seconds: float = 60) -> list[dict]:
        """What it printed, if it ended well; fails with the first steps that failed."""
        try:
            status = self.child.wait(seconds)
        finally:
            self.child.kill()
        lines = [json.loads(line) for line in (self.home / "stdout").read_text(encoding="utf-8").splitlines()]
        failed = [line for line in lines if not line["ok"]]
        assert not failed, f"{len(failed)} of {len(lines)} failed: {failed[:5]}"
        assert lines and status == 0, f"ended with {status}: {(self.home / 'stderr').read_text()[-2000:]}"
        return lines


def node(name: str, program: str) -> Caller:
    return Caller(name, f"callers/{program}", ["node", str(CALLERS / program)], HAS_NODE)


KNOWN = [
    Caller("wechatpy", "callers/wechatpy_calls.py", [sys.executable, str(CALLERS / "wechatpy_calls.py")], True),
    node("co-wechat-api", "co_wechat_calls.mjs"),
    node("node-easywechat", "easywechat_calls.mjs"),
    Caller("silenceper", "silenceper/calls/main.go", [f"{GO}/calls"], bool(GO)),
    Caller("wxjava", "wxjava/Calls.java", java("Calls"), bool(JAVA)),
]


def environment(wechat: Sandbox, base: str, secret: str, mini_secret: str, loops: int = 1, pause_ms: int = 0) -> dict[str, str]:
    """What a caller reads: where it calls, as whom, and a new user who follows the account and has just written to it."""
    openids = wechat.control("users")["openids"]
    wechat.control("event", appid=APPID, openid=openids[APPID], event="subscribe", key="")
    for appid in (APPID, MINI_APPID):  # which allows five customer-service messages
        wechat.control("message", appid=appid, openid=openids[appid], text="在吗")
    return {
        "BASE": base,
        "APPID": APPID,
        "SECRET": secret,
        "OPENID": openids[APPID],
        "MINI_APPID": MINI_APPID,
        "MINI_SECRET": mini_secret,
        "MINI_OPENID": openids[MINI_APPID],
        "LOOPS": str(loops),
        "PAUSE_MS": str(pause_ms),
    }
