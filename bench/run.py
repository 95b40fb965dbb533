#!/usr/bin/env python3
"""Runs wxgate beside its yardsticks in the same run, alternating, and prints medians and paired ratios.

    bench/run.py [--rounds 5] [--seconds 4] [--out bench/results/FILE.md] [token|pass|image|service|callbacks|connections ...]

The server under test is alone on core 0, the load (wrk) and the fake WeChat are on core 1. CPU is the process's own
accounting (user and system time of all its threads) over the requests that wrk counted. What a machine lacks is said and
left out. Ratios are paired: each round's figure over the yardstick's of the same round.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("WXGATE_BENCH_CACHE", HERE / "cache"))
APPID, KEY, SECRET = "wx3cc8fd6963e31a32", "wxk_bench_0123456789abcdefghijklmnopqrstuv", "c3" * 16
PORTS = iter(range(28100, 28400))
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    name: str
    process: subprocess.Popen
    address: str
    headers: dict = field(default_factory=dict)
    path: str = "/"


def run(*command, **more):
    subprocess.run(command, check=True, **more)


def skipped(what: str) -> None:
    print(f"skipped: {what}", flush=True)


def start(name: str, command: list[str], address: str, core: int = 0, **more) -> Server:
    process = subprocess.Popen(["taskset", "-c", str(core), *command], stdout=subprocess.DEVNULL, stderr=open(CACHE / f"{name.replace(' ', '_').replace('/', '_')}.log", "w"), **more)
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://{address}/healthz", timeout=1).read()
            return Server(name, process, address)
        except urllib.error.HTTPError:
            return Server(name, process, address)
        except OSError:
            if process.poll() is not None:
                raise SystemExit(f"{name} ended: see its log in {CACHE}")
            time.sleep(0.05)
    raise SystemExit(f"{name} never answered")


def cpu(pid: int) -> tuple[float, float]:
    """User and system time of the process and of its children that live, in seconds."""
    user = system = 0.0
    for one in [pid, *children(pid)]:
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        user += int(fields[11]) / TICK
        system += int(fields[12]) / TICK
    return user, system


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        listed = task / "children"
        if listed.exists():
            for child in listed.read_text().split():
                found += [int(child), *children(int(child))]
    return found


def rss(pid: int) -> float:
    return sum(int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{one}/status").read_text())[1]) for one in [pid, *children(pid)]) / 1024


@dataclass
class Figures:
    rate: float
    cpu: float
    user: float
    p50: float
    p99: float


UNITS = {"us": 1.0, "ms": 1000.0, "s": 1_000_000.0}


def load(server: Server, seconds: float, connections: int = 64, script: Path | None = None) -> Figures:
    headers = [part for name, value in server.headers.items() for part in ("-H", f"{name}: {value}")]
    more = ["-s", str(script)] if script else []
    before = cpu(server.process.pid)
    out = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *more, *headers, f"http://{server.address}{server.path}"],
        capture_output=True, text=True, check=True,
    ).stdout
    after = cpu(server.process.pid)
    count = int(re.search(r"(\d+) requests in", out)[1])
    if wrong := re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: .*", out):
        raise SystemExit(f"{server.name}: {wrong[0]}\n{out}")
    at = {p: float(v) * UNITS[u] for p, v, u in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)", out)}
    took = float(re.search(r"requests in ([\d.]+)s", out)[1])
    user, system = after[0] - before[0], after[1] - before[1]
    return Figures(count / took, (user + system) / count * 1e6, user / count * 1e6, at["50"], at["99"])


def spread(values: list[float], form: str = "{:.2f}") -> str:
    show = form.format
    return f"{show(statistics.median(values))} [{show(min(values))}..{show(max(values))}]"


def rounds(servers: list[Server], args, script: Path | None = None) -> dict[str, list[Figures]]:
    found = {server.name: [] for server in servers}
    for server in servers:
        load(server, 1, script=script)
    for n in range(args.rounds):
        # Every other round the other way round: what a neighbour takes hits all alike.
        for server in servers if n % 2 == 0 else servers[::-1]:
            found[server.name].append(load(server, args.seconds, script=script))
        print(f"  round {n + 1} of {args.rounds}", file=sys.stderr, flush=True)
    return found


def table(title: str, found: dict[str, list[Figures]], ours: str) -> str:
    lines = [f"### {title}", "", "| server | req/s | CPU µs | user µs | p50 µs | p99 µs | wxgate's CPU to it | its user | its rate |", "|---|---|---|---|---|---|---|---|---|"]
    mine = found[ours]
    for name, figures in found.items():
        ratios = ["1", "1", "1"] if name == ours else [
            spread([a.cpu / b.cpu for a, b in zip(mine, figures)]),
            spread([a.user / b.user for a, b in zip(mine, figures) if b.user > 0] or [0.0]),
            spread([a.rate / b.rate for a, b in zip(mine, figures)]),
        ]
        cells = [
            spread([f.rate / 1000 for f in figures], "{:.1f}k"), spread([f.cpu for f in figures]), spread([f.user for f in figures]),
            spread([f.p50 for f in figures], "{:.0f}"), spread([f.p99 for f in figures], "{:.0f}"), *ratios,
        ]
        lines.append(f"| {'**' + name + '**' if name == ours else name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


# What is run.

def address() -> str:
    return f"127.0.0.1:{next(PORTS)}"


def config(own: str, admin: str, upstream: str, more: str = "", apps: int = 1) -> str:
    accounts = "".join(
        f'[[apps]]\nappid = "{APPID if n == 0 else f"wx{n:016x}"}"\nkind = "official"\nsecret = "{SECRET}"\ncallback_token = "benchtoken"\naes_key = "{"a" * 43}"\n'
        for n in range(apps)
    )
    return (
        f'[server]\nlisten = "{own}"\nadmin_listen = "{admin}"\n[store]\nurl = "sqlite:wxgate.db"\n[log]\naccess = "failures"\n'
        f'[wechat]\napi_base = "http://{upstream}"\nmp_base = "http://{upstream}"\n{accounts}'
        f'[[callers]]\nname = "bench"\nkey = "{KEY}"\napps = ["*"]\napis = ["*"]\n{more}'
    )


def wxgate(upstream: str, more: str = "", apps: int = 1, name: str = "wxgate") -> Server:
    folder = Path(tempfile.mkdtemp(prefix="wxgate-bench-"))
    own, admin = address(), address()
    (folder / "wxgate.toml").write_text(config(own, admin, upstream, more, apps))
    os.chmod(folder / "wxgate.toml", 0o600)
    return start(name, [os.environ["WXGATE_BIN"], "serve"], own, cwd=folder)


def rust() -> Path:
    target = CACHE / "rust"
    run("cargo", "build", "--release", "--quiet", "--target-dir", str(target), cwd=HERE / "servers/rust")
    return target / "release"


def nginx(name: str, conf: str, own: str, **values: str) -> Server | None:
    if not shutil.which("nginx") or ("lua" in (HERE / f"servers/nginx/{conf}").read_text() and not Path("/usr/lib/nginx/modules/ngx_http_lua_module.so").exists()):
        return skipped(f"no {name} here (Debian: nginx-light, libnginx-mod-http-lua)")
    folder = Path(tempfile.mkdtemp(prefix="wxgate-bench-"))
    text = (HERE / f"servers/nginx/{conf}").read_text().replace("modules/", "/usr/lib/nginx/modules/")
    for key, value in {"ADDRESS": own, "KEY": KEY, "APPID": APPID, **values}.items():
        text = text.replace(key, value)
    (folder / "nginx.conf").write_text(text)
    return start(name, ["nginx", "-p", str(folder), "-c", "nginx.conf"], own)


def go() -> str | None:
    if not shutil.which("go"):
        return skipped("no Go here (Debian: golang-go)")
    run("go", "build", "-o", str(CACHE / "go-yardsticks"), ".", cwd=HERE / "servers/go")
    return str(CACHE / "go-yardsticks")


def token(args, upstream: str, bin: Path) -> str:
    path = f"/cgi-bin/token?grant_type=client_credential&appid={APPID}&secret={KEY}"
    ours = wxgate(upstream)
    body = urllib.request.urlopen(f"http://{ours.address}{path}").read()
    held = CACHE / "token.json"
    held.write_bytes(body)
    value = body.decode().split('"access_token":"')[1].split('"')[0]
    own = address()
    servers = [ours, start("bare hyper", [str(bin / "fixed"), own, str(held)], own)]
    own = address()
    servers.append(nginx("nginx + Lua", "token.conf", own, BODY=body.decode()))
    if binary := go():
        own = address()
        servers.append(start("Go net/http", [binary, "token", own, APPID, KEY, str(held)], own, env={**os.environ, "GOMAXPROCS": "1"}))
    servers += [fastify(value), fastapi(value)]
    servers = [server for server in servers if server]
    for server in servers:
        server.path = path
    found = rounds(servers, args)
    stop(servers)
    return table("token read", found, "wxgate")


def fastify(value: str) -> Server | None:
    if not shutil.which("npm"):
        return skipped("no Node here")
    folder = CACHE / "fastify"
    shutil.copytree(HERE / "servers/fastify", folder, dirs_exist_ok=True)
    if subprocess.run(["npm", "install", "--silent", "--no-package-lock", "--no-audit", "--no-fund"], cwd=folder).returncode:
        return skipped("no npm registry to be reached, so no Fastify")
    own = address()
    return start("Fastify + co-wechat-api", ["node", str(folder / "main.mjs"), own.split(":")[1], APPID, KEY, value], own)


def fastapi(value: str) -> Server | None:
    venv = CACHE / "fastapi"
    if not (venv / "bin/uvicorn").exists():
        try:
            run(sys.executable, "-m", "venv", str(venv))
            run(str(venv / "bin/pip"), "install", "--quiet", "-r", str(HERE / "servers/fastapi/requirements.txt"))
        except subprocess.CalledProcessError:
            return skipped("no Python package registry to be reached, so no FastAPI")
    own = address()
    host, port = own.split(":")
    env = {**os.environ, "APPID": APPID, "KEY": KEY, "TOKEN": value}
    return start("FastAPI + wechatpy", [str(venv / "bin/uvicorn"), "main:app", "--host", host, "--port", port, "--no-access-log", "--log-level", "critical"], own, cwd=HERE / "servers/fastapi", env=env)


def proxies(upstream: str, path: str) -> list[Server]:
    headers = {"Authorization": f"Bearer {KEY}", "X-Wx-Appid": APPID}
    value = "75_" + "t" * 133
    servers = [wxgate(upstream)]
    for name, conf in (("nginx", "proxy.conf"), ("nginx + Lua", "proxy-lua.conf")):
        servers.append(nginx(name, conf, address(), UPSTREAM=upstream, TOKEN=value))
    if binary := go():
        own = address()
        servers.append(start("Go ReverseProxy", [binary, "proxy", own, upstream, APPID, KEY, value], own, env={**os.environ, "GOMAXPROCS": "1"}))
    servers = [server for server in servers if server]
    for server in servers:
        server.path, server.headers = path, headers
    return servers


def passed(args, upstream: str, bin: Path) -> str:
    servers = proxies(upstream, "/cgi-bin/user/info?openid=oi2gjcX9COk0CXktAhOgmjS7")
    found = rounds(servers, args)
    stop(servers)
    return table("pass-through, 200 B", found, "wxgate")


def image(args, upstream: str, bin: Path) -> str:
    servers = [server for server in proxies(upstream, "/cgi-bin/media/get_image?openid=x") if server.name in ("wxgate", "nginx")]
    found = rounds(servers, args)
    stop(servers)
    return table("pass-through, 60 KB (nginx with 32 KB buffers)", found, "wxgate")


def service(args, upstream: str, bin: Path) -> str:
    """A service call with one upstream call, beside the same process's own pass-through of the same call."""
    ours = wxgate(upstream)
    data = '"data":{"thing1":{"value":"tea"},"time2":{"value":"2026-01-01"}}'
    posts = {
        "service call": ("/v1/service/wx/sendwxtemplatemsg", f'{{"source":"bench","appid":"{APPID}","openid":"oi2gjcX9COk0CXktAhOgmjS7_01E","template_id":"TM00015",{data}}}'),
        "its own pass-through": ("/cgi-bin/message/template/send", f'{{"touser":"oi2gjcX9COk0CXktAhOgmjS7_01E","template_id":"TM00015",{data}}}'),
    }
    servers, scripts = [], {}
    for name, (path, body) in posts.items():
        script = CACHE / f"{path.rsplit('/', 1)[1]}.lua"
        script.write_text(f"wrk.method = 'POST'\nwrk.body = [[{body}]]\nwrk.headers['Content-Type'] = 'application/json'\n")
        scripts[name] = script
        servers.append(Server(name, ours.process, ours.address, {"Authorization": f"Bearer {KEY}", "X-Wx-Appid": APPID}, path))
    found = {name: [] for name in posts}
    for n in range(args.rounds):
        for server in servers if n % 2 == 0 else servers[::-1]:
            found[server.name].append(load(server, args.seconds, script=scripts[server.name]))
    stop([ours])
    return table("service call with one upstream call", found, "service call")


