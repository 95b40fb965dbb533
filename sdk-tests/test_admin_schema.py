"""The admin API against its own document: whatever a request made of it, or of its opposite, is answered, and by no 5xx."""

import json
import subprocess
import sys
from pathlib import Path

import harness


def test_whatever_is_asked_of_the_admin_api_is_no_server_error(folder: Path, sandbox: harness.Sandbox) -> None:
    app = f'[[apps]]\nappid = "{harness.APPID}"\nkind = "official"\nsecret = "{harness.SECRET}"\n'
    with harness.gateway(folder, sandbox, app) as gateway:
        document = folder / "admin.json"
        status, text = harness.http("GET", f"{gateway.admin}/openapi.json")
        assert status == 200
        document.write_text(text, encoding="utf-8")
        # A stream has no end, and tries of secrets are slowed down.
        without = ["/api/v1/live", "/api/v1/session", "/api/v1/setup"]
        said = subprocess.run(
            [
                str(Path(sys.executable).with_name("st")), "run", str(document), "--url", gateway.admin,
                "-H", f"Authorization: Bearer {harness.ADMIN_TOKEN}", "--checks", "not_a_server_error",
                "--phases", "coverage,fuzzing", "--max-examples", "8", "--seed", "1", "--request-timeout", "20",
                "--generation-database", "none", "--no-color",
                *[word for path in without for word in ("--exclude-path", path)],
            ],
            cwd=folder, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert said.returncode == 0, said.stdout[-4000:] + said.stderr[-2000:]
        # It went through all there is.
        paths = json.loads(text)["paths"]
        calls = sum(len(calls) for path, calls in paths.items() if path not in without)
        assert f"Tested: {calls}" in said.stdout, said.stdout[-2000:]
        assert gateway.api("nodes")["items"], "and it answers still"
