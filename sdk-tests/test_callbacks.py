"""Callbacks through the gateway: WeChat (the sandbox) pushes, real SDKs receive what wxgate delivers."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import harness
import pytest
from harness import AES_KEY, APPID, CALLBACK_TOKEN, ORIGINAL_ID, SECRET, Gateway, Receiver, Sandbox, eventually
from sdks import MODES, REPLY, Sdk, by_sdk, callback_servers, webhook_servers, whsec

# How a route seals what it delivers: token, aes_key, and the lines that say so.
OWN = ("routetoken", "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkA")
KEYS = {
    "plain": (CALLBACK_TOKEN, "", ""),
    "own": (*OWN, f'token = "{OWN[0]}"\naes_key = "{OWN[1]}"'),
    "app": (CALLBACK_TOKEN, AES_KEY, 'aes_key = "app"'),
}
# An account without a key, whose messages are plain. Its kind is no matter here.
BARE, BARE_ID = "wx00000000000000b2", "gh_0000000000b2"

# Standard Webhooks: what each route signs with, what its receiver knows, and whether that verifies.
NEW, OLD, FOREIGN = whsec("new"), whsec("old"), whsec("foreign")
ONE = f'secret = "{NEW}"'
ROTATING = f'{ONE}\nprevious_secret = "{OLD}"'
HOOKS = {
    "one": (ONE, NEW, True),
    "rotating-new": (ROTATING, NEW, True),
    "rotating-old": (ROTATING, OLD, True),
    "retired": (ONE, OLD, False),
    "foreign": (ROTATING, FOREIGN, False),
}

APPS = f"""
[[apps]]
appid = "{APPID}"
kind = "official"
secret = "{SECRET}"
original_id = "{ORIGINAL_ID}"
callback_token = "{CALLBACK_TOKEN}"
aes_key = "{AES_KEY}"
allow_plain = true
[[apps]]
appid = "{BARE}"
kind = "mini"
secret = "{"b2" * 16}"
original_id = "{BARE_ID}"
callback_token = "{CALLBACK_TOKEN}"
"""


def route(name: str, openids: list[str], target: str, more: str) -> str:
    return f'[[routes]]\nname = "{name}"\nopenids = {openids}\ntarget = "{target}"\n{more}\n'


with tempfile.TemporaryDirectory() as scratch:
    if "not in this version" in harness.check(Path(scratch), APPS + route("r", ["o"], "http://127.0.0.1:9/", "")):
        pytest.skip("this wxgate knows no callbacks and no routes yet", allow_module_level=True)


@dataclass
class World:
    sandbox: Sandbox
    gateway: Gateway
    hooked: str  # the openid of the routes of HOOKS
    openids: dict[str, dict[str, str]] = field(default_factory=dict)  # by route, then by appid
    receivers: dict[str, Receiver] = field(default_factory=dict)  # by route

    def wechat(self, mode: str, format: str, appid: str = APPID) -> None:
        """Sets the account's callback, which WeChat verifies by GET."""
        url = f"{self.gateway.url}/v1/service/wx/wxmsg/{appid}"
        self.sandbox.control("callback", appid=appid, url=url, mode=mode, format=format)

    def events(self, openid: str) -> list[dict]:
        return self.gateway.api("events", openid=openid)["items"]

    def settled(self, event: dict, route: str, status: str) -> dict:
        """The event's one delivery on a route, once it has that status."""

        def look() -> dict | None:
            items = self.gateway.api("deliveries", route=route)["items"]
            mine = [item for item in items if str(item["event_id"]) == str(event["id"])]
            assert len(mine) <= 1, mine
            return mine[0] if mine and mine[0]["status"] == status else None

        return eventually(f"{route}: {status}", look)


def name_of(sdk: Sdk, key: str, reply: bool) -> str:
    return f"{sdk.name}-{key}-{'reply' if reply else 'ack'}"


@pytest.fixture(scope="module")
def world(folder: Path, sandbox: Sandbox) -> Iterator[World]:
    """One gateway with all routes; a user of its own for each, so that each message has exactly one."""
    with ExitStack() as stack:
        openids, receivers, routes = {}, {}, []
        for sdk in callback_servers():
            for key, (token, aes_key, lines) in KEYS.items():
                server = stack.enter_context(sdk.start(folder, f"{sdk.name}-{key}", token, aes_key, REPLY))
                for reply in (False, True):
                    name = name_of(sdk, key, reply)
                    openids[name], receivers[name] = sandbox.control("users")["openids"], server
                    more = f"{lines}\nreply = true" if reply else lines
                    if key == "app":
                        more += f'\napps = ["{APPID}"]'  # the other has no key
                    routes.append(route(name, [openids[name][APPID], openids[name][BARE]], server.url, more))
        hooked = sandbox.user()
        for program in webhook_servers():
            for hook, (lines, secret, _) in HOOKS.items():
                name = f"{program}-{hook}".replace(".", "-")
                receivers[name] = stack.enter_context(harness.receiver(folder, name, program, secret=secret))
                routes.append(route(name, [hooked], receivers[name].url, f'format = "json"\nretry = []\n{lines}'))
        gateway = stack.enter_context(harness.gateway(folder, sandbox, APPS + "".join(routes)))
        yield World(sandbox, gateway, hooked, openids, receivers)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reply", [False, True], ids=["ack", "reply"])
