"""What waits: in order by user, beside a dead backend, and very much of it."""

import shutil
import socket
import sqlite3
import sys
import time
from pathlib import Path

from figures.messages import drained
from figures.sizes import multiply
from measure import Bench, Server, address, ask, cpu, drive, folder, rss, settle, spread, start, stop
from report import Line, Result
from yardsticks import pushes, route, wxgate

MESSAGES, USERS, FAILS = 100_000, 1000, 10
AGAIN = "retry = [" + ", ".join(['"200ms"'] * 20) + "]"


def receiver(bench: Bench, *more: int) -> Server:
    own = address()
    return start("receiver", [str(bench.bin / "receiver"), own, *map(str, more)], own, cores="1")


def filled(bench: Bench) -> Path:
    """A database in which messages of many users wait for one route."""
    at = folder()
    paused = wxgate(bench.upstream, more=route("backend", "127.0.0.1:9", "paused = true"), name="seeds", at=at)
    drive(paused, pushes(bench.bin, paused, 600, count=MESSAGES, length=60))
    stop([paused], keep=True)
    with sqlite3.connect(at / "wxgate.db") as database:
        database.execute(f"update events set openid = 'o' || (id % {USERS})")
    return at


def order(bench: Bench) -> Result:
    """How fast a backlog goes out, in order by user and without order, one in ten failing at first."""
    seeds, found = filled(bench), {False: [], True: []}
    disorder = {False: [], True: []}
    for n in range(bench.rounds):
        for ordered in (False, True) if n % 2 == 0 else (True, False):
            at = folder()
            shutil.copytree(seeds, at, dirs_exist_ok=True)
            if ordered:
                with sqlite3.connect(at / "wxgate.db") as database:
                    database.execute("update due set due_at = 0")
            backend = receiver(bench, FAILS, USERS)
            began = time.time()
            more = route("backend", backend.address, f"ordered = {str(ordered).lower()}\nconcurrency = 64\n{AGAIN}")
            ours = wxgate(bench.upstream, more=more, name=f"ordered {ordered}", at=at)
            drained(ours)
            found[ordered].append(MESSAGES / (time.time() - began))
            arrived, late = ask(f"http://{backend.address}/count")
            if arrived != MESSAGES:
                raise RuntimeError(f"{arrived} messages arrived instead of {MESSAGES}")
            disorder[ordered].append(late)
            stop([ours, backend])
        print(f"  round {n + 1} of {bench.rounds}", file=sys.stderr, flush=True)
    shutil.rmtree(seeds)
    if any(disorder[True]):
        raise RuntimeError(f"out of order: {disorder[True]}")
    ratios = [one / other for one, other in zip(found[True], found[False])]
    rows = [
        f"### {MESSAGES:,} messages of {USERS:,} users that wait, {FAILS} % fail at first, 64 at once", "",
        "| | deliveries/s | out of order |", "|---|---|---|",
        f"| `ordered = true` | {spread(found[True], '{:.0f}')} | 0 |",
        f"| without | {spread(found[False], '{:.0f}')} | {spread([float(n) for n in disorder[False]], '{:.0f}')} |",
    ]
    title = "deliveries in order by user, one in ten fails"
    return Result("\n".join(rows) + "\n", [Line(title, "without order", ratios, 0.8, "rate", at_least=True)])


def delays(server: Server, since: int) -> list[float]:
    """From a message's coming in to its arrival at the healthy routes, ms, sorted."""
    database = sqlite3.connect(f"file:{server.folder / 'wxgate.db'}?mode=ro", uri=True)
    rows = database.execute(
        "select d.last_at + d.last_ms - e.received_at from deliveries d join events e on e.id = d.id >> 16"
        " where d.route like 'well%' and d.status = 1 and e.received_at >= ?", [since])
    found = sorted(float(row[0]) for row in rows)
    database.close()
    return found


