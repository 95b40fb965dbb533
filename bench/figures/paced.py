"""At a fixed rate: what is added to a call's time; two cores against one; what a line of log a request costs."""

import os
from dataclasses import replace

from measure import Bench, Figures, Server, address, load, log_of, paced, spread, start, take_turns
from report import Line, Result, paired, table
from yardsticks import passes, proxies, reads_token, token_of, wxgate

# Calls a second: what a gateway may have at its busiest, and far from where any of these is at its limit.
RATE = 4000
WORKS = {"token read": reads_token, "pass-through, 200 B": passes}


def added(bench: Bench) -> Result:
    """Pass-through at a fixed rate, beside the upstream asked directly: the difference is what a proxy adds."""
    servers = [passes(replace(bench.wechat, name="direct")), *proxies(bench.upstream)]
    found = take_turns(servers, bench, lambda server, seconds: paced(bench, server, RATE, seconds))
    text = table(f"pass-through at {RATE} calls a second", found, "wxgate", "What direct calls cost is the upstream's own CPU.")
    more = {what: {name: over(found, name, what) for name in found if name != "direct"} for what in ("p50", "p99")}
    rows = ["| | added p50 µs | added p99 µs | wxgate's added p50 to it |", "|---|---|---|---|"]
    for name, values in more["p50"].items():
        ratio = "1" if name == "wxgate" else spread(ratios(more["p50"]["wxgate"], values))
        rows.append(f"| {name} | {spread(values, '{:.0f}')} | {spread(more['p99'][name], '{:.0f}')} | {ratio} |")
    lines = [
        Line("added p50 at 4,000 calls a second", f"{name}'s own added", ratios(more["p50"]["wxgate"], more["p50"][name]), 1.5, "added p50", goal=1.2)
        for name in more["p50"]
        if name == "nginx"
    ]
    return Result(f"{text}\nOver the direct calls of the same round:\n\n" + "\n".join(rows) + "\n", lines)


def over(found: dict[str, list[Figures]], name: str, what: str) -> list[float]:
    return [getattr(a, what) - getattr(b, what) for a, b in zip(found[name], found["direct"])]


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs) if b > 0] or [0.0]


def cores(bench: Bench) -> Result:
    """The process on two cores against one: CPU a request at a fixed rate, and the rate where the load has cores of its own."""
    roomy = (os.cpu_count() or 1) >= 4
    own, upstream = "2,3" if roomy else "1", bench.upstream
    note = "" if roomy else "There are two cores only: on two, the process shares one of them with the load, so the CPU is what counts here and neither rate nor latency."
    if roomy:
        upstream = address()
        start("upstream of two cores", [str(bench.bin / "upstream"), upstream], upstream, cores="2,3")
    servers = [wxgate(upstream, name="one core"), wxgate(upstream, name="two cores", cores="0,1")]
    texts, lines = [], []
    for work, calls in WORKS.items():
        called = [calls(server) for server in servers]
        found = take_turns(called, bench, lambda server, seconds: paced(bench, server, RATE, seconds, cores=own))
        texts.append(table(f"{work} at {RATE} a second, two cores against one", found, "one core", note, to_base=True))
        lines.append(Line(f"two cores against one, {work}, fixed rate", "itself", paired(found, "two cores", "one core", "cpu"), 1.15, "CPU", goal=1.05))
        if roomy:
            found = take_turns(called, bench, lambda server, seconds: load(server, seconds, cores=own))
            texts.append(table(f"{work} at saturation, two cores against one", found, "one core", to_base=True))
            lines.append(Line(f"two cores against one, {work}", "itself", paired(found, "two cores", "one core", "rate"), 1.7, "rate", goal=1.9, at_least=True))
    return Result("\n".join(texts), lines)


def log(bench: Bench) -> Result:
    """`log.access = "all"` into a file beside "failures"; how many of the lines were written is seen, too."""
    servers = [wxgate(bench.upstream, name=f'access = "{access}"', access=access) for access in ("failures", "all")]
    everything = servers[1].name
    texts = []
    for work, calls in WORKS.items():
        for server in servers:
            token_of(server)
        for title, measure in ((f"{work} at {RATE} a second", lambda server, seconds: paced(bench, server, RATE, seconds)), (f"{work} at saturation", load)):
            shares: list[float] = []

            def counted(server: Server, seconds: float) -> Figures:
                figures = measure(server, seconds)
                file = log_of(server.name)
                if server.name == everything:
                    shares.append(written(file) / figures.count)
                os.truncate(file, 0)
                return figures

            found = take_turns([calls(server) for server in servers], bench, counted)
            note = f"Of the lines, {spread([100 * share for share in shares], '{:.0f}')} % were written; no request waits for the rest, which are lost."
            texts.append(table(f"{title}, every request in the log", found, servers[0].name, note, to_base=True))
    return Result("\n".join(texts))


def written(file) -> int:
    with open(file, "rb") as lines:
        return sum(1 for _ in lines)
