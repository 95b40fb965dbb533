"""wxgate and what stands beside it: built, installed and started."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

from measure import CACHE, HERE, Missing, Server, address, folder, run, skipped, start

APPID, KEY, SECRET = "wx3cc8fd6963e31a32", "wxk_bench_0123456789abcdefghijklmnopqrstuv", "c3" * 16
CALLBACK_TOKEN, AES_KEY = "benchtoken", "a" * 43
# What the pass-through yardsticks put in.
TOKEN = "75_" + "t" * 133
PASSED = "/cgi-bin/user/info?openid=oi2gjcX9COk0CXktAhOgmjS7"


def appids(count: int) -> list[str]:
    return [APPID, *(f"wx{n:016x}" for n in range(1, count))]


def config(own: str, admin: str, upstream: str, more: str, apps: int, access: str, ca: Path | None) -> str:
    accounts = "".join(
        f'[[apps]]\nappid = "{appid}"\nkind = "official"\nsecret = "{SECRET}"\ncallback_token = "{CALLBACK_TOKEN}"\naes_key = "{AES_KEY}"\n'
        for appid in appids(apps)
    )
    scheme, ca_file = ("https", f'ca_file = "{ca}"\n') if ca else ("http", "")
    return (
        f'[server]\nlisten = "{own}"\nadmin_listen = "{admin}"\nshutdown_grace = "5s"\n[store]\nurl = "sqlite:wxgate.db"\n[log]\naccess = "{access}"\n'
        f'[wechat]\napi_base = "{scheme}://{upstream}"\nmp_base = "{scheme}://{upstream}"\n{ca_file}{accounts}'
        f'[[callers]]\nname = "bench"\nkey = "{KEY}"\napps = ["*"]\napis = ["*"]\n{more}'
    )


def route(name: str, target: str, more: str = "") -> str:
    return f'[[routes]]\nname = "{name}"\ntarget = "http://{target}/hook"\n{more}\n'


def wxgate(upstream: str, more: str = "", apps: int = 1, name: str = "wxgate", cores: str = "0", access: str = "failures", ca: Path | None = None, at: Path | None = None) -> Server:
    """With everything on; `more` is added to its configuration. `at`: a folder that holds its database already."""
    at = at or folder()
    own, admin = address(), address()
    (at / "wxgate.toml").write_text(config(own, admin, upstream, more, apps, access, ca))
    os.chmod(at / "wxgate.toml", 0o600)
    server = start(name, [binary(), "serve"], own, cores, cwd=at)
    server.folder, server.admin = at, admin
    return server


def binary() -> str:
    found = os.environ.get("WXGATE_BIN")
    if not found:
        raise SystemExit("WXGATE_BIN names the wxgate to measure: `make bench` sets it")
    return str(Path(found).resolve())


def reads_token(server: Server, appid: str = APPID) -> Server:
    return replace(server, path=f"/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={KEY}")


def passes(server: Server, path: str = PASSED, appid: str = APPID) -> Server:
    return replace(server, path=path, headers={"Authorization": f"Bearer {KEY}", "X-Wx-Appid": appid})


def pushes(bin: Path, server: Server, seconds: float, count: int = 0, rate: int = 0, apps: str = APPID, length: int = 700) -> list:
    """The command that pushes callbacks."""
    return [bin / "callbacks", server.address, seconds, count, rate, 64, apps, CALLBACK_TOKEN, AES_KEY, length]


def cargo(project: str) -> Path:
    """Builds a project of servers/ and returns where its programs are."""
    target = CACHE / project
    run("cargo", "build", "--release", "--quiet", "--target-dir", str(target), cwd=HERE / "servers" / project)
    return target / "release"


def optional(project: str) -> Path | None:
    try:
        return cargo(project)
    except (OSError, subprocess.CalledProcessError):
        return skipped(f"{project} doesn't build here (no way to crates.io, or no cmake)")


def nginx(name: str, conf: str, own: str, **values: str) -> Server | None:
    text = (HERE / f"servers/nginx/{conf}").read_text()
    modules = Path("/usr/lib/nginx/modules")
    if not shutil.which("nginx") or ("lua" in text and not (modules / "ngx_http_lua_module.so").exists()):
        return skipped(f"no {name} here (Debian: nginx-light, libnginx-mod-http-lua)")
    at = folder()
    text = text.replace("modules/", f"{modules}/")
    for key, value in {"ADDRESS": own, "KEY": KEY, "APPID": APPID, **values}.items():
        text = text.replace(key, value)
    (at / "nginx.conf").write_text(text)
    server = start(name, ["nginx", "-p", str(at), "-c", "nginx.conf"], own)
    server.folder = at
    return server


def go(name: str, mode: str, *arguments: str) -> Server | None:
    """On one thread, as everything here; `mode` is its first argument, the address its second."""
    if not shutil.which("go"):
        return skipped("no Go here (Debian: golang-go)")
    program, own = str(CACHE / "go-yardsticks"), address()
    run("go", "build", "-o", program, ".", cwd=HERE / "servers/go")
    return start(name, [program, mode, own, *arguments], own, env={**os.environ, "GOMAXPROCS": "1"})


def pingora(upstream: str) -> Server | None:
    built = optional("pingora")
    if not built:
        return None
    own = address()
    return start("Pingora", [str(built / "pingora-yardstick"), own, upstream, APPID, KEY, TOKEN], own)


def fastify(value: str) -> Server | None:
    if not shutil.which("npm"):
        return skipped("no Node here")
    at = CACHE / "fastify"
    shutil.copytree(HERE / "servers/fastify", at, dirs_exist_ok=True)
    if subprocess.run(["npm", "install", "--silent", "--no-package-lock", "--no-audit", "--no-fund"], cwd=at).returncode:
        return skipped("no npm registry to be reached, so no Fastify")
    own = address()
    return start("Fastify + co-wechat-api", ["node", str(at / "main.mjs"), own.split(":")[1], APPID, KEY, value], own)


def python() -> Path:
    """The Python that has FastAPI and wechatpy."""
    venv = CACHE / "fastapi"
    if not (venv / "bin/uvicorn").exists():
        try:
            run(sys.executable, "-m", "venv", str(venv))
            run(str(venv / "bin/pip"), "install", "--quiet", "-r", str(HERE / "servers/fastapi/requirements.txt"))
        except subprocess.CalledProcessError:
            raise Missing("no Python package registry to be reached, so no FastAPI and no wechatpy")
    return venv / "bin/python"


def fastapi(value: str) -> Server | None:
    try:
        interpreter = python()
    except Missing as why:
        return skipped(str(why))
    own = address()
    host, port = own.split(":")
    env = {**os.environ, "APPID": APPID, "KEY": KEY, "TOKEN": value}
    command = [str(interpreter), "-m", "uvicorn", "main:app", "--host", host, "--port", port, "--no-access-log", "--log-level", "critical"]
    return start("FastAPI + wechatpy", command, own, cwd=HERE / "servers/fastapi", env=env)


def fixed(bin: Path, held: Path) -> Server:
    own = address()
    return start("bare hyper", [str(bin / "fixed"), own, str(held)], own)


def proxies(upstream: str, path: str = PASSED, only: tuple[str, ...] = ()) -> list[Server]:
    """wxgate first, then what passes on as it does."""
    makers = {
        "nginx": lambda: nginx("nginx", "proxy.conf", address(), UPSTREAM=upstream, TOKEN=TOKEN),
        "nginx + Lua": lambda: nginx("nginx + Lua", "proxy-lua.conf", address(), UPSTREAM=upstream, TOKEN=TOKEN),
        "Go ReverseProxy": lambda: go("Go ReverseProxy", "proxy", upstream, APPID, KEY, TOKEN),
        "Pingora": lambda: pingora(upstream),
    }
    servers = [wxgate(upstream), *(make() for name, make in makers.items() if not only or name in only)]
    return [passes(server, path) for server in servers if server]


def token_of(server: Server) -> bytes:
    """The whole answer to a token read."""
    for _ in range(100):
        body = urllib.request.urlopen(f"http://{server.address}{reads_token(server).path}", timeout=10).read()
        if b"access_token" in body:
            return body
        time.sleep(0.1)
    raise RuntimeError(f"{server.name} gives no token: {body!r}")
