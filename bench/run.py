#!/usr/bin/env python3
"""Runs wxgate beside its yardsticks in the same run, alternating, and prints medians and paired ratios.

    bench/run.py [--rounds 5] [--seconds 4] [--out bench/results/FILE.md] [FIGURE ...]

The server under test is alone on core 0, the load and the fake WeChat are on core 1. CPU is the process's own accounting
(user and system time of all its threads) over the requests that the load counted. What a machine lacks is said and left
out. Ratios are paired: each round's figure over the yardstick's of the same round.
"""

import argparse
import os
import re
import subprocess
import tempfile
import time
import traceback
from pathlib import Path

from figures import ALL
from measure import CACHE, RUNNING, SKIPPED, Bench, Missing, address, skipped, start, stop
from report import Line, summary
from yardsticks import binary, cargo


def machine() -> str:
    model = re.search(r"model name.*: (.*)", Path("/proc/cpuinfo").read_text())
    disk = subprocess.run(["stat", "-f", "-c", "%T", tempfile.gettempdir()], capture_output=True, text=True).stdout.strip()
    return f"{os.cpu_count()} cores, {model[1] if model else os.uname().machine}, Linux {os.uname().release}, databases on {disk}"


def measured(names: list[str], bench: Bench) -> tuple[list[Line], list[str], list[str]]:
    """Runs the figures; the lines that were wanted, the tables, and what failed."""
    lines, texts, failed = [], [], []
    for name in names:
        began = time.time()
        print(f"{name}:", flush=True)
        try:
            result = ALL[name](bench)
            lines += result.lines
            texts.append(result.text)
            print(f"{result.text}\n{summary(result.lines) if result.lines else ''}({time.time() - began:.0f} s)\n", flush=True)
        except Missing as why:
            skipped(f"{name}: {why}")
        except Exception:
            # The others' hour isn't lost for it.
            traceback.print_exc()
            failed.append(name)
        finally:
            stop([server for server in RUNNING if server is not bench.wechat])
    return lines, texts, failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"of {', '.join(ALL)}; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if unknown := [name for name in args.figures if name not in ALL]:
        parser.error(f"no such figure: {', '.join(unknown)}; there are {', '.join(ALL)}")
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("two cores are needed: one for the server, one for the load")
    binary()
    CACHE.mkdir(parents=True, exist_ok=True)
    bin, upstream = cargo("rust"), address()
    wechat = start("upstream", [str(bin / "upstream"), upstream], upstream, cores="1")
    bench = Bench(args.rounds, args.seconds, wechat, bin)
    head = f"{time.strftime('%Y-%m-%d')}, {machine()}; {args.rounds} rounds of {args.seconds} s, 64 connections, median [min..max]"
    try:
        lines, texts, failed = measured(args.figures or list(ALL), bench)
    finally:
        stop(list(RUNNING))
    parts = ["# wxgate beside its yardsticks", head, summary(lines).rstrip()]
    if without := [*(f"- failed: {name}" for name in failed), *(f"- skipped: {what}" for what in SKIPPED)]:
        parts.append("Not measured:\n\n" + "\n".join(without))
    report = "\n\n".join([*parts, *(text.rstrip() for text in texts)]) + "\n"
    print("\n\n".join(parts), flush=True)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(report)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
