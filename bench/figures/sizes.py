"""Growth: the same calls at a fixed rate with much configured or much waiting, beside the same process with little."""

import os
import shutil
import socket
import sqlite3
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from figures.messages import drained, receiver
from measure import Bench, Figures, Missing, Server, drive, folder, paced, settle, skipped, stop, take_turns
from report import Line, Result, paired, table
from yardsticks import APPID, appids, passes, pushes, reads_token, route, token_of, wxgate

# A second: far from where any of these is at its limit.
CALLS, MESSAGES = 4000, 1000
APPS, ROUTES, FEW, MANY = 10_000, 1000, 1000, 1_000_000
# What the database of MANY messages takes, and as much again for its log.
DISK = 4 << 30
LIMIT = 1.15


@dataclass
class Variant:
    """A process, the apps that are called (one, or `@` and a file of many), and what has to be over before a push counts."""

    server: Server
    apps: str = APPID
    waiting: str | None = None


def growth(bench: Bench) -> Result:
    results, whole = [], (by_apps, by_routes, by_backlog)
    for part in whole:
        try:
            results.append(part(bench))
        except Missing as why:
            skipped(f"growth: {why}")
    return Result("\n".join(result.text for result in results), [line for result in results for line in result.lines])


def compared(bench: Bench, of: str, variants: list[Variant], note: str = "") -> Result:
    """Each kind of call for all of them, the first of which is the smallest."""
    texts, lines = [], []
    by_name = {variant.server.name: variant for variant in variants}
    for variant in variants:
        settle(variant.server)
        token_of(variant.server)

    def read(server: Server, seconds: float, count: int = 0) -> Figures:
        return paced(bench, reads_token(server, "{app}"), 0 if count else CALLS, seconds, count, by_name[server.name].apps)

    def passed(server: Server, seconds: float, count: int = 0) -> Figures:
        return paced(bench, passes(server, appid="{app}"), 0 if count else CALLS, seconds, count, by_name[server.name].apps)

    def pushed(server: Server, seconds: float, count: int = 0) -> Figures:
        variant = by_name[server.name]
        command = pushes(bench.bin, server, seconds, count, 0 if count else MESSAGES, variant.apps)
        wait = (lambda server: drained(server, variant.waiting)) if variant.waiting else None
        return drive(server, command, then=wait)

    servers, smallest = [variant.server for variant in variants], variants[0].server.name
    for work, measure, unit in (("token read", read, "request"), ("pass-through, 200 B", passed, "request"), ("callback", pushed, "message")):
        for variant in variants:
            if variant.apps != APPID:
                # Each of them once: what only a first call costs isn't growth.
                measure(variant.server, 600, APPS)
                settle(variant.server)
        found = take_turns(servers, bench, measure)
        rate = MESSAGES if work == "callback" else CALLS
        texts.append(table(f"growth of {of}: {work} at {rate} a second", found, smallest, note, unit, to_base=True))
        for larger in servers[1:]:
            lines.append(Line(f"growth, {smallest} → {larger.name}: {work}", "itself at the smallest", paired(found, larger.name, smallest, "cpu"), LIMIT, "CPU"))
    stop(servers)
    return Result("\n".join(texts), lines)


def by_apps(bench: Bench) -> Result:
    few, many = wxgate(bench.upstream, name="1 app"), wxgate(bench.upstream, apps=APPS, name="10,000 apps")
    names = many.folder / "appids"
    names.write_text("\n".join(appids(APPS)) + "\n")
    in_turn = replace(many, name="10,000 apps, called in turn")
    note = "Calls are for one app, or for each of the 10,000 in turn, which all had a call before."
    return compared(bench, "apps", [Variant(few), Variant(many), Variant(in_turn, f"@{names}")], note)


