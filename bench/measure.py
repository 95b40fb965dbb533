"""Processes under test, and what a load costs them. Whatever is started here is ended here, and its folder removed."""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("WXGATE_BENCH_CACHE", HERE / "cache"))
TICK = os.sysconf("SC_CLK_TCK")
# Below the ports that the kernel gives to outgoing connections.
PORTS = iter(range(28100, 32000))
UNITS = {"us": 1.0, "ms": 1000.0, "s": 1_000_000.0}
RUNNING: list["Server"] = []
# What was left out, once each, for the report.
SKIPPED: list[str] = []


class Missing(Exception):
    """What a figure needs isn't here: it is left out."""


@dataclass
class Server:
    name: str
    process: subprocess.Popen
    address: str
    headers: dict = field(default_factory=dict)
    path: str = "/"
    folder: Path | None = None
    admin: str = ""


@dataclass
class Figures:
    """Of one round: requests a second; CPU microseconds a request, all and in user mode; latencies in microseconds."""

    rate: float
    cpu: float
    user: float
    p50: float
    p99: float
    count: int = 0


@dataclass
class Bench:
    """What every figure is handed."""

    rounds: int
    seconds: int
    # The fake WeChat.
    wechat: Server
    # Where our own programs are.
    bin: Path

    @property
    def upstream(self) -> str:
        return self.wechat.address


def run(*command, **more) -> None:
    subprocess.run(command, check=True, **more)


def skipped(what: str) -> None:
    if what not in SKIPPED:
        SKIPPED.append(what)
    print(f"skipped: {what}", flush=True)


def address() -> str:
    return f"127.0.0.1:{next(PORTS)}"


def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="wxgate-bench-"))


def log_of(name: str) -> Path:
    return CACHE / f"{re.sub(r'[^A-Za-z0-9.-]', '_', name)}.log"


def start(name: str, command: list[str], own: str, cores: str = "0", tls=None, **more) -> Server:
    """Starts `command` on these cores and waits until it answers at `own`."""
    # Only ever appended to, so that it can be emptied meanwhile.
    log_of(name).unlink(missing_ok=True)
    log = open(log_of(name), "a")
    process = subprocess.Popen(["taskset", "-c", cores, *command], stdout=subprocess.DEVNULL, stderr=log, **more)
    log.close()
    server = Server(name, process, own)
    RUNNING.append(server)
    url = f"{'https' if tls else 'http'}://{own}/healthz"
    for _ in range(1200):
        try:
            urllib.request.urlopen(url, timeout=1, context=tls).read()
            return server
        except urllib.error.HTTPError:
            return server
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended: see {log_of(name)}")
            time.sleep(0.05)
    raise RuntimeError(f"{name} never answered")


def stop(servers: list[Server], keep: bool = False) -> None:
    """`keep`: their folders stay."""
    # The same process may stand under several names.
    servers = [one for one in RUNNING if any(one.process is server.process for server in servers)]
    for server in servers:
        server.process.terminate()
    for server in servers:
        try:
            server.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()
        RUNNING.remove(server)
        if server.folder and not keep:
            shutil.rmtree(server.folder, ignore_errors=True)


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        listed = task / "children"
        if listed.exists():
            for child in listed.read_text().split():
                found += [int(child), *children(int(child))]
    return found


def cpu(pid: int) -> tuple[float, float]:
    """User and system time of the process and of its children that live, in seconds."""
    user = system = 0.0
    for one in [pid, *children(pid)]:
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        user += int(fields[11]) / TICK
        system += int(fields[12]) / TICK
    return user, system


def rss(pid: int) -> float:
    status = (Path(f"/proc/{one}/status").read_text() for one in [pid, *children(pid)])
    return sum(int(re.search(r"VmRSS:\s+(\d+)", text)[1]) for text in status) / 1024


def settle(server: Server) -> None:
    """Waits until it has done what it does after its start."""
    for _ in range(120):
        before = sum(cpu(server.process.pid))
        time.sleep(1)
        if sum(cpu(server.process.pid)) - before < 0.02:
            return
    raise RuntimeError(f"{server.name} doesn't come to rest")


def charged(server: Server, work) -> Figures:
    """Does `work`, which returns count, seconds, p50 and p99, and sees what that cost the server."""
    before = cpu(server.process.pid)
    count, took, p50, p99 = work()
    after = cpu(server.process.pid)
    user, system = after[0] - before[0], after[1] - before[1]
    return Figures(count / took, (user + system) / count * 1e6, user / count * 1e6, p50, p99, int(count))


def load(server: Server, seconds: float, script: Path | None = None, cores: str = "1") -> Figures:
    """As fast as it answers, by wrk with a thread on each of `cores`."""
    if not shutil.which("wrk"):
        raise Missing("no wrk here (Debian: wrk)")
    headers = [part for name, value in server.headers.items() for part in ("-H", f"{name}: {value}")]
    more = ["-s", str(script)] if script else []
    threads = len(cores.split(","))
    command = ["taskset", "-c", cores, "wrk", f"-t{threads}", "-c64", f"-d{seconds}s", "--latency", *more, *headers, f"http://{server.address}{server.path}"]

    def work():
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if wrong := re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: .*", out):
            raise RuntimeError(f"{server.name}: {wrong[0]}\n{out}")
        at = {p: float(v) * UNITS[u] for p, v, u in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)", out)}
        count = int(re.search(r"(\d+) requests in", out)[1])
        return count, float(re.search(r"requests in ([\d.]+)s", out)[1]), at["50"], at["99"]

    return charged(server, work)


def drive(server: Server, command: list, cores: str = "1", then=None) -> Figures:
    """By one of our own loads; what the server is charged for until `then` is done counts, too."""

    def work():
        said = subprocess.run(["taskset", "-c", cores, *map(str, command)], capture_output=True, text=True)
        if said.returncode:
            raise RuntimeError(f"{server.name}: {said.stderr}")
        if then:
            then(server)
        return [float(word) for word in said.stdout.split()]

    return charged(server, work)


def paced(bench: Bench, server: Server, rate: int, seconds: float, count: int = 0, apps: str = "-", cores: str = "1") -> Figures:
    """GETs at a fixed rate (0: as fast as it answers); latency counts from when a request was due."""
    headers = [f"{name}: {value}" for name, value in server.headers.items()]
    found = drive(server, [bench.bin / "load", server.address, seconds, count, rate, 64, apps, server.path, *headers], cores)
    if rate and found.rate < rate * 0.97:
        print(f"  {server.name}: {found.rate:.0f} instead of {rate} a second", file=sys.stderr, flush=True)
    return found


def take_turns(servers: list[Server], bench: Bench, measure) -> dict[str, list[Figures]]:
    """`measure(server, seconds)` for each in each round, after an unmeasured second."""
    found = {server.name: [] for server in servers}
    for server in servers:
        measure(server, 1)
    for n in range(bench.rounds):
        # Every other round the other way round: what a neighbour takes hits all alike.
        for server in servers if n % 2 == 0 else servers[::-1]:
            found[server.name].append(measure(server, bench.seconds))
        print(f"  round {n + 1} of {bench.rounds}", file=sys.stderr, flush=True)
    return found


def ask(url: str, tls=None):
    return json.loads(urllib.request.urlopen(url, timeout=5, context=tls).read())


def median(values: list[float]) -> float:
    return statistics.median(values)


def spread(values: list[float], form: str = "{:.2f}") -> str:
    show = form.format
    return f"{show(median(values))} [{show(min(values))}..{show(max(values))}]"
