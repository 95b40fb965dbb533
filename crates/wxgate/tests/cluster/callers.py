"""A process with many callers: each has a connection already, and all call at once when they are told.

Reads one line of JSON, {"urls": [...], "apps", "numbers", "tries", "timeout", "seconds"}, says "ready" when all are
connected, calls when it reads another line, and says in one line of JSON what came of it. Caller n calls for app n % apps, at
node n % 3, and lists users through the pass-through. Who is cut, or told to try again (-1), does so at another node.
"""

import asyncio
import collections
import json
import re
import sys
import time

CONNECTING_AT_ONCE = 200
AGAIN, DEAD = -1, (40001, 40014, 42001)


class Callers:
    def __init__(self, order: dict):
        self.order, self.go, self.open = order, asyncio.Event(), 0
        self.outcomes, self.codes, self.reasons, self.dead, self.odd = *(collections.Counter() for _ in range(3)), [], []
        self.sent, self.answered, self.took = [], [], []
        self.slots = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def connect(self, n: int):
        host, port = self.order["urls"][n % len(self.order["urls"])].removeprefix("http://").split(":")
        async with self.slots:
            return await asyncio.wait_for(asyncio.open_connection(host, int(port)), 20)

    async def ask(self, connection, n: int) -> dict:
        reader, writer = connection
        writer.write(f"GET /cgi-bin/user/get HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Wx-Appid: wxn{n % self.order['apps']}\r\n\r\n".encode())
        self.sent.append(time.monotonic())
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        said = await reader.readexactly(int(length))
        self.answered.append(time.monotonic())
        answer = json.loads(said)
        return answer if "errcode" in answer or "total" in answer else {"errcode": f"odd: {said[:200]}"}

    async def one(self, n: int):
        connection = await self.connect(n)
        self.open += 1
        await self.go.wait()
        began, at = time.monotonic(), n
        for attempt in range(self.order["tries"]):
            if time.monotonic() - began > self.order["seconds"]:
                break
            if attempt:
                await asyncio.sleep(min(0.2 * attempt, 2))
                at += 1
            try:
                connection = connection or await self.connect(at)
                answer = await asyncio.wait_for(self.ask(connection, n), self.order["timeout"])
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                self.codes[type(error).__name__] += 1
                if connection:
                    connection[1].close()
                connection = None
                continue
            code = answer.get("errcode", 0)
            self.codes[code] += 1
            if code in DEAD:
                self.dead.append(answer)
            if code == 0:
                self.outcomes["answered" if attempt == 0 else "answered after another attempt"] += 1
                self.took.append(time.monotonic() - began)
                return
            # Its id apart, so that they can be counted.
            self.reasons[re.sub(r"\[wxgate \S+\]", "", str(answer.get("errmsg")))] += 1
            if code != AGAIN and code not in DEAD:
                self.odd.append(answer)
                break
        self.outcomes["not answered"] += 1

    async def run(self):
        numbers = self.order["numbers"]
        tasks = [asyncio.create_task(self.one(n)) for n in numbers]
        while self.open < len(numbers):
            await asyncio.sleep(0.05)
            for task in tasks:
                if task.done():
                    raise RuntimeError(f"no connection: {task.exception()!r}")
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        self.go.set()
        await asyncio.gather(*tasks)
        self.took.sort()
        sent = self.sent[: len(numbers)]
        told = {
            "outcomes": self.outcomes, "codes": self.codes, "reasons": self.reasons, "dead": self.dead, "odd": self.odd[:3], "took": self.took[::20],
            "slowest": self.took[-1:], "all_sent": max(sent), "first_sent": min(sent), "first_answer": min(self.answered, default=None),
        }
        print(json.dumps(told), flush=True)


asyncio.run(Callers(json.loads(sys.stdin.readline())).run())
