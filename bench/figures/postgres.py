"""Messages on PostgreSQL: groups of one node and of three, beside pgbench with the same rows, on the same durable server."""

import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

from measure import TICK, Bench, Missing, folder
from report import Line, Result

# The same rows: what was seen, the message, its delivery. Ids from a sequence: our counter, whose lock is held to the commit,
# would make 64 clients wait for each other, which groups don't.
TABLES = """
create sequence ids;
create table events (id bigint primary key, appid text, openid text, msg_type text, event text, kind text, scene text, msg_id text,
    received_at bigint, digest bytea, body bytea);
alter table events alter column body set storage external;
create index on events (appid, id); create index on events (openid, id); create index on events (kind, id);
create index on events using brin (received_at);
create table seen_msg (created bigint, digest bytea, event_id bigint, expires_at bigint, primary key (created, digest));
create table due (id bigint primary key, route text, due_at bigint, round int, attempts int, owner int, leased_until bigint);
create index on due (route, due_at);
"""
ONE = r"""
\set o random(1, 100000)
with c as (select nextval('ids') as v),
s as (insert into seen_msg select extract(epoch from now())::bigint, sha256(random()::text::bytea), v, 0 from c returning event_id, digest),
e as (insert into events select event_id, 'wx1', 'o' || :o, 'text', '', 'text', '', '', 0, digest, repeat('x', 1024)::bytea from s)
insert into due select event_id << 16, 'backend', 0, 0, 0, 1, 0 from s;
"""
FOUR = r"""
\set o random(1, 100000)
begin;
select nextval('ids') as v \gset
insert into seen_msg values (extract(epoch from now())::bigint, sha256(random()::text::bytea), :v, 0);
insert into events values (:v, 'wx1', 'o' || :o, 'text', '', 'text', '', '', 0, '\x00', repeat('x', 1024)::bytea);
insert into due values (:v << 16, 'backend', 0, 0, 0, 1, 0);
end;
"""


