#!/usr/bin/env python3
"""What a gateway holds after a burst: prints its resident memory idle, during, and after. Judges nothing.

    python3 crates/wxgate/tests/memory.py target/release/wxgate [connections] [seconds after which it is read ...]

Each connection sends a service call whose body is 1 MiB but for its last byte, so that all of them are held at once; then
all are closed. The last figures are of a second burst: what stays must not grow.
"""

import pathlib
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

BODY = 1 << 20
HEAD = (
    "POST /v1/service/wx/jssdk HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    f"Content-Length: {BODY}\r\n\r\n"
).encode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def rss(pid):
    """MiB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def config(sandbox, listen, admin):
    secret = "a1" * 16
    return f"""
[server]
listen = "127.0.0.1:{listen}"
admin_listen = "127.0.0.1:{admin}"
[store]
url = "sqlite:wxgate.db"
[auth]
mode = "off"
[log]
access = "failures"
[wechat]
api_base = "{sandbox}"
mp_base = "{sandbox}"
open_base = "{sandbox}"
[[apps]]
appid = "wx00000000000000a1"
kind = "official"
secret = "{secret}"
"""


def call(port):
    url = f"http://127.0.0.1:{port}/v1/service/wx/jssdk"
    body = b'{"source":"m","appid":"wx00000000000000a1","url":"https://a.example.com/"}'
    urllib.request.urlopen(url, body).read()


def burst(port, count):
    """Connections that each have sent all of a body but its last byte, or what is taken of it within a minute."""
    chunk = memoryview(HEAD + b" " * (BODY - 1))
    left = {}
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setblocking(False)
        left[connection] = 0
    opened, end = list(left), time.time() + 60
    while left and time.time() < end:
        moved = False
        for connection in list(left):
            try:
                left[connection] += connection.send(chunk[left[connection]:])
                moved = True
            except BlockingIOError:
                continue
            except OSError:
                left[connection] = len(chunk)
            if left[connection] >= len(chunk):
                del left[connection]
        if not moved:
            time.sleep(0.02)
    return opened


def main():
    binary = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    reads = [int(text) for text in sys.argv[3:]] or [1, 10, 30, 60]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        at = free_port()
        children = [subprocess.Popen([binary, "sandbox", "--listen", f"127.0.0.1:{at}"], stdout=subprocess.DEVNULL)]
        try:
            listen, admin = free_port(), free_port()
            path = pathlib.Path(folder) / "wxgate.toml"
            path.write_text(config(f"http://127.0.0.1:{at}", listen, admin))
            gateway = subprocess.Popen([binary, "serve", "--config", str(path)], stderr=subprocess.DEVNULL)
            children.append(gateway)
            for _ in range(200):
                try:
                    call(listen)
                    break
                except OSError:
                    time.sleep(0.05)
            time.sleep(3)
            line = [f"idle {rss(gateway.pid):.1f}"]
            for number in (1, 2):
                held = burst(listen, count)
                line.append(f"burst {number} {rss(gateway.pid):.0f}")
                for connection in held:
                    connection.close()
                closed = time.time()
                for second in reads if number == 2 else reads[-1:]:
                    time.sleep(max(0, closed + second - time.time()))
                    line.append(f"{second} s after {rss(gateway.pid):.1f}")
            print(f"{binary}: MiB: " + ", ".join(line), flush=True)
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait()


main()