def dead(bench: Bench) -> Result:
    """Nine healthy backends beside a tenth that never answers, and beside a tenth that is as healthy."""
    held = socket.create_server(("127.0.0.1", 0), backlog=4096)
    silent = f"127.0.0.1:{held.getsockname()[1]}"
    backend = receiver(bench)
    well = "".join(route(f"well{n}", backend.address) for n in range(9))
    variants = {
        "a healthy tenth": wxgate(bench.upstream, more=well + route("tenth", backend.address), name="nine and a healthy one"),
        "a dead tenth": wxgate(bench.upstream, more=well + route("tenth", silent, 'timeout = "2s"'), name="nine and a dead one"),
    }
    mean, p99 = {name: [] for name in variants}, {name: [] for name in variants}
    for n in range(bench.rounds + 1):
        for name, server in list(variants.items())[:: 1 if n % 2 == 0 else -1]:
            since = int(time.time() * 1000)
            drive(server, pushes(bench.bin, server, bench.seconds, rate=100))
            drained(server, "select exists (select 1 from due where route <> 'tenth')")
            found = delays(server, since)
            # The first round opens connections, and the breaker.
            if n:
                mean[name].append(sum(found) / len(found))
                p99[name].append(found[len(found) * 99 // 100])
        print(f"  round {n} of {bench.rounds}", file=sys.stderr, flush=True)
    stop(list(variants.values()))
    held.close()
    over = lambda found: [one / other for one, other in zip(found["a dead tenth"], found["a healthy tenth"])]
    rows = ["### nine healthy backends, 100 messages a second to all ten", "", "| | mean delay ms | p99 ms |", "|---|---|---|"]
    rows += [f"| {name} | {spread(mean[name])} | {spread(p99[name], '{:.0f}')} |" for name in variants]
    title = "delay at nine healthy backends beside a dead one"
    lines = [Line(title, "beside a healthy one", over(mean), 1.1, "mean"), Line(title, "beside a healthy one", over(p99), 1.1, "p99")]
    stop([backend])
    return Result("\n".join(rows) + "\n", lines)


def beside(bench: Bench, server: Server) -> tuple[float, float]:
    """The delay at a healthy route, ms: its mean and p99."""
    since = int(time.time() * 1000)
    drive(server, pushes(bench.bin, server, bench.seconds, rate=100))
    drained(server, "select exists (select 1 from due where route = 'well')")
    found = delays(server, since)
    return sum(found) / len(found), found[len(found) * 99 // 100]


def backlog(bench: Bench) -> Result:
    """What waits for a dead backend: CPU while idle, time to be ready, memory, and what another route feels of it."""
    held, backend = socket.create_server(("127.0.0.1", 0), backlog=4096), receiver(bench)
    dead_route = route("held", f"127.0.0.1:{held.getsockname()[1]}", 'timeout = "2s"')
    few = folder()
    first = wxgate(bench.upstream, more=route("held", "127.0.0.1:9", "paused = true"), name="seeds", at=few)
    drive(first, pushes(bench.bin, first, 600, count=1000, length=60))
    stop([first], keep=True)
    found = {}
    for total in (1_000, 100_000, 1_000_000):
        at = folder()
        shutil.copytree(few, at, dirs_exist_ok=True)
        if total > 1_000:
            multiply(at / "wxgate.db", total)
        began = time.time()
        more = dead_route + route("well", backend.address)
        ours = wxgate(bench.upstream, more=more, name=f"{total:,} waiting", at=at)
        ready = time.time() - began
        settle(ours)
        time.sleep(20)
        before, then = sum(cpu(ours.process.pid)), time.time()
        time.sleep(30)
        share = (sum(cpu(ours.process.pid)) - before) / (time.time() - then) * 100
        memory = rss(ours.process.pid)
        felt = [beside(bench, ours) for _ in range(bench.rounds + 1)][1:]
        found[total] = (ready, share, memory, [mean for mean, _ in felt], [p99 for _, p99 in felt])
        stop([ours])
    shutil.rmtree(few)
    stop([backend])
    held.close()
    rows = [
        "### a backlog for a backend that never answers", "",
        "| waiting | ready after s | CPU % of a core, idle | resident MiB | another route's mean delay ms | p99 ms |", "|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {total:,} | {ready:.2f} | {share:.2f} | {memory:.0f} | {spread(mean)} | {spread(p99, '{:.0f}')} |"
        for total, (ready, share, memory, mean, p99) in found.items()
    ]
    few_mean = found[1_000][3]
    lines = [
        Line("100,000 waiting for a dead backend", "–", [found[100_000][1]], 2, "CPU", unit="%"),
        Line("1,000,000 waiting", "–", [found[1_000_000][0]], 3, "ready after", unit="s"),
        Line("1,000,000 waiting", "–", [found[1_000_000][2]], 256, "resident", unit="MiB", form="{:.0f}"),
        Line("delay of another route, 1,000,000 waiting", "1,000 waiting", [a / b for a, b in zip(found[1_000_000][3], few_mean)], 1.1, "mean"),
    ]
    return Result("\n".join(rows) + "\n", lines)
