"""Callbacks: acknowledged after their commit, delivered, and decoded alone."""

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time

from measure import HERE, Bench, Missing, Server, address, ask, drive, folder, run, spread, start, stop, take_turns
from report import Line, Result, paired, table
from yardsticks import AES_KEY, APPID, CALLBACK_TOKEN, pushes, python, route, wxgate


def probe(seconds: float) -> float:
    """Appends of 1 KB with fdatasync, a second: what the disk allows whoever waits for it."""
    at = folder()
    file = os.open(at / "probe", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    piece, count, end = b"x" * 1024, 0, time.time() + seconds
    while time.time() < end:
        os.write(file, piece)
        os.fdatasync(file)
        count += 1
    os.close(file)
    (at / "probe").unlink()
    at.rmdir()
    return count / seconds


def callbacks(bench: Bench) -> Result:
    """Acknowledged after their commit, 64 at once, beside what the disk syncs between the rounds."""
    rows = ["### callback acknowledged after commit, 64 at once, SQLite FULL", ""]
    rows += ["| process | messages/s | CPU µs a message | of it user | p50 ms | p99 ms | rate to the fdatasync probe |", "|---|---|---|---|---|---|---|"]
    lines, work = [], "callback acknowledged after commit, 64 at once"
    for name, cores, least, goal in (("one core", "0", 2, 3), ("two cores, one shared with the load", "0,1", 3, 4.5)):
        ours = wxgate(bench.upstream, cores=cores)
        found, to_probe = [], []
        for n in range(bench.rounds):
            before = probe(1)
            figures = drive(ours, pushes(bench.bin, ours, bench.seconds))
            found.append(figures)
            to_probe.append(figures.rate / ((before + probe(1)) / 2))
            print(f"  round {n + 1} of {bench.rounds}", file=sys.stderr, flush=True)
        stop([ours])
        p99 = [one.p99 / 1000 for one in found]
        cells = [
            spread([one.rate for one in found], "{:.0f}"), spread([one.cpu for one in found], "{:.1f}"), spread([one.user for one in found], "{:.1f}"),
            spread([one.p50 / 1000 for one in found]), spread(p99, "{:.1f}"), spread(to_probe),
        ]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
        if cores == "0":
            lines.append(Line(work, "–", [one.cpu for one in found], 50, "CPU", unit="µs", goal=30, form="{:.1f}"))
            lines.append(Line(work, "–", p99, 20, "p99", unit="ms", form="{:.1f}"))
        lines.append(Line(f"{work}, {name.split(',')[0]}", "fdatasync probe between the rounds", to_probe, least, "rate", goal=goal, at_least=True))
    return Result("\n".join(rows) + "\n", lines)


def receiver(bench: Bench) -> Server:
    """A backend that answers 200 at once."""
    own = address()
    return start("receiver", [str(bench.bin / "receiver"), own], own, cores="1")


def drained(server: Server, waiting: str = "select exists (select 1 from due)", within: float = 600) -> None:
    """Waits until nothing of that kind waits in its database: everything is delivered, and that is written down."""
    database = sqlite3.connect(f"file:{server.folder / 'wxgate.db'}?mode=ro", uri=True)
    end = time.time() + within
    while database.execute(waiting).fetchone()[0]:
        if time.time() > end:
            raise RuntimeError(f"{server.name}: deliveries still wait after {within:.0f} s")
        time.sleep(0.05)
    database.close()


def delivery(bench: Bench) -> Result:
    """With a healthy route, until the last delivery is written down, beside itself without routes."""
    backend = receiver(bench)
    routed = wxgate(bench.upstream, more=route("backend", backend.address), name="one healthy route")
    servers, waits = [routed, wxgate(bench.upstream, name="no routes")], []

    def wait(server: Server) -> None:
        began = time.time()
        drained(server)
        if server is routed:
            waits.append(time.time() - began)

    found = take_turns(servers, bench, lambda server, seconds: drive(server, pushes(bench.bin, server, seconds), then=wait))
    received = ask(f"http://{backend.address}/count")
    note = (
        f"Rate and latency are those of the acknowledgement. CPU counts until the last delivery is written down, {spread(waits[1:], '{:.1f}')} s after "
        f"the last acknowledgement; {received} messages were received."
    )
    title = "callbacks with one healthy route, delivery and its record included"
    line = Line(title, "itself without routes", paired(found, routed.name, "no routes", "cpu"), 3, "CPU", goal=2)
    return Result(table(title, found, "no routes", note, unit="message", to_base=True), [line])


def decode(bench: Bench) -> Result:
    """Verify, decrypt and parse the same encrypted text of 1 KB, with wxgate's code and with wechatpy, on one core."""
    ours, interpreter = os.environ.get("WXGATE_DECODE_BIN"), python()
    if not ours:
        raise Missing("WXGATE_DECODE_BIN names no decoder: `make bench` sets it")
    at = folder()
    # A second's worth, about.
    times = 50_000 * bench.seconds
    theirs = [interpreter, HERE / "servers/fastapi/decode.py", at, APPID, CALLBACK_TOKEN, AES_KEY, bench.seconds]
    run(ours, "1", str(at))

    def wxgate_decodes() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run("taskset", "-c", "0", ours, str(times))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return times / (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    def wechatpy_decodes() -> float:
        said = subprocess.run(["taskset", "-c", "0", *map(str, theirs)], capture_output=True, text=True, check=True)
        count, seconds = said.stdout.split()
        return float(count) / float(seconds)

    makers = {"wxgate": wxgate_decodes, "wechatpy": wechatpy_decodes}
    found: dict[str, list[float]] = {name: [] for name in makers}
    for n in range(bench.rounds):
        for name, rate in list(makers.items())[:: 1 if n % 2 == 0 else -1]:
            found[name].append(rate())
    shutil.rmtree(at)
    ratios = [ours / theirs for ours, theirs in zip(found["wxgate"], found["wechatpy"])]
    rows = ["### callback decode: verify, decrypt and parse 1 KB, on one core", "", "| | messages a second of CPU | CPU µs a message | wxgate's to it |", "|---|---|---|---|"]
    for name, rates in found.items():
        cells = [spread([rate / 1000 for rate in rates], "{:.1f}k"), spread([1e6 / rate for rate in rates], "{:.1f}"), "1" if name == "wxgate" else spread(ratios, "{:.1f}")]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    line = Line("callback decode", "wechatpy's decrypt + parse", ratios, 12, "messages a second", goal=17, at_least=True, form="{:.1f}")
    return Result("\n".join(rows) + "\n", [line])
