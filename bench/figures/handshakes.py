"""Handshakes: with an upstream that is reached over TLS, as WeChat is."""

import json
import ssl
import urllib.request

from measure import Bench, address, folder, paced, spread, start, stop
from report import Line, Result
from yardsticks import passes, wxgate

CALLS = 10_000


def tls(bench: Bench) -> Result:
    rows, lines = [], []
    for name, cores in (("one core", "0"), ("two cores", "0,1")):
        found = [once(bench, cores) for _ in range(bench.rounds)]
        during, before, rates = (list(column) for column in zip(*found))
        rows.append(f"| {name} | {spread(during, '{:g}')} | {spread(before, '{:g}')} | {spread([rate / 1000 for rate in rates], '{:.1f}k')} |")
        lines.append(Line(f"handshakes in 10,000 calls over TLS, 64 at once, {name}", "–", during, 64, "handshakes", unit="", form="{:g}"))
    head = ["### handshakes in 10,000 calls over TLS, 64 at once, each time in a fresh process", ""]
    head += ["| wxgate on | handshakes | before them: one call and its token's fetch | calls/s |", "|---|---|---|---|"]
    return Result("\n".join([*head, *rows]) + "\n", lines)


def once(bench: Bench, cores: str) -> tuple[float, float, float]:
    at, own = folder(), address()
    authority = at / "authority.pem"
    command = [str(bench.bin / "upstream"), own, str(authority)]
    # It writes its authority before it listens, and nobody can ask it over TLS before.
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    upstream = start("upstream over TLS", command, own, cores="1", tls=trust)
    upstream.folder = at
    asked = 0

    def handshakes() -> int:
        nonlocal asked
        asked += 1
        answer = urllib.request.urlopen(f"https://{own}/count", timeout=5, context=trust).read()
        return int(json.loads(answer)) - asked

    begin = handshakes()
    ours = wxgate(own, ca=authority, cores=cores)
    # The first call has the access_token fetched.
    paced(bench, passes(ours), 0, 600, count=1)
    ready = handshakes()
    figures = paced(bench, passes(ours), 0, 600, count=CALLS)
    during = handshakes() - ready
    stop([ours, upstream])
    return during, ready - begin, figures.rate
