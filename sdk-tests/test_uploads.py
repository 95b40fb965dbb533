"""An upload that is refused while it is under way: real HTTP clients read the answer, every time."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import harness
import pytest
from harness import APPID, SECRET, Gateway, Sandbox

KEY = "wxk_sdk_tests_0123456789abcdefghijkl"
NARROW_KEY = "wxk_sdk_tests_narrow_0123456789abcdef"
SLOW_KEY = "wxk_sdk_tests_slow_0123456789abcdefgh"
CONFIG = f"""
[[apps]]
appid = "{APPID}"
kind = "official"
secret = "{SECRET}"
[[callers]]
name = "sdk"
key = "{KEY}"
apps = ["*"]
apis = ["*"]
[[callers]]
name = "narrow"
key = "{NARROW_KEY}"
apps = ["*"]
apis = ["/nothing"]
[[callers]]
name = "slow"
key = "{SLOW_KEY}"
apps = ["*"]
apis = ["*"]
rate = 1
"""
TIMES, SIZE = 20, 8 << 20
UPLOAD, SERVICE = "/cgi-bin/media/upload", "/v1/service/wx/jssdk"
HERE = Path(__file__).parent

CLIENTS = {
    "java": ("Upload.java", lambda: harness.java("Upload")),
    "go": ("upload", lambda: harness.command("upload")),
    "fetch": ("upload.mjs", lambda: ["node", str(HERE / "callers/upload.mjs")]),
    "axios": ("upload.mjs", lambda: ["node", str(HERE / "callers/upload.mjs")]),
}
# Where, with which key, and what the answer says.
REFUSED = {
    "dead token": (f"{UPLOAD}?access_token=wxg_dead", "", '"errcode":42001'),
    "no key": (UPLOAD, "", '"errcode":41001'),
    "no right": (UPLOAD, NARROW_KEY, '"errcode":48001'),
    "over the rate": (UPLOAD, SLOW_KEY, '"errcode":45011'),
    "service: no key (401)": (SERVICE, "", '"code":3584010'),
    "service: no right (403)": (SERVICE, NARROW_KEY, '"code":3584011'),
    "service: too large (413)": (SERVICE, KEY, '"code":3584002'),
    "service: over the rate (429)": (SERVICE, SLOW_KEY, '"code":3584012'),
}


@pytest.fixture(scope="module")
def gateway(folder: Path, sandbox: Sandbox) -> Iterator[Gateway]:
    with harness.gateway(folder, sandbox, CONFIG, auth="keys") as gateway:
        yield gateway


def run(client: str, url: str, key: str, chunked: bool) -> list[str]:
    headers = {"x-wx-appid": APPID} | ({"x-api-key": key} if key else {})
    ask = {"url": url, "headers": headers, "size": SIZE, "chunked": chunked, "times": TIMES, "client": client}
    command = [*CLIENTS[client][1](), json.dumps(ask)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ)
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("client", [name for name, (program, _) in CLIENTS.items() if harness.can_run(program)])
def test_no_answer_is_lost(gateway: Gateway, client: str, chunked: bool) -> None:
    lost = {}
    for what, (path, key, words) in REFUSED.items():
        said = run(client, gateway.url + path, key, chunked)
        # The first of a rate may pass, and WeChat judges it.
        wrong = [text for text in said if words not in text.replace(" ", "") and key != SLOW_KEY]
        wrong += [text for text in said if '{' not in text]
        if wrong:
            lost[what] = f"{len(wrong)} of {TIMES}, e.g. {wrong[0][:200]}"
    print(f"{client}, {'chunked' if chunked else 'length'}: {len(lost)} of {len(REFUSED)} kinds lost answers")
    assert not lost
