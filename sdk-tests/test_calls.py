"""Calls: real SDKs that take wxgate for WeChat. Only host and secret differ from what they do without it."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import harness
import pytest
from calls import KNOWN, Caller, environment
from harness import APPID, MINI_APPID, MINI_SECRET, SECRET, Gateway, Sandbox
from requests.adapters import HTTPAdapter
from test_pages import PAGES, blocks, column
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException

KEY = "wxk_sdk_tests_0123456789abcdefghijkl"
BARRED_KEY = "wxk_sdk_tests_barred_0123456789abcdef"  # of a caller who may not ask about users
TOKEN_PATHS = ("/cgi-bin/token", "/cgi-bin/stable_token")
CONFIG = f"""
[[apps]]
appid = "{APPID}"
kind = "official"
secret = "{SECRET}"
[[apps]]
appid = "{MINI_APPID}"
kind = "mini"
secret = "{MINI_SECRET}"
[[callers]]
name = "sdk"
key = "{KEY}"
apps = ["*"]
apis = ["*"]
[[callers]]
name = "barred"
key = "{BARRED_KEY}"
apps = ["*"]
apis = ["*", "!/cgi-bin/user/*"]
"""
# The run of all SDKs at once: that many loops of each, and a pause between them that keeps it going for many rotations
# and below the 20 calls a second which one address may do without a credential (user profiles by OAuth).
LOOPS, PAUSE_MS, ROTATE_SECONDS = 36, 400, 2

by_caller = pytest.mark.parametrize("caller", KNOWN, ids=lambda caller: caller.name)


@contextmanager
def served(folder: Path, wechat: Sandbox) -> Iterator[Gateway]:
    """A gateway that takes SDKs' calls; skips as long as wxgate doesn't."""
    with harness.gateway(folder, wechat, CONFIG, auth="keys") as gateway:
        if not token(gateway):
            pytest.skip("this wxgate passes no SDK's calls through yet")
        yield gateway


def token(gateway: Gateway) -> str:
    """A gateway token; empty if there is none to be had."""
    query = f"grant_type=client_credential&appid={APPID}&secret={KEY}"
    status, text = harness.http("GET", f"{gateway.url}/cgi-bin/token?{query}")
    return json.loads(text).get("access_token", "") if status == 200 and text.startswith("{") else ""


@pytest.fixture(scope="module")
def gateway(folder: Path, sandbox: Sandbox) -> Iterator[Gateway]:
    with served(folder, sandbox) as gateway:
        yield gateway


def installed(caller: Caller) -> Caller:
    if not caller.installed:
        pytest.skip(f"{caller.name} is not installed here")
    return caller


@by_caller
def test_wechat_itself(folder: Path, sandbox: Sandbox, caller: Caller) -> None:
    """What the programs do without wxgate: it is they that are tried here, and what the pages say of them."""
    env = environment(sandbox, sandbox.url, SECRET, MINI_SECRET)
    before = len(sandbox.control("state")["calls"])
    installed(caller).start(folder, env).lines()
    called = {call["path"] for call in sandbox.control("state")["calls"][before:]}
    for page in PAGES:
        if page.name.startswith("README"):
            assert column(page, caller.name) == called, page.name


@by_caller
def test_only_host_and_secret_changed(folder: Path, sandbox: Sandbox, gateway: Gateway, caller: Caller) -> None:
    env = environment(sandbox, gateway.url, KEY, KEY)
    direct = environment(sandbox, sandbox.url, SECRET, MINI_SECRET)
    steps = [line["step"] for line in installed(caller).start(folder, env).lines()]
    assert steps == [line["step"] for line in caller.start(folder, direct).lines()]
    (sent,) = [message for message in sandbox.control("state")["messages"] if message["touser"] == env["OPENID"] and message["template_id"]]
    assert sent["data"]["keyword1"]["value"] == "你好 & <b>"


@pytest.mark.parametrize("page", [page for page in PAGES if page.name.startswith("http")], ids=lambda page: page.name)
def test_commands_of_the_page(sandbox: Sandbox, gateway: Gateway, page: Path) -> None:
    env = environment(sandbox, gateway.url, KEY, KEY) | {"KEY": KEY}
    commands = [block for source, block in blocks(page) if source == "run"]
    assert len(commands) == 4
    for command in commands:
        run = subprocess.run(["bash", "-euc", command], env=os.environ | env, capture_output=True, text=True, timeout=30)
        assert run.returncode == 0 and '"openid"' in run.stdout and "errcode" not in run.stdout, (command, run)


def test_who_has_moved(sandbox: Sandbox, gateway: Gateway) -> None:
    """What the page on the cut-over looks at."""
    query = f"access_token={token(gateway)}&openid={sandbox.user()}"
    assert '"openid"' in harness.http("GET", f"{gateway.url}/cgi-bin/user/info?{query}")[1]

    def seen() -> bool:
        callers = {caller["name"]: caller for caller in gateway.api("callers")["items"]}
        assert not callers["barred"]["last_used_at"], callers
        return bool(callers["sdk"]["last_used_at"]) and callers["sdk"]["calls"].get("/cgi-bin/user/info", 0) >= 1

    harness.eventually("the caller's calls are counted", seen)


@pytest.mark.parametrize("hard", [True, False], ids=["hard", "overlapping"])
def test_somebody_else_rotates_the_token(folder: Path, sandbox: Sandbox, gateway: Gateway, hard: bool) -> None:
    """2,000 calls, the token taken away every other second: none fails, one fetch for each rotation."""
    callers = [caller for caller in KNOWN if caller.installed]
    loops = LOOPS * len(KNOWN) // len(callers)
    envs = [environment(sandbox, gateway.url, KEY, KEY, loops, PAUSE_MS) for _ in callers]
    before = len(sandbox.control("state")["calls"])
    rotations: list[int] = []

    def rotate() -> None:
        """Another program refreshes both accounts' tokens."""
        for appid in (APPID, MINI_APPID):
            sandbox.control("token/rotate", appid=appid, hard=hard)
        rotations.append(len(rotations))

    def write() -> None:
        """Each user goes on writing: five customer-service messages answer one."""
        for env in envs:
            for app in ("", "MINI_"):
                sandbox.control("message", appid=env[f"{app}APPID"], openid=env[f"{app}OPENID"], text="在吗")

    with meanwhile(ROTATE_SECONDS, rotate), meanwhile(PAUSE_MS / 1000, write), ExitStack() as stack:
        runs = [caller.start(folder, env) for caller, env in zip(callers, envs, strict=True)]
        for run in runs:
            stack.callback(run.child.kill)
        lines = [line for run in runs for line in run.lines(240)]
    assert len(lines) >= 2000, len(lines)
    calls = sandbox.control("state")["calls"][before:]
    for appid in (APPID, MINI_APPID):
        fetches = [call for call in calls if call["appid"] == appid and call["path"] in TOKEN_PATHS]
        print(f"{appid}: {len(lines)} calls in all, {len(rotations)} rotations, {len(fetches)} token fetches")
        assert len(rotations) >= 5 and len(fetches) <= len(rotations) + 1, (appid, len(fetches), len(rotations))


