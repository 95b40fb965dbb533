"""What the Python callers share: the environment they are run with, and the lines they print (README.md)."""

import json
import os
import sys
import time
from collections.abc import Callable

base = os.environ["BASE"]
appid, secret, openid = (os.environ[name] for name in ("APPID", "SECRET", "OPENID"))
mini_appid, mini_secret, mini_openid = (os.environ[name] for name in ("MINI_APPID", "MINI_SECRET", "MINI_OPENID"))
loops, pause = int(os.environ.get("LOOPS", "1")), int(os.environ.get("PAUSE_MS", "0")) / 1000

TEMPLATE = "sandbox-template-00000000000000000000000001"
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40 + b"\xff\xd9"


def run(steps: dict[str, Callable[[], object]]) -> None:
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
    sys.exit(failed)
