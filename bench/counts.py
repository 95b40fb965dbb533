#!/usr/bin/env python3
"""Instructions a request under callgrind, against the committed figures.

    bench/counts.py [--record] [--keep FOLDER]      WXGATE_BIN: the release binary, absolute; WXGATE_DECODE_BIN: the decoder's example

Times wander, counts don't: one kept connection, so many requests that all is warm, then 1,000 more which count. Figures are
those of one compiler, machine and lock file: another lock file wants them recorded anew (`--record`), and with another compiler or
machine they are only printed.
"""

import argparse
import hashlib
import http.client
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from measure import HERE, address
from yardsticks import APPID, KEY, PASSED, config

RECORD = HERE / "counts.json"
WARM, COUNTED, MARGIN = 300, 1000, 0.05
POST = {"Authorization": f"Bearer {KEY}", "X-Wx-Appid": APPID, "Content-Type": "application/json"}
DATA = '"data":{"thing1":{"value":"tea"},"time2":{"value":"2026-01-01"}}'
REQUESTS = {
    "token read": ("GET", f"/cgi-bin/token?grant_type=client_credential&appid={APPID}&secret={KEY}", {}, None),
    "pass-through, 200 B": ("GET", PASSED, {"Authorization": f"Bearer {KEY}", "X-Wx-Appid": APPID}, None),
    "service call": ("POST", "/v1/service/wx/sendwxtemplatemsg", POST, f'{{"source":"bench","appid":"{APPID}","openid":"oi2gjcX9COk0CXktAhOgmjS7_01E","template_id":"TM00015",{DATA}}}'),
    "its own pass-through": ("POST", "/cgi-bin/message/template/send", POST, f'{{"touser":"oi2gjcX9COk0CXktAhOgmjS7_01E","template_id":"TM00015",{DATA}}}'),
}


class WeChat(http.server.BaseHTTPRequestHandler):
    """WeChat as far as it is needed: fixed answers by path, each in one piece."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = {"openid": ["o" * 28], "next": "n" * 112}
        if self.path.split("?")[0].endswith("token"):
            body = {"access_token": "75_" + "t" * 133, "expires_in": 7200}
        elif "/send" in self.path:
            body = {"errcode": 0, "errmsg": "ok", "msgid": 3921234567890123456}
        text = json.dumps(body).encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text))

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


def ask(connection: http.client.HTTPConnection, request: tuple) -> bytes:
    method, path, headers, body = request
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != 200 or b'"errcode":4' in said:
        raise SystemExit(f"{path}: {answer.status} {said.decode()}")
    return said


def instructions(file: Path) -> int:
    text = file.read_text()
    found = re.search(r"^totals: (\d+)", text, re.M) or re.search(r"^summary: (\d+)", text, re.M)
    return int(found[1])


def served(binary: str, folder: Path) -> dict[str, int]:
    """Instructions a request, by kind, of the whole process."""
    wechat = http.server.ThreadingHTTPServer(("127.0.0.1", 0), WeChat)
    threading.Thread(target=wechat.serve_forever, daemon=True).start()
    own, admin = address(), address()
    (folder / "wxgate.toml").write_text(config(own, admin, f"127.0.0.1:{wechat.server_port}", "", 1, "failures", None))
    os.chmod(folder / "wxgate.toml", 0o600)
    process = subprocess.Popen(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", binary, "serve"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=(folder / "log").open("w"),
    )
    try:
        connection = http.client.HTTPConnection(own, timeout=60)
        for _ in range(600):
            try:
                ask(connection, REQUESTS["token read"])
                break
            except OSError:
                connection.close()
                if process.poll() is not None:
                    raise SystemExit(f"it ended: {(folder / 'log').read_text()[-2000:]}")
                time.sleep(0.1)
        found, control = {}, lambda *what: subprocess.run(["callgrind_control", *what, str(process.pid)], check=True, stdout=subprocess.DEVNULL)
        for n, (name, request) in enumerate(REQUESTS.items(), 1):
            for _ in range(WARM):
                ask(connection, request)
            control("-z")
            for _ in range(COUNTED):
                ask(connection, request)
            control(f"-d={name.replace(' ', '-').replace(',', '')}")
            found[name] = instructions(folder / f"out.{n}") // COUNTED
            print(f"  {name}: {found[name]}", file=sys.stderr, flush=True)
        return found
    finally:
        process.terminate()
        process.wait(timeout=60)
        wechat.shutdown()


def decoded(binary: str, folder: Path) -> int:
    """Instructions that verifying, decrypting and parsing one message of 1 KB takes."""
    found = []
    for times in (1000, 2000):
        out = folder / f"decode.{times}"
        subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", binary, str(times)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found.append(instructions(out))
    return (found[1] - found[0]) // 1000


def made_by() -> dict[str, str]:
    """What the counts depend on, the code aside."""
    says = lambda *command: subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.M)[1].split()) if cpuinfo.exists() else set()
    machine = " ".join([os.uname().machine, *(flag for flag in ("avx2", "bmi2", "aes", "sha_ni") if flag in flags)])
    lock = hashlib.sha256((HERE.parent / "Cargo.lock").read_bytes()).hexdigest()[:16]
    return {"rustc": says("rustc", "--version"), "valgrind": says("valgrind", "--version"), "libc": says("getconf", "GNU_LIBC_VERSION"), "machine": machine, "Cargo.lock": lock}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write the figures down")
    parser.add_argument("--keep", type=Path, help="leave callgrind's files here")
    args = parser.parse_args()
    if not shutil.which("valgrind"):
        print("skipped: no valgrind here (Debian: valgrind)")
        return
    with tempfile.TemporaryDirectory(prefix="wxgate-counts-") as made:
        folder = args.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        found = served(os.environ["WXGATE_BIN"], folder)
        if decoder := os.environ.get("WXGATE_DECODE_BIN"):
            found["callback decode, 1 KB"] = decoded(decoder, folder)
    by, known = made_by(), json.loads(RECORD.read_text()) if RECORD.exists() else {"by": {}, "instructions": {}}
    is_same_machine = all(by[name] == known["by"].get(name) for name in ("rustc", "valgrind", "libc", "machine"))
    print("| instructions | now | committed | |\n|---|---|---|---|")
    worse = []
    for name, count in found.items():
        was = known["instructions"].get(name)
        change = count / was - 1 if was else 0
        if was and abs(change) > MARGIN:
            worse.append(name)
        print(f"| {name} | {count} | {was or '–'} | {change:+.1%} |")
    if args.record:
        RECORD.write_text(json.dumps({"by": by, "instructions": found}, indent=2) + "\n")
    elif not is_same_machine:
        print(f"not judged: the committed figures are of {known['by']}, this is {by}")
    elif by != known["by"]:
        raise SystemExit("Cargo.lock changed since they were recorded: record them anew (make counts ARGS=--record)")
    elif worse:
        raise SystemExit(f"changed by more than {MARGIN:.0%}: {', '.join(worse)}; if that is meant, record them anew (make counts ARGS=--record)")


if __name__ == "__main__":
    main()
