"""The receivers as data: what to start, what it reads, what it is known not to check."""

import base64
import hashlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import harness
import pytest

MODES = ["plain", "compat", "safe"]
REPLY = "收到 & <ok>"  # what receivers answer to a text; each SDK must quote it right

@dataclass(frozen=True)
class Sdk:
    name: str
    program: str
    format: str  # of the account: xml, json
    checks_plain: bool = True  # the signature of an unencrypted message

    def start(self, folder: Path, name: str, token: str, aes_key: str, reply: str) -> AbstractContextManager[harness.Receiver]:
        settings = {"sdk": self.name, "token": token, "aes_key": aes_key, "appid": harness.APPID, "reply": reply}
        return harness.receiver(folder, name, self.program, **settings)


def callback_servers() -> list[Sdk]:
    known = [
        Sdk("wechatpy", "wechatpy_server.py", "xml"),
        Sdk("wechat", "node_server.mjs", "xml"),
        Sdk("easywechat", "node_server.mjs", "xml", checks_plain=False),
        Sdk("silenceper", "server", "xml"),
        Sdk("wxjava", "Server.java", "xml"),
        Sdk("json", "json_server.py", "json"),
    ]
    return [sdk for sdk in known if harness.can_run(sdk.program)]


def webhook_servers() -> list[str]:
    known = ["webhooks_server.py", "webhooks_server.mjs"]
    return [program for program in known if harness.can_run(program)]


def by_sdk(name: str = "sdk"):
    return pytest.mark.parametrize(name, callback_servers(), ids=lambda sdk: sdk.name)


def whsec(name: str) -> str:
    """A Standard Webhooks secret of its own for each name."""
    return "whsec_" + base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()
