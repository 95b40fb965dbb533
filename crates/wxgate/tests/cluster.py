#!/usr/bin/env python3
"""Three real nodes on a real PostgreSQL, with faults; prints what it measured and ends with 1 if something is lost.

    crates/wxgate/tests/cluster.py target/demo/wxgate faults [seconds, 600] [only these kinds ...]
    crates/wxgate/tests/cluster.py target/demo/wxgate failover
    crates/wxgate/tests/cluster.py target/demo/wxgate rolling [path of the version before]
    crates/wxgate/tests/cluster.py target/demo/wxgate expiry [callers, 10000]

faults: calls, callbacks and deliveries while every 15 s a node is killed, paused, cut off from the database or slowed, or
PostgreSQL is killed. failover: the primary is killed and a standby promoted. rolling: each node is replaced under load.
expiry: 50 apps and so many callers at once, when every token has ended.

Needs PostgreSQL's binaries (Debian: postgresql). The databases are durable, in a folder that is removed afterwards.
"""

import asyncio
import collections
import hashlib
import http.server
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request

SECRET = "a1" * 16
APPID = "wx00000000000000a1"
PLAIN = "wx3cc8fd6963e31a32"
KEY = "dGVzdC10ZXN0LXRlc3QtdGVzdC10ZXN0LXRlc3QtdGU="


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def binaries() -> pathlib.Path | None:
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    return found[-1] if found and (found[-1] / "initdb").exists() else None


class Postgres:
    """A durable server of our own."""

    def __init__(self, place: pathlib.Path, name: str, port: int):
        self.bin, self.data, self.port, self.place = binaries(), place / name, port, place
        self.log = place / f"{name}.log"
        self.as_ = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"] if os.getuid() == 0 else []

    def run(self, *command, check=True, **more):
        return subprocess.run([*self.as_, *map(str, command)], check=check, stdout=subprocess.DEVNULL, cwd=self.place, **more)

    def init(self):
        self.run(self.bin / "initdb", "-D", self.data, "-U", "wxgate", "--auth", "trust", "--encoding", "UTF8", "--no-locale")
        with open(self.data / "pg_hba.conf", "a") as hba:
            hba.write("host replication all 127.0.0.1/32 trust\n")

    def copy_of(self, port: int):
        """Of the server that is reached at this port."""
        self.run(self.bin / "pg_basebackup", "-h", "127.0.0.1", "-p", port, "-U", "wxgate", "-D", self.data, "-R", "-X", "stream", stderr=subprocess.DEVNULL)

    def start(self):
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.place} -c max_connections=300 "
            "-c shared_buffers=256MB -c max_wal_size=4GB"
        )
        self.run(self.bin / "pg_ctl", "-D", self.data, "-l", self.log, "-w", "start", "-o", options)

    def kill(self):
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
        for one in [pid, *map(int, children)]:
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                pass
        while subprocess.run(["pgrep", "-f", str(self.data)], capture_output=True).returncode == 0:
            time.sleep(0.05)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def promote(self):
        self.run(self.bin / "pg_ctl", "-D", self.data, "-w", "promote")

    def stop(self):
        self.run(self.bin / "pg_ctl", "-D", self.data, "-m", "immediate", "stop", check=False, stderr=subprocess.DEVNULL)

    def ask(self, sql: str) -> list[str]:
        command = [self.bin / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "wxgate", "-d", "postgres", "-Atc", sql]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


class Relay:
    """A way to the database that stands still while it is cut, and is slow if it is told."""

    def __init__(self, to: int):
        self.to, self.port, self.open, self.delay = to, free_port(), asyncio.Event(), 0.0
        self.open.set()

    async def start(self):
        await asyncio.start_server(self.passes, "127.0.0.1", self.port)

    async def passes(self, reader, writer):
        try:
            theirs = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(self.copy(reader, theirs[1]), self.copy(theirs[0], writer), return_exceptions=True)
        except asyncio.CancelledError:
            # The end.
            pass

    async def copy(self, reader, writer):
        try:
            while piece := await reader.read(65536):
                await self.open.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(piece)
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass
        writer.close()


class Backend:
    """Counts the messages it gets."""

    def __init__(self):
        self.got, self.lock, self.port = collections.Counter(), threading.Lock(), free_port()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                name = body.split(b"<Content><![CDATA[")[1].split(b"]")[0].decode()
                with outer.lock:
                    outer.got[name] += 1
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()