def by_routes(bench: Bench) -> Result:
    backend = receiver(bench)

    def other(n: int) -> str:
        """For a user, for a scene or for apps of a tag, and for none of the messages that come."""
        filters = (f'openids = ["o{n:027}"]', f'scenes = ["login_{n}_*"]', f'apps = ["tag:team{n}"]')
        return route(f"other{n}", backend.address, filters[n % 3])

    few = wxgate(bench.upstream, more=other(0), name="1 route")
    many = wxgate(bench.upstream, more="".join(map(other, range(ROUTES))), name="1,000 routes")
    return compared(bench, "routes", [Variant(few), Variant(many)], "No route takes the messages, so that only the choice counts, not deliveries.")


def by_backlog(bench: Bench) -> Result:
    if shutil.disk_usage(tempfile.gettempdir()).free < DISK:
        raise Missing(f"{MANY:,} messages that wait need {DISK >> 30} GiB of disk")
    ours, others = appids(2)
    backend = receiver(bench)
    # Connections are made, and nobody ever reads from them.
    held = socket.create_server(("127.0.0.1", 0))
    silent = f"127.0.0.1:{held.getsockname()[1]}"
    routes = route("held", silent, f'apps = ["{others}"]\ntimeout = "120s"') + route("backend", backend.address, f'apps = ["{ours}"]')

    def gateway(name: str, at: Path) -> Server:
        return wxgate(bench.upstream, more=routes, apps=2, name=name, at=at)

    few = folder()
    first = gateway("seeds", few)
    drive(first, pushes(bench.bin, first, 600, count=FEW, apps=others, length=60))
    stop([first], keep=True)
    many = folder()
    shutil.copytree(few, many, dirs_exist_ok=True)
    multiply(many / "wxgate.db", MANY)
    waiting = "select exists (select 1 from due where route = 'backend')"
    variants = [Variant(gateway(name, at), ours, waiting) for name, at in (("1,000 waiting", few), ("1,000,000 waiting", many))]
    note = "One route's deliveries wait for a backend that never answers; the messages that count go by another, and CPU counts until they are delivered."
    result = compared(bench, "the backlog", variants, note)
    held.close()
    return result


def multiply(file: Path, total: int) -> None:
    """Copies the messages that are there, each with its delivery, until there are `total`: new ids, users and digests of
    what was seen; the sealed bodies are those of the first, and open as they do."""
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("pragma synchronous = off")
    database.execute("pragma cache_size = -400000")
    first, count = database.execute("select min(id), count(*) from events").fetchone()
    numbers = f"with recursive n (i) as (select {first + count} union all select i + 1 from n where i < {first + total - 1})"
    origin = f"{first} + n.i % {count}"
    database.execute("begin")
    copy(database, numbers, "events", f"rows.id = {origin}", {"id": "n.i", "openid": "'o' || substr(lower(hex(randomblob(14))), 2)", "msg_id": "abs(random())"})
    copy(database, numbers, "seen_msg", f"rows.event_id = {origin}", {"digest": "randomblob(32)", "event_id": "n.i"})
    copy(database, numbers, "due", f"rows.id = ({origin}) * 65536", {"id": "n.i * 65536", "owner": "null", "leased_until": "null"})
    # What was seen stands in its table, whole.
    database.execute("update meta set value = (select max(id) from events) where name = 'seen_to'")
    database.execute("commit")
    waiting = database.execute("select count(*) from due").fetchone()[0]
    database.execute("pragma wal_checkpoint(truncate)")
    database.close()
    # What the disk still writes would be in the way of the rounds.
    with open(file, "rb+") as written:
        os.fsync(written.fileno())
    if waiting != total:
        raise RuntimeError(f"{waiting} deliveries wait instead of {total}")


def copy(database: sqlite3.Connection, numbers: str, name: str, where: str, changed: dict[str, str]) -> None:
    database.execute(f"create temp table rows as select * from {name}")
    columns = [row[1] for row in database.execute(f"pragma table_info({name})")]
    key = next(part for part in ("event_id", "id") if part in columns)
    database.execute(f"create index temp.rows_key on rows ({key})")
    values = ", ".join(changed.get(column, f"rows.{column}") for column in columns)
    database.execute(f"insert into {name} ({', '.join(columns)}) {numbers} select {values} from n cross join rows on {where}")
    database.execute("drop table temp.rows")
