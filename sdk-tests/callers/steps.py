"""What the Python callers share: the environment they are run with, and the lines they print (README.md)."""

import json
import os
import sys
import time
from collections.abc import Callable

base = os.environ.get("BASE", "")  # programs with fixed hosts have none
appid, secret, openid = (os.environ[name] for name in ("APPID", "SECRET", "OPENID"))
mini_appid, mini_secret, mini_openid = (os.environ.get(name, "") for name in ("MINI_APPID", "MINI_SECRET", "MINI_OPENID"))
loops, pause = int(os.environ.get("LOOPS", "1")), int(os.environ.get("PAUSE_MS", "0")) / 1000

TEMPLATE = "sandbox-template-00000000000000000000000001"
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40 + b"\xff\xd9"


def held() -> None:
    """With HELD it stays until its standard input ends, so that a test may look into it."""
    if os.environ.get("HELD"):
        print(json.dumps({"step": "held", "ok": True}), flush=True)
        sys.stdin.read()


def run(steps: dict[str, Callable[[], object]], at_the_end: Callable[[], None] = lambda: None) -> None:
    """All steps, `loops` times; a step fails by raising or by a false result."""
    failed = False
    for turn in range(loops):
        if turn:
            time.sleep(pause)
        for name, step in steps.items():
            began, error = time.monotonic(), None
            try:
                if not step():
                    error = "not what it should be"
            except Exception as raised:
                error = f"{type(raised).__name__}: {raised}"
            line = {"step": name, "ok": error is None, "ms": round((time.monotonic() - began) * 1000)}
            print(json.dumps(line | ({"error": error} if error else {}), ensure_ascii=False), flush=True)
            failed = failed or error is not None
    at_the_end()
    sys.exit(failed)