class Node:
    def __init__(self, place: pathlib.Path, n: int, binary: str, sandbox: str, store: str, backend: int, apps: str):
        self.binary, self.folder = binary, place / f"node{n}"
        self.folder.mkdir()
        self.port, self.admin, self.process, self.name = free_port(), free_port(), None, f"node {n}"
        (self.folder / "wxgate.toml").write_text(f"""
[server]
listen = "127.0.0.1:{self.port}"
admin_listen = "127.0.0.1:{self.admin}"
shutdown_grace = "10s"
[store]
url = "{store}"
master_key = "{KEY}"
[auth]
mode = "off"
[log]
access = "off"
[wechat]
api_base = "{sandbox}"
mp_base = "{sandbox}"
open_base = "{sandbox}"
timeout = "30s"
[[apps]]
appid = "{APPID}"
kind = "official"
secret = "{SECRET}"
[[apps]]
appid = "{PLAIN}"
kind = "official"
secret = "{'c3' * 16}"
original_id = "gh_0000000000c3"
callback_token = "sandboxtoken"
{apps}
[[routes]]
name = "all"
target = "http://127.0.0.1:{backend}/hook"
concurrency = 32
timeout = "5s"
retry = ["1s", "2s", "5s", "5s", "5s", "10s", "10s", "10s", "10s", "10s"]
""")

    def start(self):
        log = open(self.folder / "log", "a")
        command = [self.binary, "serve", "--config", str(self.folder / "wxgate.toml")]
        self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def ready(self, seconds=30):
        end = time.time() + seconds
        while time.time() < end:
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1).status == 200
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} isn't ready: {(self.folder / 'log').read_text()[-2000:]}")


