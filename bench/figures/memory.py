"""Memory: idle with 100 apps, and of a kept connection, each time in a fresh process."""

import resource
import socket
import time

from measure import CACHE, Bench, Missing, Server, rss, spread, stop
from report import Line, Result
from yardsticks import fixed, reads_token, wxgate

KEPT = 4000


def connections(bench: Bench) -> Result:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < KEPT + 100:
        raise Missing(f"no more than {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, KEPT + 100), hard))
    held = CACHE / "token.json"
    if not held.exists():
        held.write_text("{}")
    makers = {"wxgate": lambda: wxgate(bench.upstream, apps=100), "bare hyper": lambda: fixed(bench.bin, held)}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in makers}
    for _ in range(bench.rounds):
        for name, make in makers.items():
            found[name].append(once(make()))
    rows = ["### memory", "", f"{KEPT} connections, each with one token read; every round in a fresh process.", ""]
    rows += ["| server | idle MiB | KiB a kept connection |", "|---|---|---|"]
    for name, values in found.items():
        idle, kept = zip(*values)
        rows.append(f"| {name} | {spread(list(idle), '{:.1f}')} | {spread(list(kept), '{:.1f}')} |")
    idle, kept = (list(column) for column in zip(*found["wxgate"]))
    hyper = spread([kept for _, kept in found["bare hyper"]], "{:.1f}")
    lines = [
        Line("memory: idle, 100 apps", "–", idle, 16, "", unit="MiB", goal=12, form="{:.1f}"),
        Line("memory: a kept connection in a fresh process", f"bare hyper {hyper} KiB", kept, 14, "", unit="KiB", goal=12, form="{:.1f}"),
    ]
    return Result("\n".join(rows) + "\n", lines)


def once(server: Server) -> tuple[float, float]:
    """MiB idle, and KiB a connection more."""
    time.sleep(3)
    idle, kept = rss(server.process.pid), []
    host, port = server.address.split(":")
    request = f"GET {reads_token(server).path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    for _ in range(KEPT):
        one = socket.create_connection((host, int(port)))
        one.sendall(request)
        one.recv(4096)
        kept.append(one)
    time.sleep(2)
    each = (rss(server.process.pid) - idle) * 1024 / KEPT
    for one in kept:
        one.close()
    stop([server])
    return idle, each
