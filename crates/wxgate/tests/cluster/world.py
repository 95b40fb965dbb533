"""PostgreSQL, the simulated WeChat, a backend and three nodes, as real processes."""

import asyncio
import collections
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

from net import deepen, faketime, spawn

SECRET = "a1" * 16
APPID = "wx00000000000000a1"
# The call that is made most, and costs WeChat little.
USERS = "/cgi-bin/user/get"
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
        self.log, self.process = place / f"{name}.log", None
        # It ends with us, which changing the user would undo.
        self.as_ = []
        if os.getuid() == 0:
            self.as_ = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--pdeathsig", "QUIT"]

    def run(self, *command, check=True, **more):
        return subprocess.run([*self.as_, *map(str, command)], check=check, stdout=subprocess.DEVNULL, cwd=self.place, **more)

    def init(self):
        self.run(self.bin / "initdb", "-D", self.data, "-U", "wxgate", "--auth", "trust", "--encoding", "UTF8", "--no-locale")
        with open(self.data / "pg_hba.conf", "a") as hba:
            hba.write("host replication all 127.0.0.1/32 trust\nhost all all 10.78.0.0/16 trust\n")

    def copy_of(self, port: int):
        """Of the server that is reached at this port."""
        self.run(self.bin / "pg_basebackup", "-h", "127.0.0.1", "-p", port, "-U", "wxgate", "-D", self.data, "-R", "-X", "stream", stderr=subprocess.DEVNULL)

    def start(self, seconds: float = 120):
        options = {
            "listen_addresses": "*", "port": self.port, "unix_socket_directories": self.place, "max_connections": 300,
            "shared_buffers": "256MB", "max_wal_size": "4GB",
        }
        command = [*self.as_, self.bin / "postgres", "-D", self.data]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        log = open(self.log, "a")
        self.process = spawn(command, stdout=log, stderr=log, cwd=self.place)
        end = time.time() + seconds
        while subprocess.run([self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode:
            if time.time() > end or self.process.poll() is not None:
                raise RuntimeError(f"PostgreSQL doesn't start: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self):
        """Postmaster and all that it started, at once, as when the machine loses power."""
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()
        self.process.kill()
        for one in map(int, children):
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        end = time.time() + 30
        while any(pathlib.Path(f"/proc/{one}").exists() for one in children) and time.time() < end:
            time.sleep(0.02)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def promote(self):
        self.run(self.bin / "pg_ctl", "-D", self.data, "-w", "promote")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def ask(self, sql: str) -> list[str]:
        command = [self.bin / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "wxgate", "-d", "postgres", "-Atc", sql]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


class Relay:
    """A way to the database that stands still while it is cut, and is slow if it is told."""

    def __init__(self, to: int):
        self.to, self.port, self.open, self.delay = to, free_port(), asyncio.Event(), 0.0
        self.open.set()

    async def start(self):
        await asyncio.start_server(self.passes, "0.0.0.0", self.port)

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

            def handle(self):
                # A node that is killed leaves its connections as they are.
                try:
                    super().handle()
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 1024

        server = Server(("0.0.0.0", self.port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()


class Node:
    """One node. `clock` is by how many seconds its clock is wrong; `down` how often it was taken from its callers."""

    def __init__(self, world, n: int, store: str, timeout: str, advertise: bool):
        self.world, self.binary, self.folder, self.n = world, world.binary, world.place / f"node{n}", n
        self.folder.mkdir()
        self.host, self.process, self.name, self.clock = world.net.address(n), None, f"node {n}", 0
        self.port, self.admin = (36012, 36013) if world.net.own else (free_port(), free_port())
        self.url, self.admin_url = f"http://{self.host}:{self.port}", f"http://{self.host}:{self.admin}"
        self.is_down, self.downs = False, 0
        sandbox, hub = world.sandbox, world.net.hub
        apps = "".join(f'[[apps]]\nappid = "wxn{n}"\nkind = "official"\nsecret = "{SECRET}"\n' for n in range(world.apps))
        cluster = f'[cluster]\nadvertise = "{self.url}"\n' if advertise else ""
        (self.folder / "wxgate.toml").write_text(f"""
[server]
listen = "{self.host}:{self.port}"
admin_listen = "{self.host}:{self.admin}"
shutdown_grace = "10s"
[store]
url = "{store}"
master_key = "{KEY}"
[auth]
mode = "off"
allow_open = true
[log]
access = "off"
[wechat]
api_base = "{sandbox}"
mp_base = "{sandbox}"
open_base = "{sandbox}"
timeout = "{timeout}"
{cluster}
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
target = "http://{hub}:{world.backend.port}/hook"
concurrency = 32
timeout = "5s"
retry = ["1s", "2s", "5s", "5s", "5s", "10s", "10s", "10s", "10s", "10s"]
""")

    def start(self):
        log, env = open(self.folder / "log", "a"), dict(os.environ)
        if self.clock:
            # Only what the time of day is: waits go by another clock.
            env |= {
                "LD_PRELOAD": faketime(), "FAKETIME": f"{self.clock:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
            }
        command = [*self.world.net.inside(self.n), self.binary, "serve", "--config", self.folder / "wxgate.toml"]
        self.process = spawn(command, stdout=log, stderr=log, env=env)

    def ready(self, seconds=60):
        end = time.time() + seconds
        while time.time() < end:
            try:
                if urllib.request.urlopen(f"{self.url}/readyz", timeout=1).status == 200:
                    self.is_down = False
                    return
            except OSError:
                time.sleep(0.05)
            if self.process.poll() is not None:
                break
        raise RuntimeError(f"{self.name} isn't ready: {self.log()[-2000:]}")

    def goes_down(self):
        """From now on, until it is ready, calls may be cut."""
        self.is_down = True
        self.downs += 1

    def kill(self):
        self.goes_down()
        self.process.kill()
        self.process.wait()

    def log(self) -> str:
        return (self.folder / "log").read_text()


class World:
    def __init__(self, binary: str, net, apps: int = 0):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="wxgate-cluster-"))
        self.place.chmod(0o777)
        self.binary, self.net, self.apps = binary, net, apps
        self.processes: list[subprocess.Popen] = []
        self.servers: list[Postgres] = []
        self.relays, self.nodes = [], []

    def server(self, name: str, port: int) -> Postgres:
        self.servers.append(Postgres(self.place, name, port))
        return self.servers[-1]

    async def start(self, further_port: int | None = None, relays=True, timeout="30s", advertise=False):
        self.postgres = self.server("primary", free_port())
        self.postgres.init()
        self.postgres.start()
        port = free_port()
        self.sandbox = f"http://{self.net.hub}:{port}"
        log = open(self.place / "sandbox.log", "a")
        self.processes.append(spawn([self.binary, "sandbox", "--listen", f"{self.net.hub}:{port}"], stdout=log, stderr=log))
        self.backend = Backend()
        await self.until_it_listens(port)
        deepen(self.processes[-1], port)
        for n in range(3):
            relay = Relay(self.postgres.port)
            await relay.start()
            self.relays.append(relay)
            ports = [relay.port if relays else self.postgres.port, *([further_port] if further_port else [])]
            hosts = ",".join(f"{self.net.database(n)}:{port}" for port in ports)
            store = f"postgres://wxgate@{hosts}/postgres?sslmode=disable"
            self.nodes.append(Node(self, n, store, timeout, advertise))
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            await asyncio.to_thread(node.ready)
        for n in range(self.apps):
            await self.control("apps", {"appid": f"wxn{n}", "secret": SECRET, "kind": "official"})

    async def until_it_listens(self, port: int):
        for _ in range(200):
            try:
                return (await asyncio.open_connection(self.net.hub, port))[1].close()
            except OSError:
                await asyncio.sleep(0.05)

    async def control(self, what: str, members: dict):
        """A control call of the simulated WeChat."""
        status, said = await post(f"{self.sandbox}/sandbox/{what}", json.dumps(members))
        if status != 200:
            raise RuntimeError(f"{what}: {status} {said[:200]}")
        return json.loads(said)

    async def calls(self, since: int = 0):
        """The calls that WeChat got, in short."""
        state = json.loads((await exchange("GET", self.sandbox + "/sandbox/state", timeout=60))[1])
        return [call for call in state["calls"] if call["seq"] > since]

    def end(self):
        for process in [*(node.process for node in self.nodes if node.process), *self.processes]:
            process.kill()
        for server in self.servers:
            try:
                server.stop()
            except OSError as error:
                print(f"PostgreSQL isn't stopped: {error}")
        if self.net.own:
            self.net.end()
        shutil.rmtree(self.place, ignore_errors=True)


async def exchange(method: str, url: str, body: str = "", kind: str = "application/json", headers: str = "", timeout: float = 20):
    """Status and body; a connection of its own, as a balancer's might be."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, port = host.split(":")
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(name, int(port))
        try:
            data = body.encode()
            head = f"{method} /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n{headers}Connection: close\r\n\r\n"
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


async def get(url: str, **more):
    return await exchange("GET", url, **more)


async def users(node: Node, appid: str):
    return await get(node.url + USERS, headers=f"X-Wx-Appid: {appid}\r\n")
