"""The receivers against WeChat (the sandbox) itself: what they accept here, they must accept from the gateway."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest
import wxcrypt
from harness import AES_KEY, APPID, CALLBACK_TOKEN, ORIGINAL_ID, Receiver, Sandbox, http, receiver
from sdks import MODES, REPLY, Sdk, by_sdk, webhook_servers, whsec


@pytest.mark.parametrize("mode", MODES)
@by_sdk()
def test_pushes_are_accepted_and_replies_opened(sandbox: Sandbox, tmp_path: Path, sdk: Sdk, mode: str) -> None:
    aes_key = "" if mode == "plain" else AES_KEY
    with sdk.start(tmp_path, "receiver", CALLBACK_TOKEN, aes_key, REPLY) as receiver:
        sandbox.control("callback", appid=APPID, url=receiver.url, mode=mode, format=sdk.format)
        openid = sandbox.user()
        said = sandbox.push("message", appid=APPID, openid=openid, text="你好 & <b>")
        happened = sandbox.push("event", appid=APPID, openid=openid, event="CLICK", key="menu")
    assert (said["status"], said["error"]) == (200, None), said
    assert "MsgType" in said["reply"] and REPLY in said["reply"], said
    assert (happened["status"], happened["body"], happened["error"]) == (200, "success", None), happened
    text, click = receiver.entries()
    for entry in (text, click):
        assert entry["accepted"] and entry["encrypted"] == (mode != "plain"), entry
        assert (entry["openid"], entry["to"], entry["query"]["openid"]) == (openid, ORIGINAL_ID, openid), entry
    assert (text["msg_type"], text["content"]) == ("text", "你好 & <b>")
    assert (click["msg_type"], click["event"].upper()) == ("event", "CLICK")


def by_hand(receiver: Receiver, sdk: Sdk, token: str, encrypted: bool) -> int:
    """Posts a text message signed with `token`; the status."""
    message = {"ToUserName": ORIGINAL_ID, "FromUserName": "oUser", "CreateTime": 1, "MsgType": "text", "Content": "x"}
    body = render(sdk, message)
    timestamp, nonce = str(int(time.time())), "123456"
    query = {"signature": wxcrypt.signature(token, timestamp, nonce), "timestamp": timestamp, "nonce": nonce}
    if encrypted:
        sealed = wxcrypt.encrypt(AES_KEY, body, APPID)
        body = render(sdk, {"ToUserName": ORIGINAL_ID, "Encrypt": sealed})
        query |= {"encrypt_type": "aes", "msg_signature": wxcrypt.signature(token, timestamp, nonce, sealed)}
    return http("POST", f"{receiver.url}?{urlencode(query)}", body.encode())[0]


def render(sdk: Sdk, members: dict) -> str:
    if sdk.format == "json":
        return json.dumps(members)
    return "<xml>" + "".join(f"<{name}>{value}</{name}>" for name, value in members.items()) + "</xml>"


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
@by_sdk()
def test_a_wrong_signature_is_refused(tmp_path: Path, sdk: Sdk, encrypted: bool) -> None:
    """Else what the receivers accept would say nothing."""
    if not encrypted and not sdk.checks_plain:
        pytest.skip(f"{sdk.name} looks at no signature of a plain message")
    with sdk.start(tmp_path, "receiver", CALLBACK_TOKEN, AES_KEY if encrypted else "", "") as receiver:
        assert by_hand(receiver, sdk, CALLBACK_TOKEN, encrypted) == 200
        assert by_hand(receiver, sdk, "another", encrypted) >= 400
        accepted, refused = receiver.entries()
    assert accepted["accepted"] and not refused["accepted"]


def sign(secret: str, webhook_id: str, timestamp: str, body: str) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{webhook_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


@pytest.mark.parametrize("program", webhook_servers())
def test_standard_webhooks(tmp_path: Path, program: str) -> None:
    now, body = str(int(time.time())), json.dumps({"type": "wechat.message.text", "data": {"content": "你好"}})
    new, old, foreign = (sign(whsec(name), "msg_1", now, body) for name in ("new", "old", "foreign"))
    with receiver(tmp_path, "receiver", program, secret=whsec("old")) as hooked:

        def post(signatures: str, text: str = body, timestamp: str = now) -> int:
            headers = {"webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": signatures}
            return http("POST", hooked.url, text.encode(), headers)[0]

        assert post(old) == 200
        assert post(f"{new} {old}") == 200  # during a rotation
        assert post(f"{new} {foreign}") == 403
        assert post(old, body + " ") == 403
        assert post(old, timestamp=str(int(now) - 600)) == 403
        entries = hooked.entries()
    assert [entry["accepted"] for entry in entries] == [True, True, False, False, False]
    assert entries[0]["payload"]["data"] == {"content": "你好"}