@pytest.mark.parametrize("key", KEYS)
@by_sdk()
def test_one_event_one_delivery(world: World, sdk: Sdk, key: str, reply: bool, mode: str) -> None:
    name = name_of(sdk, key, reply)
    openid = world.openids[name][APPID]
    world.wechat(mode, sdk.format)
    entry = said(world, name, APPID, reply, encrypted=mode != "plain")
    assert entry["encrypted"] == (key != "plain"), entry
    assert (entry["openid"], entry["query"]["openid"], entry["to"]) == (openid, openid, ORIGINAL_ID)


@by_sdk()
def test_an_account_without_a_key(world: World, sdk: Sdk) -> None:
    world.wechat("plain", sdk.format, BARE)
    entry = said(world, name_of(sdk, "plain", True), BARE, True, encrypted=False)
    assert (entry["encrypted"], entry["to"]) == (False, BARE_ID)


def said(world: World, name: str, appid: str, reply: bool, encrypted: bool) -> dict:
    """A user writes, and gets the reply as it should be; what the route's receiver accepted."""
    openid, receiver = world.openids[name][appid], world.receivers[name]
    stored, received = ids(world.events(openid)), len(receiver.entries())
    attempt = world.sandbox.push("message", appid=appid, openid=openid, text="你好 & <b>")
    assert (attempt["status"], attempt["error"]) == (200, None), attempt
    if reply:
        assert "MsgType" in (attempt["reply"] or "") and REPLY in attempt["reply"], attempt
        assert ("Encrypt" in attempt["body"]) == encrypted, attempt  # WeChat would take plain ones in compat mode
    else:
        assert attempt["body"] == "success", attempt
    (event,) = [event for event in world.events(openid) if str(event["id"]) not in stored]
    assert (event["appid"], event["openid"], event["msg_type"]) == (appid, openid, "text"), event
    delivery = world.settled(event, name, "delivered")
    assert len(delivery["attempts"]) == 1, delivery
    (entry,) = receiver.entries()[received:]
    assert entry["accepted"], entry
    assert (entry["msg_type"], entry["content"]) == ("text", "你好 & <b>")
    assert entry["headers"]["x-wxgate-event-id"] == str(event["id"])
    assert entry["headers"]["x-wxgate-appid"] == appid
    assert "x-wxgate-attempt" in entry["headers"]
    return entry


def ids(items: list[dict]) -> set[str]:
    return {str(item["id"]) for item in items}


@pytest.mark.parametrize("format", ["xml", "json"])
def test_standard_webhooks(world: World, format: str) -> None:
    """Both libraries verify a delivery, with either secret during a rotation, and no other."""
    openid = world.hooked
    world.wechat("safe", format)

    (payload,) = hooked(world, lambda: world.sandbox.push("message", appid=APPID, openid=openid, text="你好"))
    data = payload["data"]
    assert payload["type"] == "wechat.message.text" and isinstance(payload["timestamp"], str)
    assert (data["appid"], data["openid"], data["msg_type"]) == (APPID, openid, "text")
    assert (data["event"], data["event_key"], data["scene"], data["ticket"]) == ("", "", "", "")
    assert data["content"] == data["message"]["Content"] == "你好"
    assert isinstance(data["create_time"], int) and data["msg_id"].isdigit()

    scene = f"login_{format}"
    ticket = world.gateway.service("getwxqrcode", scene=scene)["ticket"]
    world.sandbox.control("event", appid=APPID, openid=openid, event="unsubscribe", key="")
    for event, key in (("subscribe", f"qrscene_{scene}"), ("SCAN", scene)):
        (payload,) = hooked(world, lambda: world.sandbox.push("scan", ticket=ticket, openid=openid))
        data = payload["data"]
        assert payload["type"] == f"wechat.event.{event.lower()}"
        assert (data["msg_type"], data["event"], data["event_key"]) == ("event", event, key)
        assert (data["scene"], data["ticket"], data["msg_id"], data["content"]) == (scene, ticket, "", "")


def hooked(world: World, act: Callable[[], dict]) -> list[dict]:
    """The payloads, without repetition, by which the routes of HOOKS heard of an event which `act` causes."""
    names = {f"{program}-{hook}".replace(".", "-"): hook for program in webhook_servers() for hook in HOOKS}
    quiet(world, names)
    stored = ids(world.events(world.hooked))
    seen = {name: len(world.receivers[name].entries()) for name in names}
    attempt = act()
    assert (attempt["status"], attempt["body"], attempt["error"]) == (200, "success", None), attempt
    (event,) = [event for event in world.events(world.hooked) if str(event["id"]) not in stored]
    payloads: list[dict] = []
    for name, hook in names.items():
        verifies = HOOKS[hook][2]
        world.settled(event, name, "delivered" if verifies else "dead")
        (entry,) = world.receivers[name].entries()[seen[name] :]
        assert entry["accepted"] == verifies, (name, entry)
        if verifies and entry["payload"] not in payloads:
            payloads.append(entry["payload"])
    return payloads


def quiet(world: World, names: Iterable[str]) -> None:
    """Waits for what earlier events still deliver."""
    for name in names:
        eventually(f"{name} is quiet", lambda: not world.gateway.api("deliveries", route=name, status="pending")["items"])
