"""Every token has ended, and all callers call at once: how often WeChat is asked for new ones."""

import asyncio
import collections
import json
import pathlib
import random
import signal
import sys
import time

from net import spawn
from world import World, users

APPS = 50
FETCH = "/cgi-bin/stable_token"
# WeChat takes so long for a token: all callers have come before the first one is there.
SLOW_MS = 3000


class Crowd:
    """So many callers in some processes."""

    def __init__(self, world: World, callers: int, tries: int, timeout: float):
        self.world, self.callers, self.tries, self.timeout, self.processes = world, callers, tries, timeout, []

    async def connect(self):
        count = max(1, min(8, self.callers // 1250))
        for one in range(count):
            command = [sys.executable, pathlib.Path(__file__).with_name("callers.py")]
            process = await asyncio.create_subprocess_exec(
                *map(str, command), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 26
            )
            self.processes.append(process)
            order = {
                "urls": [node.url for node in self.world.nodes], "apps": APPS, "tries": self.tries,
                "timeout": self.timeout, "seconds": 90, "numbers": list(range(one, self.callers, count)),
            }
            process.stdin.write(json.dumps(order).encode() + b"\n")
        for process in self.processes:
            if (await process.stdout.readline()) != b"ready\n":
                raise RuntimeError("not all callers could connect")

    def go(self):
        for process in self.processes:
            process.stdin.write(b"go\n")

    async def told(self) -> dict:
        all_told = [json.loads(await process.stdout.readline()) for process in self.processes]
        for process in self.processes:
            await process.wait()
        sums = {what: sum((collections.Counter(told[what]) for told in all_told), collections.Counter()) for what in ("outcomes", "codes", "reasons")}
        lists = {what: [one for told in all_told for one in told[what]] for what in ("dead", "odd", "took", "slowest")}
        first = min((told["first_answer"] for told in all_told if told["first_answer"]), default=0)
        begin = min(told["first_sent"] for told in all_told)
        return sums | lists | {"sent_within": max(told["all_sent"] for told in all_told) - begin, "first_after": first - begin}

    def end(self):
        for process in self.processes:
            if process.returncode is None:
                process.kill()


async def warm(world: World):
    """Each node has a token for each app."""
    for n in range(3 * APPS):
        answer = json.loads((await users(world.nodes[n // APPS], f"wxn{n % APPS}"))[1])
        if "total" not in answer:
            raise RuntimeError(f"before it begins: {answer}")


async def expire(world: World) -> int:
    """Ends every token at WeChat; the number of the last call that it got before."""
    for n in range(APPS):
        await world.control("token/expire", {"appid": f"wxn{n}"})
    return max(call["seq"] for call in await world.calls())


async def fetches(world: World, since: int) -> collections.Counter:
    return collections.Counter(call["appid"] for call in await world.calls(since) if call["path"] == FETCH)


def overflows() -> int:
    """Here, where WeChat listens: connections that came faster than they were accepted, and had to be tried again."""
    names, numbers = [line.split() for line in pathlib.Path("/proc/net/netstat").read_text().splitlines() if line.startswith("TcpExt:")]
    return int(numbers[names.index("ListenOverflows")])


def said(crowd: Crowd, told: dict, took: float, fetched: collections.Counter) -> str:
    took_each = sorted(told["took"])
    p50 = took_each[len(took_each) // 2] if took_each else 0
    return (
        f"{crowd.callers} callers in {took:.1f} s: {dict(told['outcomes'])}; all had called within {told['sent_within']:.1f} s, the first "
        f"answer came after {told['first_after']:.1f} s; half were answered within {p50:.1f} s, all within {max(told['slowest'], default=0):.1f} s; "
        f"answers by errcode {dict(told['codes'])}, of them about a dead token {len(told['dead'])}; "
        f"fetches {fetched.total()}, of one app {max(fetched.values(), default=0)} at most"
    )


async def expiry(world: World, callers: int) -> int:
    world.apps = APPS
    await world.start(relays=False)
    await warm(world)
    before = await fetches(world, 0)
    print(f"at the start, fetches {before.total()}, of one app {max(before.values())} at most", flush=True)
    await world.control("fault", {"path": FETCH, "delay_ms": SLOW_MS, "times": 0})
    crowd = Crowd(world, callers, tries=1, timeout=120)
    try:
        began = time.time()
        await crowd.connect()
        print(f"connected within {time.time() - began:.1f} s", flush=True)
        since = await expire(world)
        began = time.time()
        crowd.go()
        told = await crowd.told()
        took = time.time() - began
    finally:
        crowd.end()
    await asyncio.sleep(3)
    fetched = await fetches(world, since)
    print(said(crowd, told, took, fetched))
    print(f"connections for which a queue had no room at first: {overflows()}")
    for reason, count in told["reasons"].most_common(5):
        print("  ", count, reason)
    return int(told["outcomes"] != {"answered": callers} or bool(told["dead"]) or fetched.total() != APPS)


async def expiry_faults(world: World, callers: int, runs: int) -> int:
    """In the middle of the refresh a node is killed, paused, or cut off from the database."""
    world.apps = APPS
    await world.start(relays=not world.net.own, timeout="10s")
    await warm(world)
    await world.control("fault", {"path": FETCH, "delay_ms": SLOW_MS, "times": 0})
    code = 0
    for kind in ("kill", "pause", "cut"):
        for run in range(runs):
            n = random.randrange(3)
            node = world.nodes[n]
            # Shorter than the turn that it has (10 s and 5 more), and longer.
            last = (5, 20)[run % 2] if kind != "kill" else 3
            crowd = Crowd(world, callers, tries=60, timeout=60)
            try:
                await crowd.connect()
                since = await expire(world)
                began = time.time()
                crowd.go()
                await asyncio.sleep(random.uniform(0.5, 2.5))
                asked = await fetches(world, since)
                await trouble(world, n, kind, last)
                told = await crowd.told()
                took = time.time() - began
            finally:
                crowd.end()
            await asyncio.to_thread(node.ready)
            await asyncio.sleep(SLOW_MS / 1000 + 1)
            fetched = await fetches(world, since)
            failed = set(told["outcomes"]) - {"answered", "answered after another attempt"} or told["dead"] or max(fetched.values()) > 2
            code |= int(bool(failed))
            print(f"{kind} {node.name} for {last} s while {asked.total()} tokens were asked for: {'FAILED, ' if failed else ''}{said(crowd, told, took, fetched)}", flush=True)
            for reason, count in told["reasons"].most_common(5):
                print("  ", count, reason)
    return code


async def trouble(world: World, n: int, kind: str, seconds: float):
    node = world.nodes[n]
    if kind == "kill":
        node.kill()
        await asyncio.sleep(seconds)
        node.start()
    elif kind == "pause":
        node.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        node.process.send_signal(signal.SIGCONT)
    elif world.net.own:
        world.net.cut(n, True)
        await asyncio.sleep(seconds)
        world.net.cut(n, False)
    else:
        world.relays[n].open.clear()
        await asyncio.sleep(seconds)
        world.relays[n].open.set()
