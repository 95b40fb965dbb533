"""What goes wrong while there is traffic: faults of all kinds, a failover, and a replacement of every node."""

import asyncio
import random
import signal
import time
import traceback

from load import CUT, Load
from world import APPID, Relay, World, exchange, free_port

KINDS = ["kill", "pause", "cut", "slow", "loss", "clock", "postgres"]
EVERY = 15
# The token ends at WeChat so often, so that calls depend on more than what nodes remember.
EXPIRY = 20


class Trouble:
    """One fault at a time, each at a node drawn by lot; a clock that is wrong stays so during the next ones."""

    def __init__(self, world: World, load: Load):
        self.world, self.load, self.wrong, self.right_at = world, load, None, 0

    async def restart(self, node, is_killed: bool):
        node.goes_down()
        node.process.send_signal(signal.SIGKILL if is_killed else signal.SIGTERM)
        await asyncio.to_thread(node.process.wait)
        node.start()
        await asyncio.to_thread(node.ready)

    async def set_right(self):
        node, self.wrong, node_clock = self.wrong, None, self.wrong.clock
        node.clock = 0
        await self.restart(node, random.random() < 0.5)
        print(f"the clock of {node.name} is right again ({node_clock:+d} s)", flush=True)

    async def one(self, kind: str):
        n, last = random.randrange(3), random.uniform(2, 10)
        node, relay, more = self.world.nodes[n], self.world.relays[n], ""
        began = time.time()
        if kind == "kill":
            node.kill()
            await asyncio.sleep(last / 3)
            node.start()
            await asyncio.to_thread(node.ready)
        elif kind == "pause":
            node.goes_down()
            node.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(last)
            node.process.send_signal(signal.SIGCONT)
            node.is_down = False
        elif kind == "cut":
            await self.cut(n, last)
        elif kind == "slow":
            relay.delay = 0.05
            await asyncio.sleep(last)
            relay.delay = 0.0
        elif kind == "loss":
            percent = random.choice([10, 20, 30])
            self.world.net.lose(n, percent)
            more = f" ({percent} % each way)"
            await asyncio.sleep(last)
            self.world.net.lose(n, 0)
        elif kind == "clock":
            if self.wrong:
                await self.set_right()
            self.wrong, self.right_at = node, time.time() + 2.5 * EVERY
            node.clock = random.choice([3600, -3600])
            await self.restart(node, random.random() < 0.5)
            more = f" ({node.clock:+d} s from now on)"
        elif kind == "postgres":
            await asyncio.to_thread(self.world.postgres.kill)
            await asyncio.sleep(last / 3)
            await asyncio.to_thread(self.world.postgres.start)
            back, before = time.time(), len(self.load.acked)
            while len(self.load.acked) == before and time.time() - back < 60:
                await asyncio.sleep(0.05)
            more = f" (back, the first message is acknowledged {time.time() - back:.1f} s later)"
        else:
            raise ValueError(f"no such kind: {kind}")
        at = "" if kind == "postgres" else f" at {node.name}"
        print(f"{kind}{at} for {time.time() - began:.1f} s{more}; sent {self.load.sent}, acknowledged {len(self.load.acked)}", flush=True)

    async def cut(self, n: int, seconds: float):
        if self.world.net.own:
            self.world.net.cut(n, True)
            await asyncio.sleep(seconds)
            self.world.net.cut(n, False)
        else:
            self.world.relays[n].open.clear()
            await asyncio.sleep(seconds)
            self.world.relays[n].open.set()


async def faults(world: World, seconds: float, kinds: list[str]) -> int:
    await world.start()
    load = Load(world, 60)
    trouble, failed = Trouble(world, load), 0
    running = asyncio.create_task(load.run())

    async def expire():
        while load.runs:
            await asyncio.sleep(EXPIRY)
            await world.control("token/expire", {"appid": APPID})

    expiring = asyncio.create_task(expire())
    begin, deck = time.time(), []
    async def attempt(work):
        """What comes of a fault that can't be made or overcome is reported all the same."""
        nonlocal failed
        try:
            await work
        except Exception:
            failed += 1
            traceback.print_exc()

    try:
        for turn in range(1, int(seconds / EVERY) + 1):
            await asyncio.sleep(max(0, begin + turn * EVERY - time.time()))
            if trouble.wrong and time.time() > trouble.right_at:
                await attempt(trouble.set_right())
            # In an order drawn by lot, each as often as the others.
            deck = deck or random.sample(kinds, len(kinds))
            await attempt(trouble.one(deck.pop()))
        if trouble.wrong:
            await attempt(trouble.set_right())
    except asyncio.CancelledError:
        print("ended early, by a signal", flush=True)
        failed += 1
    await asyncio.sleep(5)
    load.runs = False
    await running
    expiring.cancel()
    missing = await load.settled(120)
    if failed:
        print(f"faults that couldn't be made or overcome: {failed}")
    return load.report(missing) or int(bool(failed))


async def failover(world: World) -> int:
    standby = world.server("standby", free_port())
    await world.start(further_port=standby.port, relays=False)
    relay = Relay(world.postgres.port)
    await relay.start()
    await asyncio.to_thread(standby.copy_of, relay.port)
    await asyncio.to_thread(standby.start)
    load = Load(world, 150)
    running = asyncio.create_task(load.run())
    await asyncio.sleep(10)
    # It falls behind, and what it lacks is lost with the primary.
    relay.open.clear()
    await asyncio.sleep(2)
    ids = set(world.postgres.ask("select id from events"))
    await asyncio.to_thread(world.postgres.kill)
    await asyncio.to_thread(standby.promote)
    began, before = time.time(), len(load.acked)
    there = set(standby.ask("select id from events"))
    while len(load.acked) == before and time.time() - began < 60:
        await asyncio.sleep(0.05)
    print(f"promoted with {len(ids - there)} of {len(ids)} messages lost; the next is acknowledged {time.time() - began:.1f} s later")
    await asyncio.sleep(15)
    load.runs = False
    await running
    missing = await load.settled(120)
    reused = (ids - there) & set(standby.ask("select id from events"))
    print(f"ids used for two messages: {len(reused)}")
    return load.report(missing) or int(bool(reused))


async def rolling(world: World, before: str | None) -> int:
    newer = world.binary
    world.binary = before or newer
    await world.start()
    load = Load(world, 100)

    # A balancer sends nothing to a node that isn't ready.
    async def watch():
        while load.runs:
            ready = []
            for node in world.nodes:
                try:
                    if (await exchange("GET", f"{node.url}/readyz", timeout=1))[0] == 200:
                        ready.append(node)
                except CUT:
                    pass
            if ready:
                load.nodes = ready * 3 if len(ready) < 3 else ready
            await asyncio.sleep(0.2)

    running, watching = asyncio.create_task(load.run()), asyncio.create_task(watch())
    await asyncio.sleep(5)
    for node in world.nodes:
        node.process.terminate()
        began = time.time()
        await asyncio.to_thread(node.process.wait)
        print(f"{node.name} ended within {time.time() - began:.1f} s", flush=True)
        node.binary = newer
        node.start()
        await asyncio.to_thread(node.ready)
        await asyncio.sleep(3)
    load.runs = False
    await asyncio.gather(running, watching)
    missing = await load.settled(90)
    failed = sum(count for code, count in load.calls.items() if code != "ok")
    return load.report(missing) or int(failed > 0)