def probe(seconds: float) -> float:
    """Appends of 1 KB with fdatasync, a second: what the disk allows whoever waits for it."""
    with tempfile.TemporaryDirectory(prefix="wxgate-bench-") as folder:
        file = os.open(f"{folder}/probe", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        piece, count, end = b"x" * 1024, 0, time.time() + seconds
        while time.time() < end:
            os.write(file, piece)
            os.fdatasync(file)
            count += 1
        os.close(file)
        return count / seconds


def callbacks(args, upstream: str, bin: Path) -> str:
    """Callbacks acknowledged after their commit, 64 at once, beside what the disk syncs between the rounds."""
    lines = ["### callback acknowledged after commit, 64 at once, SQLite FULL", "", "| process | messages/s | CPU µs a message | p50 ms | p99 ms | rate to the fdatasync probe |", "|---|---|---|---|---|---|"]
    for cores in ("0", "0,1"):
        ours = wxgate(upstream)
        run("taskset", "-a", "-c", "-p", cores, str(ours.process.pid), stdout=subprocess.DEVNULL)
        found = []
        for n in range(args.rounds):
            synced = probe(1)
            before = cpu(ours.process.pid)
            said = subprocess.run(["taskset", "-c", "1", str(bin / "callbacks"), ours.address, APPID, "benchtoken", "a" * 43, str(args.seconds), "64"], capture_output=True, text=True)
            if said.returncode:
                raise SystemExit(said.stderr)
            count, took, p50, p99 = (float(word) for word in said.stdout.split())
            used = sum(cpu(ours.process.pid)) - sum(before)
            found.append((count / took, used / count * 1e6, p50 / 1000, p99 / 1000, count / took / ((synced + probe(1)) / 2)))
            print(f"  round {n + 1} of {args.rounds}", file=sys.stderr, flush=True)
        columns = [spread(list(column), form) for column, form in zip(zip(*found), ("{:.0f}", "{:.1f}", "{:.2f}", "{:.1f}", "{:.2f}"))]
        lines.append(f"| {'one core' if cores == '0' else 'two cores, one shared with the load'} | " + " | ".join(columns) + " |")
        stop([ours])
    return "\n".join(lines) + "\n"


def connections(args, upstream: str, bin: Path) -> str:
    """Memory: idle with 100 apps, and of a kept connection in a fresh process."""
    import socket
    lines = ["### memory", "", "| server | idle MiB | KiB a kept connection |", "|---|---|---|"]
    held = CACHE / "token.json"
    if not held.exists():
        held.write_text("{}")
    for name in ("wxgate", "bare hyper"):
        own = address()
        server = wxgate(upstream, apps=100) if name == "wxgate" else start(name, [str(bin / "fixed"), own, str(held)], own)
        time.sleep(3)
        idle, open_ = rss(server.process.pid), []
        for n in range(4000):
            s = socket.create_connection(tuple([server.address.split(":")[0], int(server.address.split(":")[1])]))
            s.sendall(f"GET /cgi-bin/token?grant_type=client_credential&appid={APPID}&secret={KEY} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            s.recv(4096)
            open_.append(s)
        time.sleep(2)
        lines.append(f"| {name} | {idle:.1f} | {(rss(server.process.pid) - idle) * 1024 / len(open_):.1f} |")
        for s in open_:
            s.close()
        stop([server])
    return "\n".join(lines) + "\n"


def stop(servers: list[Server]) -> None:
    for server in servers:
        server.process.terminate()
    for server in servers:
        server.process.wait(timeout=40)


ALL = {"token": token, "pass": passed, "image": image, "service": service, "callbacks": callbacks, "connections": connections}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", choices=[[], *ALL])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is missing (Debian: wrk)")
    CACHE.mkdir(parents=True, exist_ok=True)
    bin, upstream = rust(), address()
    wechat = start("upstream", [str(bin / "upstream"), upstream], upstream, core=1)
    said = [f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {re.search(r'model name.*: (.*)', Path('/proc/cpuinfo').read_text())[1]}, {os.uname().release}; {args.rounds} rounds of {args.seconds} s, 64 connections, median [min..max]\n"]
    try:
        for name in args.figures or ALL:
            said.append(ALL[name](args, upstream, bin))
            print(said[-1], flush=True)
    finally:
        wechat.process.terminate()
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text("\n".join(said))


if __name__ == "__main__":
    main()