@contextmanager
def meanwhile(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Acts every so many seconds."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(seconds):
            act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Counted(HTTPAdapter):
    """Sends to wxgate what goes to WeChat, and counts it."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base, self.count = base, 0

    def send(self, request, **kwargs):
        self.count += 1
        request.url = self.base + request.path_url
        return super().send(request, **kwargs)


@pytest.mark.parametrize(
    ("trouble", "errcode"),
    [("wrong key", 40125), ("dead token", None), ("forbidden path", 48001), ("no token is good", 48001), ("WeChat is down", -1)],
)
def test_no_storm_of_retries(tmp_path: Path, trouble: str, errcode: int | None) -> None:
    """wechatpy repeats without limit on 40001, 40014 and 42001: 972 requests where every answer is 40001."""
    with ExitStack() as wechat_runs:
        wechat = wechat_runs.enter_context(harness.sandbox())
        with served(tmp_path, wechat) as gateway:
            key = {"wrong key": "wxk_nobody_has_this_key_0123456789", "forbidden path": BARRED_KEY}.get(trouble, KEY)
            client, adapter = WeChatClient(APPID, key, auto_retry=True), Counted(gateway.url)
            client._http.mount("https://api.weixin.qq.com/", adapter)
            openid = wechat.user()
            if trouble == "dead token":
                client.session.set(client.access_token_key, client.access_token[:-8] + "AAAAAAAA")
            if trouble == "no token is good":
                wechat.control("fault", path="/cgi-bin/user/info", errcode=40001, times=0)
            if trouble == "WeChat is down":
                assert client.user.get(openid)
                wechat_runs.close()
            adapter.count = 0
            if errcode is None:
                assert client.user.get(openid)["openid"] == openid
            else:
                with pytest.raises(WeChatClientException) as refused:
                    client.user.get(openid)
                assert refused.value.errcode == errcode
            assert adapter.count <= 4, adapter.count
