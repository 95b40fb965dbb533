#!/usr/bin/env python3
"""Instructions a request, by callgrind: exact where times wander, so that a change shows.

    bench/counts.py [--record] [token|pass|service|callback ...]

Each figure is what the process executes for 1,000 requests of one kept connection, after as many to warm up, divided by
them. SHA and AES run in software there, so theirs is more than it costs in service. `--record` writes counts.json, which
holds the figures of one rustc and one lock file; else they are compared with it: 5 % more is an error.
"""

import argparse
import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import run as bench

HERE = Path(__file__).resolve().parent
COUNT = 1000
ALLOWED = 1.05


def identity() -> dict:
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    lock = hashlib.sha256((HERE.parent / "Cargo.lock").read_bytes()).hexdigest()[:16]
    return {"rustc": rustc, "lock": lock}


def counted(name: str, upstream: str, requests) -> float:
    """Instructions a request of those that `requests` makes from a number."""
    folder = Path(tempfile.mkdtemp(prefix="wxgate-counts-"))
    own, admin = bench.address(), bench.address()
    (folder / "wxgate.toml").write_text(bench.config(own, admin, upstream))
    os.chmod(folder / "wxgate.toml", 0o600)
    command = ["taskset", "-c", "0", "valgrind", "--tool=callgrind", "--callgrind-out-file=out", os.environ["WXGATE_BIN"], "serve"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=open(folder / "log", "w"))
    connection = None
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection(*own.split(":"), timeout=60)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            break
        except OSError:
            if process.poll() is not None:
                raise SystemExit((folder / "log").read_text()[-2000:])
            time.sleep(0.2)

    def ask(first: int) -> None:
        for n in range(first, first + COUNT):
            method, target, body, headers = requests(n)
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 200 or b'"errcode":4' in said or b'"code":3' in said:
                raise SystemExit(f"{name}: {answer.status} {said[:300]}")

    ask(0)
    control = ["callgrind_control", str(process.pid)]
    subprocess.run([*control, "-z"], check=True, stdout=subprocess.DEVNULL)
    ask(COUNT)
    subprocess.run([*control, "-d"], check=True, stdout=subprocess.DEVNULL)
    process.kill()
    process.wait()
    dumps = sorted(folder.glob("out.*"), key=lambda path: path.stat().st_mtime)
    totals = [re.search(r"^(?:summary|totals): (\d+)", dump.read_text(), re.M) for dump in dumps]
    shutil.rmtree(folder, ignore_errors=True)
    return max(int(total[1]) for total in totals if total) / COUNT


KEYED = {"Authorization": f"Bearer {bench.KEY}", "X-Wx-Appid": bench.APPID}
FIGURES = {
    "token": lambda n: ("GET", f"/cgi-bin/token?grant_type=client_credential&appid={bench.APPID}&secret={bench.KEY}", None, {}),
    "pass": lambda n: ("GET", "/cgi-bin/user/info?openid=oi2gjcX9COk0CXktAhOgmjS7", None, KEYED),
    "service": lambda n: ("POST", "/v1/service/wx/sendwxtemplatemsg", json.dumps({"source": "bench", "appid": bench.APPID, "openid": "oi2gjcX9COk0CXktAhOgmjS7_01E", "template_id": "TM00015", "data": {"thing1": {"value": "tea"}, "time2": {"value": "2026-01-01"}}}), KEYED),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", choices=[[], *FIGURES])
    parser.add_argument("--record", action="store_true")
    args = parser.parse_args()
    if not shutil.which("valgrind"):
        print("skipped: no valgrind here (Debian: valgrind)")
        return
    bench.CACHE.mkdir(parents=True, exist_ok=True)
    bin, upstream = bench.rust(), bench.address()
    wechat = bench.start("upstream", [str(bin / "upstream"), upstream], upstream, core=1)
    try:
        found = {name: round(counted(name, upstream, FIGURES[name])) for name in args.figures or FIGURES}
    finally:
        wechat.process.terminate()
    kept = HERE / "counts.json"
    if args.record:
        kept.write_text(json.dumps({**identity(), "instructions": found}, indent=2) + "\n")
    before = json.loads(kept.read_text()) if kept.exists() else {"instructions": {}}
    is_same = all(before.get(name) == value for name, value in identity().items())
    worse = []
    for name, count in found.items():
        was = before["instructions"].get(name)
        print(f"{name}: {count:,} instructions a request" + (f" ({count / was:.3f} of the recorded {was:,})" if was else ""))
        if was and is_same and count > was * ALLOWED:
            worse.append(name)
    if before["instructions"] and not is_same:
        print("not compared: another rustc or lock file than recorded; record anew with --record")
    if worse:
        sys.exit(f"over 5 % more than recorded: {', '.join(worse)}")


if __name__ == "__main__":
    main()
