"""Calls and callbacks at all nodes, and what is said about them in the end."""

import asyncio
import collections
import hashlib
import json
import random
import re
import time

from world import APPID, PLAIN, USERS, World, exchange

CUT = (OSError, TimeoutError, ConnectionError)
# How a callback is refused, as the documentation has it; 403 and 413 would say that the message itself is wrong.
REFUSED = (500, 503)


def push(name: str):
    """A plain text as WeChat sends it: query and body."""
    now, nonce = str(int(time.time())), str(random.randrange(10**9))
    signature = hashlib.sha1("".join(sorted(["sandboxtoken", now, nonce])).encode()).hexdigest()
    body = (
        f"<xml><ToUserName><![CDATA[gh_0000000000c3]]></ToUserName><FromUserName><![CDATA[o{random.randrange(1000)}]]></FromUserName>"
        f"<CreateTime>{now}</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{name}]]></Content><MsgId>{random.randrange(10**15)}</MsgId></xml>"
    )
    return f"signature={signature}&timestamp={now}&nonce={nonce}", body


class Load:
    """So many calls and callbacks a second; what was acknowledged, and what was answered oddly."""

    def __init__(self, world: World, rate: float):
        self.world, self.rate, self.runs = world, rate, True
        # What a balancer would send to.
        self.nodes = list(world.nodes)
        self.acked, self.sent, self.given_up, self.odd = set(), 0, 0, []
        self.callbacks, self.calls = collections.Counter(), collections.Counter()
        # When this script itself came too late to look at an answer.
        self.late = []

    async def ask(self, method: str, node, path: str, body: str, counts: collections.Counter, **more):
        """Status and body, or None if the connection was cut, which only a node may do that was taken down."""
        was_down, downs, began = node.is_down, node.downs, time.time()
        try:
            return await exchange(method, node.url + path, body, **more)
        except CUT as error:
            took = time.time() - began
            # What it waited for may have come while nobody looked: whoever watches for that has its turn first.
            await asyncio.sleep(0.2)
            if was_down or node.is_down or node.downs != downs:
                counts["cut by a node that is down"] += 1
            elif isinstance(error, TimeoutError) and any(at > began + took - 1 for at, _ in self.late):
                counts["not seen, because this script was late"] += 1
            else:
                counts["cut"] += 1
                self.odd.append(f"{path[:32]} at {node.name}: {error!r} after {took:.1f} s at {began:.1f}")
            return None

    async def message(self, n: int):
        name = f"m{n}"
        query, body = push(name)
        # WeChat tries three times; the balancer tries another node at 500.
        for _ in range(3):
            for node in random.sample(self.nodes, 3):
                said = await self.ask("POST", node, f"/v1/service/wx/wxmsg/{PLAIN}?{query}", body, self.callbacks, kind="text/xml", timeout=5)
                if said is None:
                    continue
                status, text = said
                self.callbacks[status] += 1
                if (status, text) == (200, b"success"):
                    self.acked.add(name)
                    return
                if status not in REFUSED:
                    clock = f", whose clock is off by {node.clock} s" if node.clock else ""
                    self.odd.append(f"callback at {node.name}{clock}: {status} {text[:80]}")
            await asyncio.sleep(1)
        self.given_up += 1

    async def call(self):
        """Mostly on the pass-through; a QR code, by the service API, costs the simulated WeChat a picture."""
        node = random.choice(self.nodes)
        if random.random() < 0.9:
            said = await self.ask("GET", node, USERS, "", self.calls, headers=f"X-Wx-Appid: {APPID}\r\n", timeout=40)
            kind, read = "pass-through", self.passed
        else:
            body = json.dumps({"appid": APPID, "scene": "s", "source": "t"})
            said = await self.ask("POST", node, "/v1/service/wx/getwxqrcode", body, self.calls, timeout=40)
            kind, read = "service", self.served
        if said is None:
            return
        try:
            code, is_documented = read(*said)
        except (ValueError, KeyError, TypeError):
            code, is_documented = "of another shape", False
        self.calls["ok" if code == 0 else f"{kind} {code}"] += 1
        if not is_documented:
            self.odd.append(f"{kind} call at {node.name}: {said[0]} {said[1][:300]}")

    def passed(self, status: int, text: bytes):
        """As WeChat says it, system error (-1) if it wasn't WeChat that said so."""
        answer = json.loads(text)
        code = 0 if "total" in answer else answer["errcode"]
        return code, status == 200 and code in (0, -1)

    def served(self, status: int, text: bytes):
        ret = json.loads(text)["ret"]
        code = ret["code"]
        return code, code == 0 or (ret["retryable"] and ret.get("wx_errcode") not in (40001, 40014, 42001))

    async def watch(self):
        while self.runs:
            due = time.monotonic() + 0.05
            await asyncio.sleep(0.05)
            if (late := time.monotonic() - due) > 0.2:
                self.late.append((time.time(), late))

    async def run(self):
        tasks, watching = set(), asyncio.create_task(self.watch())

        def done(task):
            tasks.discard(task)
            if not task.cancelled() and task.exception():
                self.odd.append(f"this script: {task.exception()!r}")

        began = time.monotonic()
        while self.runs:
            for work in (self.message(self.sent), self.call()):
                task = asyncio.create_task(work)
                tasks.add(task)
                task.add_done_callback(done)
            self.sent += 1
            await asyncio.sleep(max(0, began + self.sent / self.rate - time.monotonic()))
        await asyncio.gather(*tasks, return_exceptions=True)
        await watching

    async def settled(self, seconds: float):
        """Waits until all that was acknowledged has arrived; what hasn't."""
        end = time.time() + seconds
        while (missing := self.acked - set(self.world.backend.got)) and time.time() < end:
            await asyncio.sleep(0.5)
        return missing

    def report(self, missing) -> int:
        arrived = self.world.backend.got
        again = sum(count - 1 for count in arrived.values())
        share = 100 * again / max(1, len(self.acked))
        print(f"messages: sent {self.sent}, acknowledged {len(self.acked)}, given up after three attempts {self.given_up}; answers {dict(self.callbacks)}")
        print(f"deliveries: arrived {len(arrived)}, acknowledged but missing {len(missing)}, arrived more than once {again} ({share:.2f} %)")
        took = [int(ms) for node in self.world.nodes for ms in re.findall(r"api=wxmsg .*? ms=(\d+)", node.log())]
        late = max((late for _, late in self.late), default=0)
        print(f"the longest that a callback which failed took, as the nodes log it: {max(took, default=0)} ms; this script was late {len(self.late)} times, by {late:.1f} s at most")
        calls = sum(self.calls.values())
        print(f"calls: {calls}, failed {calls - self.calls['ok']}; answers {dict(self.calls)}")
        print(f"answers and cuts that no page speaks of: {len(self.odd)}")
        for odd in self.odd[:10]:
            print("  ", odd)
        if missing:
            print("missing:", sorted(missing)[:5])
        return int(bool(missing or self.odd or share >= 0.5))
