"""What every Python receiver does: settings from the command line, a port of its own, a log of what it judged.

The one argument is a JSON object; `log` names a file to which each judged POST is appended as one JSON line:
`{"accepted": true, …}` or `{"accepted": false, "why": "…"}`. The first line on standard output is `listening PORT`.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from urllib.parse import parse_qsl, urlsplit

settings: dict = {}  # filled by `serve`
writing = Lock()


@dataclass
class Request:
    method: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: str


Answer = tuple[dict | None, str]
"""What goes to the log (nothing for a GET), and the body of the 200."""


def note(entry: dict) -> None:
    line = json.dumps(entry, ensure_ascii=False) + "\n"
    with writing, open(settings["log"], "a", encoding="utf-8") as log:
        log.write(line)


def common(request: Request) -> dict:
    """What the log says of every accepted request, whatever the SDK."""
    headers = {name: value for name, value in request.headers.items() if name.startswith(("x-wxgate-", "webhook-"))}
    return {"accepted": True, "query": request.query, "headers": headers}


def serve(answer: Callable[[Request], Answer]) -> None:
    """Runs until it is stopped; whatever `answer` raises is a refusal."""
    settings.update(json.loads(sys.argv[1]))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
            try:
                entry, text = answer(Request(self.command, query, headers, body.decode()))
                status = 200
            except Exception as wrong:  # an SDK may raise anything
                entry, text, status = {"accepted": False, "why": repr(wrong)}, "refused", 403
            if entry is not None and self.command == "POST":
                note(entry)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = handle_any

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"listening {server.server_port}", flush=True)
    server.serve_forever()
