"""A fake WeChat in a user's own tests: the helpers of helpers/, each with an SDK of its language."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import wxgate_sandbox
from harness import GO, HAS_NODE, JAVA, java
from requests.adapters import HTTPAdapter
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException
from wxgate_sandbox import APPID, SECRET, TEMPLATE, Sandbox, World

HERE = Path(__file__).parent
PROGRAMS = {
    "node": (["node", str(HERE / "callers" / "helper_test.mjs")], HAS_NODE),
    "go": ([f"{GO}/intest", "-test.v"], bool(GO)),
    "java": (java("InTest"), bool(JAVA)),
}


class At(HTTPAdapter):
    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base

    def send(self, request, **kwargs):
        request.url = self.base + request.path_url
        return super().send(request, **kwargs)


def client(world: World) -> WeChatClient:
    client = WeChatClient(APPID, SECRET)
    client._http.mount("https://api.weixin.qq.com/", At(world.url))
    return client


@pytest.mark.parametrize("name", ["Ann", "Bob"])
def test_each_test_has_a_world(wechat: World, name: str) -> None:
    openid = wechat.user(name)["openids"][APPID]
    wechat.control("event", appid=APPID, openid=openid, event="subscribe", key="")
    assert client(wechat).user.get(openid)["openid"] == openid
    assert client(wechat).message.send_template(openid, TEMPLATE, {"first": {"value": "你好"}})["msgid"]
    assert len(wechat.control("state")["messages"]) == 1, "nobody else's"
    assert [user["nickname"] for user in wechat.control("state")["users"]] == ["Hui🐠", name]
    (sent,) = wechat.calls(path="/cgi-bin/message/template/send")
    assert sent["status"] == 200 and sent["appid"] == APPID


def test_worlds_side_by_side(wechat_sandbox: Sandbox) -> None:
    def one(number: int) -> int:
        world = wechat_sandbox.world()
        sdk = client(world)
        world.control("fault", path="/cgi-bin/user/info", errcode=45009 + number, errmsg="x", times=0)
        with pytest.raises(WeChatClientException) as refused:
            sdk.user.get(world.user()["openids"][APPID])
        wechat_sandbox.end(world)
        return refused.value.errcode - 45009

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(24))) == list(range(24))


def test_reset_and_seed() -> None:
    with wxgate_sandbox.start("--seed", "7") as wechat:
        first = client(wechat).access_token
        assert len(wechat.calls()) == 1
        wechat.reset()
        assert wechat.calls() == [] and client(wechat).access_token == first
        wechat.reset(seed=8)
        assert client(wechat).access_token != first
        with pytest.raises(ValueError, match="colour"):
            wechat.control("fault", colour="blue")
    with pytest.raises(RuntimeError, match="did not start"):
        wxgate_sandbox.start("--world", "/nowhere")


def test_a_file_of_the_start(tmp_path: Path) -> None:
    world = tmp_path / "world.json"
    world.write_text('{\n  "users": [{"nickname": "Ann"}],\n  "quirks": {"hyaline": "jpeg"}\n}')
    with wxgate_sandbox.start("--world", str(world)) as wechat:
        for one in (wechat, wechat.world()):
            state = one.control("state")
            assert state["users"][1]["nickname"] == "Ann" and state["quirks"]["hyaline"] == "jpeg"
    world.write_text('{\n  "users": {"colour": "blue"}\n}')
    command = [os.environ["WXGATE_BIN"], "sandbox", "--listen", "127.0.0.1:0", "--world", str(world)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=20, env=os.environ | {"WXGATE_LANG": "en"})
    assert run.returncode == 1 and "line 2: users: unknown field `colour`" in run.stderr, run


def test_no_program_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WXGATE_BIN")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="WXGATE_BIN"):
        wxgate_sandbox.start()


@pytest.mark.parametrize("language", PROGRAMS)
def test_other_languages(language: str) -> None:
    command, installed = PROGRAMS[language]
    if not installed:
        pytest.skip(f"no {language} here")
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | {"WXGATE_LANG": "en"})
    print(run.stdout, file=sys.stderr)
    assert run.returncode == 0, f"{run.stdout[-3000:]}\n{run.stderr[-3000:]}"


def test_nothing_is_left_running() -> None:
    """Programs that helpers started, `other_languages` among them, have ended with their tests."""
    before = running()
    for language, (command, installed) in PROGRAMS.items():
        if installed:
            subprocess.run(command, capture_output=True, timeout=120)
            assert running() == before, language


def running() -> set[str]:
    """The process ids of this program's sandboxes."""
    program, found = os.path.realpath(wxgate_sandbox.shutil.which(os.environ["WXGATE_BIN"])), set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if len(words) > 1 and words[1] == b"sandbox" and os.path.realpath(words[0].decode()) == program:
            found.add(process.name)
    return found