class Cluster:
    """A durable server of our own on core 1, gone afterwards."""

    def __init__(self):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        if not found or not (found[-1] / "pgbench").exists():
            raise Missing("no PostgreSQL here (Debian: postgresql)")
        self.bin, self.place = found[-1], folder()
        self.place.chmod(0o777)
        self.as_ = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"] if os.getuid() == 0 else []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.run("initdb", "-D", self.place / "data", "-U", "wxgate", "--auth", "trust", "--encoding", "UTF8", "--no-locale")
        options = (
            f"-c listen_addresses= -c port={self.port} -c unix_socket_directories={self.place} -c max_connections=300 -c shared_buffers=512MB "
            "-c max_wal_size=4GB -c shared_preload_libraries=pg_stat_statements"
        )
        self.run("pg_ctl", "-D", self.place / "data", "-l", self.place / "log", "-w", "start", "-o", options)
        self.pid = int((self.place / "data/postmaster.pid").read_text().split()[0])
        self.url = f"postgres://wxgate@/postgres?host={self.place}&port={self.port}"
        self.sql("create extension pg_stat_statements")
        self.sql("create database yardstick")
        self.sql(TABLES, "yardstick")

    def run(self, command, *more, **options):
        return subprocess.run([*self.as_, str(self.bin / command), *map(str, more)], check=True, stdout=subprocess.DEVNULL, cwd=self.place, **options)

    def sql(self, text: str, database: str = "postgres") -> list[str]:
        command = [str(self.bin / "psql"), "-h", str(self.place), "-p", str(self.port), "-U", "wxgate", "-d", database, "-Atc", text]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")[:-1]

    def cpu(self) -> float:
        """Seconds of the server's processes, ended ones among them."""
        total = 0.0
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                text = stat.read_text()
            except OSError:
                continue
            fields = text[text.rindex(")") + 2 :].split()
            pid = int(stat.parent.name)
            if pid == self.pid:
                total += sum(map(int, fields[11:15]))
            elif int(fields[1]) == self.pid:
                total += int(fields[11]) + int(fields[12])
        return total / TICK

    def wal(self) -> int:
        return int(self.sql("select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint")[0])

    def statements(self, like: str) -> int:
        return int(self.sql(f"select coalesce(sum(calls), 0)::bigint from pg_stat_statements where query like '{like}'")[0])

    def end(self):
        subprocess.run([*self.as_, str(self.bin / "pg_ctl"), "-D", str(self.place / "data"), "-m", "immediate", "stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.place, ignore_errors=True)


def fsyncs() -> list[float]:
    """Milliseconds of some fdatasyncs after a write."""
    at, took = folder(), []
    file = os.open(at / "probe", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    end = time.time() + 0.5
    while time.time() < end:
        os.write(file, b"x" * 1024)
        began = time.time()
        os.fdatasync(file)
        took.append(1000 * (time.time() - began))
    os.close(file)
    shutil.rmtree(at)
    return took


ACCEPT, RECORD = "%counter set v = greatest%", "%delete from due using r%"


def ours(cluster: Cluster, seconds: int, test: str = "messages", **settings) -> dict:
    """What the store did."""
    binary = os.environ["WXGATE_FIGURES_BIN"]
    wanted = " ".join(f"{name}={value}" for name, value in {"seconds": seconds, **settings}.items())
    environment = {**os.environ, "WXGATE_TEST_POSTGRES": cluster.url, "WXGATE_FIGURE": wanted}
    cpu, wal, accepts, records = cluster.cpu(), cluster.wal(), cluster.statements(ACCEPT), cluster.statements(RECORD)
    command = [binary, "--ignored", "--nocapture", "--exact", f"store::pg::figures::figures_of_{test}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    found = json.loads(re.search(r"\{.*\}", said)[0])
    found["server_us"] = 1e6 * (cluster.cpu() - cpu) / found["messages"]
    found["wal"] = (cluster.wal() - wal) / found["messages"]
    found["statements"] = (cluster.statements(ACCEPT) - accepts) / found["messages"]
    found["records"] = (cluster.statements(RECORD) - records) / found["messages"]
    return found


def pgbench(cluster: Cluster, seconds: int, script: str, clients: int) -> dict:
    """What pgbench did with these statements, prepared."""
    file = cluster.place / "script.sql"
    file.write_text(script)
    cpu, wal = cluster.cpu(), cluster.wal()
    command = [cluster.bin / "pgbench", "-h", cluster.place, "-p", str(cluster.port), "-U", "wxgate", "-n", "-M", "prepared"]
    command += ["-c", str(clients), "-j", "2", "-T", str(seconds), "-f", file, "yardstick"]
    said = subprocess.run([str(one) for one in command], check=True, capture_output=True, text=True).stdout
    rate, count = float(re.search(r"tps = ([\d.]+)", said)[1]), int(re.search(r"actually processed: (\d+)", said)[1])
    latency = float(re.search(r"latency average = ([\d.]+)", said)[1])
    return {"messages": count, "rate": rate, "p50_ms": latency, "p99_ms": float("nan"), "server_us": 1e6 * (cluster.cpu() - cpu) / count, "wal": (cluster.wal() - wal) / count, "statements": float("nan")}


def postgres(bench: Bench) -> Result:
    """Groups of one node and of three beside pgbench with the same rows, alone and in groups; a whole life; a fixed rate."""
    if not os.environ.get("WXGATE_FIGURES_BIN"):
        raise Missing("WXGATE_FIGURES_BIN names no test binary: `make bench` sets it")
    cluster = Cluster()
    try:
        works = {
            "one node, 64 acceptors": lambda: ours(cluster, bench.seconds, acceptors=64),
            "pgbench, one statement, 64 clients": lambda: pgbench(cluster, bench.seconds, ONE, 64),
            "pgbench, begin to end, 64 clients": lambda: pgbench(cluster, bench.seconds, FOUR, 64),
            "three nodes, 64 acceptors each": lambda: ours(cluster, bench.seconds, nodes=3, acceptors=64),
            "one node, whole life": lambda: ours(cluster, bench.seconds, acceptors=64, lives=1),
            "one acceptor": lambda: ours(cluster, bench.seconds, acceptors=1),
            "pgbench, one statement, 1 client": lambda: pgbench(cluster, bench.seconds, ONE, 1),
            "three nodes, claims, 10^5 waiting": lambda: ours(cluster, bench.seconds, "claims", backlog=10**5),
            "three nodes, claims, 10^6 waiting": lambda: ours(cluster, bench.seconds, "claims", backlog=10**6),
            "three nodes, claims, 10^5 waiting, an old snapshot": lambda: ours(cluster, bench.seconds, "claims", backlog=10**5, snapshot=1),
            "three nodes, 1,000/s": lambda: ours(cluster, bench.seconds, nodes=3, acceptors=20, pace=60),
        }
        found: dict[str, list[dict]] = {name: [] for name in works}
        syncs = []
        for n in range(bench.rounds):
            for name, work in works.items():
                found[name].append(work())
            syncs.append(statistics.median(fsyncs()))
            print(f"  round {n + 1} of {bench.rounds}", file=sys.stderr, flush=True)
    finally:
        cluster.end()
    return told(found, syncs)


def told(found: dict[str, list[dict]], syncs: list[float]) -> Result:
    rows = ["### messages on PostgreSQL, durable, server and clients on the same two cores", ""]
    rows += ["| | messages/s | p50 ms (pgbench: mean) | p99 ms | server CPU µs | WAL bytes | accept statements |", "|---|---|---|---|---|---|---|"]
    forms = {"rate": "{:.0f}", "p50_ms": "{:.2f}", "p99_ms": "{:.1f}", "server_us": "{:.0f}", "wal": "{:.0f}", "statements": "{:.3f}"}
    for name, rounds in found.items():
        cells = [form.format(statistics.median(one.get(what, float("nan")) for one in rounds)) for what, form in forms.items()]
        rows.append(f"| {name} | " + " | ".join(cells).replace("nan", "–") + " |")
    rows.append(f"\nfdatasync p50 {statistics.median(syncs):.3f} ms")

    def each(name: str, what: str) -> list[float]:
        return [one[what] for one in found[name]]

    def ratio(name: str, other: str, what: str) -> list[float]:
        return [ours / theirs for ours, theirs in zip(each(name, what), each(other, what))]

    one, life, three = "one node, 64 acceptors", "one node, whole life", "three nodes, 64 acceptors each"
    slow, claims = "three nodes, 1,000/s", "three nodes, claims, 10^5 waiting"
    lines = [
        Line("PostgreSQL: one node, 64 acceptors", "pgbench, one statement", ratio(one, "pgbench, one statement, 64 clients", "rate"), 2.5, "rate", goal=3.4, at_least=True),
        Line("PostgreSQL: one node, 64 acceptors", "pgbench, begin to end", ratio(one, "pgbench, begin to end, 64 clients", "rate"), 4, "rate", goal=5.6, at_least=True),
        Line("PostgreSQL: three nodes", "one node", ratio(three, one, "rate"), 0.8, "rate", goal=1.2, at_least=True),
        Line("PostgreSQL: whole life", "–", each(life, "server_us"), 55, "server CPU", unit="µs", goal=37, form="{:.0f}"),
        Line("PostgreSQL: whole life", "–", each(life, "wal"), 2700, "WAL", unit="B", goal=2300, form="{:.0f}"),
        Line("PostgreSQL: one acceptor", "pgbench", ratio("one acceptor", "pgbench, one statement, 1 client", "p50_ms"), 1.5, "p50", goal=1.1),
        Line("PostgreSQL: 1,000/s on three nodes", "fdatasync p50", [p / sync for p, sync in zip(each(slow, "p50_ms"), syncs)], 20, "p50", goal=6, form="{:.1f}"),
        Line("PostgreSQL: 1,000/s on three nodes", "fdatasync p50", [p / sync for p, sync in zip(each(slow, "p99_ms"), syncs)], 100, "p99", goal=20, form="{:.1f}"),
        Line("PostgreSQL: accept, saturated", "–", each(one, "statements"), 1 / 25, "statements a message", goal=1 / 64, form="{:.3f}"),
        Line("PostgreSQL: whole life", "–", each(life, "records"), 1 / 50, "statements an outcome", goal=1 / 200, form="{:.3f}"),
        Line("PostgreSQL: claims and outcomes, 3 of 10 routes dead", "–", each(claims, "rate"), 30_000, "rate", unit="/s", goal=80_000, form="{:.0f}", at_least=True),
        Line("PostgreSQL: claims, 10^6 waiting", "10^5 waiting", ratio("three nodes, claims, 10^6 waiting", claims, "rate"), 0.7, "rate", goal=0.9, at_least=True),
        Line("PostgreSQL: claims, an old snapshot", "none", ratio(claims + ", an old snapshot", claims, "rate"), 0.5, "rate", goal=0.9, at_least=True),
    ]
    return Result("\n".join(rows) + "\n", lines)
