"""SDKs whose hosts stand in their source, unchanged, by `wxgate run`: against a sandbox and through a gateway, in this network and
in one of its own from which nothing may leave."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import harness
import pytest
from harness import APPID, GO, HAS_NODE, SECRET, WXGATE, Gateway, Sandbox

FIXED = Path(__file__).parent / "fixed"
KEY = "wxk_sdk_tests_fixed_0123456789abcdefgh"
EXPORTER = "wxk_sdk_tests_exports_0123456789abcdef"
DUMMY = "whatever-stands-in-its-configuration"
CONFIG = f"""
[[apps]]
appid = "{APPID}"
kind = "official"
secret = "{SECRET}"
[[callers]]
name = "fixed"
key = "{KEY}"
apps = ["*"]
apis = ["*"]
[[callers]]
name = "exporter"
key = "{EXPORTER}"
apps = ["*"]
apis = ["*"]
export_token = true
"""
# The network of its own: all that leaves goes by this interface, which leads nowhere and counts.
ALONE = "WXGATE_TEST_ALONE"
NOWHERE = "nowhere0"
NETWORK = f"""
set -e
ip link set lo up
ip link add {NOWHERE} type veth peer name nowhere1
sysctl -qw net.ipv6.conf.{NOWHERE}.disable_ipv6=1 net.ipv6.conf.nowhere1.disable_ipv6=1
ip addr add 192.0.2.1/24 dev {NOWHERE}
ip link set {NOWHERE} up
ip link set nowhere1 up
ip route add default dev {NOWHERE}
"""


@dataclass(frozen=True)
class Fixed:
    name: str
    command: list[str]
    installed: bool


KNOWN = [
    Fixed("werobot", [sys.executable, str(FIXED / "werobot_calls.py")], True),
    Fixed("wechat-api", ["node", str(FIXED / "wechat_api_calls.mjs")], HAS_NODE),
    Fixed("silenceper", [f"{GO}/fixed"], bool(GO)),
]
NODE = {"SDK_NODE": os.environ.get("WXGATE_SDK_NODE", "")}
by_sdk = pytest.mark.parametrize("sdk", KNOWN, ids=lambda sdk: sdk.name)


def left() -> int:
    """Packets that left for anywhere else so far; 0 where nobody counts."""
    if not os.environ.get(ALONE):
        return 0
    (line,) = [line for line in Path("/proc/self/net/dev").read_text().splitlines() if NOWHERE in line]
    return int(line.split(":")[1].split()[9])


@pytest.fixture(scope="module")
def gateway(folder: Path, sandbox: Sandbox) -> Iterator[Gateway]:
    with harness.gateway(folder, sandbox, CONFIG, auth="keys") as gateway:
        yield gateway


@dataclass(frozen=True)
class Held:
    """A program that has called 20 times and stays until it is let go."""

    pid: int
    lines: list[dict]

    def environ(self) -> bytes:
        return Path(f"/proc/{self.pid}/environ").read_bytes()

    def holds(self, words: list[bytes]) -> set[bytes]:
        """Those of `words` that stand anywhere in its memory."""
        found = set()
        with open(f"/proc/{self.pid}/maps", encoding="utf-8") as maps, open(f"/proc/{self.pid}/mem", "rb", 0) as memory:
            for line in maps:
                area = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
                if not area or "[vvar" in line or "[vsyscall" in line:
                    continue
                at, end = (int(number, 16) for number in area.groups())
                tail = b""
                while at < end:
                    try:
                        memory.seek(at)
                        piece = memory.read(min(1 << 24, end - at))
                    except (OSError, OverflowError, ValueError):  # reserved, and never touched
                        break
                    if not piece:
                        break
                    found |= {word for word in words if word in tail + piece}
                    at, tail = at + len(piece), piece[-256:]
        return found


def children(pid: int) -> list[int]:
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


@contextmanager
def held(folder: Path, sdk: Fixed, wechat: Sandbox, secret: str, *options: str) -> Iterator[Held]:
    """Its 20 calls by `wxgate run` with these options."""
    if not sdk.installed:
        pytest.skip(f"{sdk.name} is not installed here")
    openid = wechat.user()
    wechat.control("event", appid=APPID, openid=openid, event="subscribe", key="")
    wechat.control("message", appid=APPID, openid=openid, text="在吗")
    settings = {"APPID": APPID, "SECRET": secret, "OPENID": openid, "LOOPS": "2", "HELD": "1", "WXGATE_KEY": KEY} | NODE
    with (folder / f"{sdk.name}.err").open("wb") as errors:
        run = subprocess.Popen(
            [WXGATE, "run", *options, "--", *sdk.command],
            env=os.environ | settings,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        lines = []
        for line in run.stdout:
            lines.append(json.loads(line))
            if lines[-1]["step"] == "held":
                break
        failed = [line for line in lines if not line["ok"]]
        assert not failed, failed
        assert len(lines) == 21, (lines, (folder / f"{sdk.name}.err").read_text())
        (pid,) = children(run.pid)
        yield Held(pid, lines)
        run.stdin.close()
        assert run.wait(20) == 0
    finally:
        run.kill()
        run.wait()


def called(wechat: Sandbox, before: int) -> list[str]:
    return [call["path"] for call in wechat.control("state")["calls"][before:]]


@by_sdk
def test_twenty_calls_with_the_sandbox(tmp_path: Path, sandbox: Sandbox, sdk: Fixed) -> None:
    before, out = len(sandbox.control("state")["calls"]), left()
    with held(tmp_path, sdk, sandbox, SECRET, "--sandbox", sandbox.url) as program:
        paths = called(sandbox, before)
        assert len(paths) >= 19 and len(set(paths)) >= 9, paths  # the second token comes from the SDK's cache
        # What is looked for in the next test can be found at all.
        assert program.holds([SECRET.encode(), KEY.encode()]) == {SECRET.encode()}
    assert left() == out


@by_sdk
def test_twenty_calls_through_the_gateway_and_no_secret(tmp_path: Path, sandbox: Sandbox, gateway: Gateway, sdk: Fixed) -> None:
    before, out = len(sandbox.control("state")["calls"]), left()
    _, text = harness.http("GET", f"{gateway.url}/v1/service/wx/token?appid={APPID}", headers={"x-api-key": EXPORTER})
    real = json.loads(text)["body"]["access_token"]
    with held(tmp_path, sdk, sandbox, DUMMY, "--gateway", gateway.url) as program:
        assert len(called(sandbox, before)) >= 16  # tokens, and an OAuth code that comes again, are the gateway's
        environment = program.environ()
        assert DUMMY.encode() in environment
        secrets = [word.encode() for word in (SECRET, KEY, EXPORTER, real)]
        assert not [word for word in secrets if word in environment]
        assert program.holds([*secrets, DUMMY.encode()]) == {DUMMY.encode()}
    assert left() == out


@by_sdk
def test_a_sandbox_of_its_own_is_the_default(tmp_path: Path, sdk: Fixed) -> None:
    """Its accounts are the ones of any sandbox; only the user who follows is missing, so only the token is asked for."""
    if not sdk.installed:
        pytest.skip(f"{sdk.name} is not installed here")
    settings = {"APPID": APPID, "SECRET": SECRET, "OPENID": "nobody", "LOOPS": "1"} | NODE
    run = subprocess.run(
        [WXGATE, "run", "--", *sdk.command], env=os.environ | settings, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    first = json.loads(run.stdout.splitlines()[0])
    assert first["step"] == "token" and first["ok"], (run.stdout, run.stderr)
    assert run.returncode == 1, "as the program ended, for other calls failed"


@pytest.mark.skipif(not os.environ.get(ALONE), reason="there is a network here")
def test_what_leaves_is_counted() -> None:
    out = left()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.sendto(b"anything", ("198.51.100.7", 53))
    harness.eventually("a packet to nowhere", lambda: left() > out)


@pytest.mark.skipif(bool(os.environ.get(ALONE)), reason="this is it")
def test_all_of_it_in_a_network_from_which_nothing_leaves(tmp_path: Path) -> None:
    if not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("no unshare or no ip here")
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    tried = subprocess.run([*unshare, "sh", "-c", NETWORK], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no network of its own to be had here: {tried.stderr.strip()}")
    inside = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "alone"), __file__]
    run = subprocess.run(
        [*unshare, "sh", "-c", NETWORK + 'exec "$@"', "sh", *inside], env=os.environ | {ALONE: "1"}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    counts = re.search(r"(\d+) passed", run.stdout)
    assert counts and int(counts[1]) >= 1 + 3 * sum(sdk.installed for sdk in KNOWN), run.stdout