class World:
    def __init__(self, binary: str, apps: int = 0):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="wxgate-cluster-"))
        self.place.chmod(0o777)
        self.binary, self.apps = binary, apps
        self.processes: list[subprocess.Popen] = []

    async def start(self, further_hosts: str = "", relays=True):
        self.postgres = Postgres(self.place, "primary", free_port())
        self.postgres.init()
        self.postgres.start()
        port, admin = free_port(), free_port()
        self.sandbox = f"http://127.0.0.1:{port}"
        self.processes.append(subprocess.Popen([self.binary, "sandbox", "--listen", f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        self.backend = Backend()
        apps = "".join(f'[[apps]]\nappid = "wxn{n}"\nkind = "official"\nsecret = "{SECRET}"\n' for n in range(self.apps))
        self.relays, self.nodes = [], []
        for n in range(3):
            relay = Relay(self.postgres.port)
            await relay.start()
            self.relays.append(relay)
            hosts = f"127.0.0.1:{relay.port if relays else self.postgres.port}{further_hosts}"
            store = f"postgres://wxgate@{hosts}/postgres?sslmode=disable"
            self.nodes.append(Node(self.place, n, self.binary, self.sandbox, store, self.backend.port, apps))
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            await asyncio.to_thread(node.ready)
        for n in range(self.apps):
            await post(self.sandbox + "/sandbox/apps", json.dumps({"appid": f"wxn{n}", "secret": SECRET, "kind": "official"}))

    async def state(self):
        return json.loads((await get(self.sandbox + "/sandbox/state"))[1])

    def end(self):
        for node in getattr(self, "nodes", []):
            if node.process:
                node.process.kill()
        for process in self.processes:
            process.kill()
        self.postgres.stop()
        if hasattr(self, "standby"):
            self.standby.stop()
        shutil.rmtree(self.place, ignore_errors=True)


async def exchange(method: str, url: str, body: str = "", kind: str = "application/json", timeout: float = 20):
    """Status and body; a connection of its own, as a balancer's might be."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, port = host.split(":")
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(name, int(port))
        try:
            data = body.encode()
            head = f"{method} /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + data)
            await writer.drain()
            answer = await reader.read()
        finally:
            writer.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        raise ConnectionError("cut")
    return int(head.split()[1]), rest


async def post(url: str, body: str, **more):
    return await exchange("POST", url, body, **more)


async def get(url: str):
    return await exchange("GET", url)


def push(name: str):
    """A plain text as WeChat sends it: query and body."""
    now, nonce = str(int(time.time())), str(random.randrange(10**9))
    signature = hashlib.sha1("".join(sorted(["sandboxtoken", now, nonce])).encode()).hexdigest()
    body = (
        f"<xml><ToUserName><![CDATA[gh_0000000000c3]]></ToUserName><FromUserName><![CDATA[o{random.randrange(1000)}]]></FromUserName>"
        f"<CreateTime>{now}</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{name}]]></Content><MsgId>{random.randrange(10**15)}</MsgId></xml>"
    )
    return f"signature={signature}&timestamp={now}&nonce={nonce}", body


class Load:
    """Calls and callbacks at all nodes; what was acknowledged, and what was answered oddly."""

    def __init__(self, world: World, rate: float):
        self.world, self.rate, self.runs = world, rate, True
        self.acked, self.sent, self.outcomes, self.odd = set(), 0, collections.Counter(), []
        self.failed_calls = collections.Counter()

    async def message(self, n: int):
        name = f"m{n}"
        query, body = push(name)
        # WeChat tries three times; the balancer tries another node at 500.
        for attempt in range(3):
            for node in random.sample(self.world.nodes, 3):
                try:
                    url = f"http://127.0.0.1:{node.port}/v1/service/wx/wxmsg/{PLAIN}?{query}"
                    status, said = await post(url, body, kind="text/xml", timeout=5)
                except (OSError, TimeoutError, ConnectionError):
                    self.outcomes["cut"] += 1
                    continue
                self.outcomes[status] += 1
                if status == 200 and said == b"success":
                    self.acked.add(name)
                    return
                if status != 500:
                    self.odd.append(f"callback: {status} {said[:80]}")
            await asyncio.sleep(1)

    async def call(self):
        node = random.choice(self.world.nodes)
        try:
            status, said = await post(f"http://127.0.0.1:{node.port}/v1/service/wx/getwxqrcode", json.dumps({"appid": APPID, "scene": "s", "source": "t"}))
        except (OSError, TimeoutError, ConnectionError):
            self.failed_calls["cut"] += 1
            return
        try:
            ret = json.loads(said)["ret"]
        except (ValueError, KeyError):
            self.odd.append(f"call: {status} {said[:120]}")
            return
        if ret["code"] == 0:
            self.failed_calls["ok"] += 1
        else:
            self.failed_calls[ret["code"]] += 1
            if not ret["retryable"] or ret.get("wx_errcode") in (40001, 42001, 40014):
                self.odd.append(f"call: {ret}")

    async def run(self):
        tasks = set()
        while self.runs:
            for work in (self.message(self.sent), self.call()):
                task = asyncio.create_task(work)
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            self.sent += 1
            await asyncio.sleep(1 / self.rate)
        await asyncio.gather(*tasks, return_exceptions=True)


async def settled(world: World, load: Load, seconds: float):
    """Waits until all that was acknowledged has arrived; what hasn't."""
    end = time.time() + seconds
    while time.time() < end:
        missing = load.acked - set(world.backend.got)
        if not missing:
            break
        await asyncio.sleep(0.5)
    return load.acked - set(world.backend.got)


def report(world: World, load: Load, missing) -> int:
    again = sum(count - 1 for count in world.backend.got.values())
    share = 100 * again / max(1, len(load.acked))
    print(f"messages sent {load.sent}, acknowledged {len(load.acked)}, answers {dict(load.outcomes)}")
    print(f"arrived {len(world.backend.got)}, missing {len(missing)}, arrived more than once {again} ({share:.2f} %)")
    print(f"calls: {dict(load.failed_calls)}; odd answers: {len(load.odd)} {load.odd[:3]}")
    if missing:
        some = sorted(missing)[:5]
        print("missing:", some)
    return 1 if missing or load.odd or share >= 0.5 else 0


async def faults(world: World, seconds: float, only: list[str]) -> int:
    await world.start()
    load = Load(world, 60)
    running = asyncio.create_task(load.run())
    end, kinds = time.time() + seconds, only or ["kill", "pause", "cut", "slow", "postgres"]
    while time.time() < end:
        await asyncio.sleep(15)
        n, kind = random.randrange(3), random.choice(kinds)
        node, relay, last = world.nodes[n], world.relays[n], random.uniform(2, 10)
        began = time.time()
        if kind == "kill":
            node.process.kill()
            node.process.wait()
            await asyncio.sleep(last / 3)
            node.start()
            await asyncio.to_thread(node.ready)
        elif kind == "pause":
            node.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(last)
            node.process.send_signal(signal.SIGCONT)
        elif kind == "cut":
            relay.open.clear()
            await asyncio.sleep(last)
            relay.open.set()
        elif kind == "slow":
            relay.delay = 0.05
            await asyncio.sleep(last)
            relay.delay = 0.0
        else:
            world.postgres.kill()
            await asyncio.sleep(last / 3)
            world.postgres.start()
            back, before = time.time(), len(load.acked)
            while len(load.acked) == before and time.time() - back < 60:
                await asyncio.sleep(0.05)
            print(f"  postgres is back; the first message is acknowledged {time.time() - back:.1f} s later", flush=True)
        print(f"{kind} at node {n} for {time.time() - began:.1f} s; sent {load.sent}, acknowledged {len(load.acked)}", flush=True)
    await asyncio.sleep(5)
    load.runs = False
    await running
    missing = await settled(world, load, 120)
    return report(world, load, missing)


async def failover(world: World) -> int:
    port = free_port()
    await world.start(further_hosts=f",127.0.0.1:{port}", relays=False)
    world.standby = Postgres(world.place, "standby", port)
    relay = Relay(world.postgres.port)
    await relay.start()
    await asyncio.to_thread(world.standby.copy_of, relay.port)
    await asyncio.to_thread(world.standby.start)
    load = Load(world, 150)
    running = asyncio.create_task(load.run())
    await asyncio.sleep(10)
    # It falls behind, and what it lacks is lost with the primary.
    relay.open.clear()
    await asyncio.sleep(2)
    ids = set(world.postgres.ask("select id from events"))
    world.postgres.kill()
    world.standby.promote()
    began, before = time.time(), len(load.acked)
    there = set(world.standby.ask("select id from events"))
    while len(load.acked) == before and time.time() - began < 60:
        await asyncio.sleep(0.05)
    print(f"promoted with {len(ids - there)} of {len(ids)} messages lost; the next is acknowledged {time.time() - began:.1f} s later")
    await asyncio.sleep(15)
    load.runs = False
    await running
    missing = await settled(world, load, 120)
    after = set(world.standby.ask("select id from events"))
    reused = (ids - there) & after
    print(f"ids used for two messages: {len(reused)}")
    return report(world, load, missing) or int(bool(reused))


async def rolling(world: World, before: str | None) -> int:
    newer = world.binary
    world.binary = before or newer
    await world.start()
    load = Load(world, 100)

    # A balancer sends nothing to a node that isn't ready.
    async def watch():
        every = list(world.nodes)
        while load.runs:
            ready = []
            for node in every:
                try:
                    if (await exchange("GET", f"http://127.0.0.1:{node.port}/readyz", timeout=1))[0] == 200:
                        ready.append(node)
                except (OSError, TimeoutError, ConnectionError):
                    pass
            world.nodes = ready * 3 if len(ready) < 3 else ready
            await asyncio.sleep(0.2)
        world.nodes = every

    running, watching = asyncio.create_task(load.run()), asyncio.create_task(watch())
    every = list(world.nodes)
    await asyncio.sleep(5)
    for node in every:
        node.process.terminate()
        began = time.time()
        await asyncio.to_thread(node.process.wait)
        print(f"{node.name} ended within {time.time() - began:.1f} s", flush=True)
        node.binary = newer
        node.start()
        await asyncio.to_thread(node.ready)
        await asyncio.sleep(3)
    load.runs = False
    await asyncio.gather(running, watching)
    missing = await settled(world, load, 90)
    failed = sum(count for code, count in load.failed_calls.items() if code != "ok")
    print(f"failed calls: {failed}")
    return report(world, load, missing) or int(failed > 0)


async def expiry(world: World, callers: int) -> int:
    world.apps = 50
    await world.start()
    calls = [f"http://127.0.0.1:{node.port}/v1/service/wx/getwxqrcode" for node in world.nodes]

    async def one(n: int):
        body = json.dumps({"appid": f"wxn{n % 50}", "scene": "s", "source": "t"})
        status, said = await post(calls[n % 3], body, timeout=60)
        return json.loads(said)["ret"]

    begin = [await one(n) for n in range(150)]
    assert all(ret["code"] == 0 for ret in begin), begin[0]

    async def fetched():
        state = await world.state()
        return sum(call["path"] == "/cgi-bin/stable_token" for call in state["calls"])

    before = await fetched()
    await post(world.sandbox + "/sandbox/clear", "{}")
    for n in range(50):
        await post(world.sandbox + "/sandbox/token/expire", json.dumps({"appid": f"wxn{n}"}))
    began = time.time()
    rets = await asyncio.gather(*(one(n) for n in range(callers)))
    took = time.time() - began
    codes = collections.Counter(ret["code"] for ret in rets)
    odd = [ret for ret in rets if ret["code"] != 0][:1]
    print(f"{callers} callers at 3 nodes in {took:.1f} s: {dict(codes)}; fetches before {before}, at expiry {await fetched() - before} {odd}")
    return int(set(codes) != {0})


def main() -> int:
    if binaries() is None:
        print("skipped: no PostgreSQL here (Debian: postgresql)")
        return 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    binary, what, *more = sys.argv[1:]
    world = World(os.path.abspath(binary))
    works = {
        "faults": lambda: faults(world, float(more[0]) if more else 600, more[1:]),
        "failover": lambda: failover(world),
        "rolling": lambda: rolling(world, os.path.abspath(more[0]) if more else None),
        "expiry": lambda: expiry(world, int(more[0]) if more else 10_000),
    }
    code = 1

    async def work():
        nonlocal code
        try:
            code = await works[what]()
        except Exception:
            traceback.print_exc()
        world.end()
        sys.stdout.flush()
        # Connections that stand still end with us.
        os._exit(code)

    asyncio.run(work())
    return code


if __name__ == "__main__":
    sys.exit(main())
