"""Only one node's address is on the account's IP list at WeChat: it makes the others' calls."""

import asyncio
import json
import shutil
import signal
import subprocess
import time

from load import CUT
from net import spawn
from world import APPID, SECRET, USERS, World, get, users

AT_ONCE = 64
LATENCY_MS = 50
# What going by another node may add to the half of the calls, with a WeChat that takes its time.
MOST_ADDED_MS = 3.0
# Until operators are told.
TOLD_WITHIN = 2.0

SCRIPT = """
local threads, hosts = {}, {HOSTS}
function setup(thread)
  local host = hosts[#threads % #hosts + 1]
  thread.addr = wrk.lookup(host, PORT)[1]
  table.insert(threads, thread)
end
function init(_)
  wrk.headers["X-Wx-Appid"] = "APPID"
  ok, failed, first = 0, 0, ""
end
function response(status, _, body)
  if status == 200 and body:find('"total":', 1, true) then ok = ok + 1
  else failed = failed + 1; if first == "" then first = status .. " " .. body end end
  if ok + failed == CALLS then wrk.thread:stop(); io.stderr:write("enough\\n") end
end
function done(summary, latency, _)
  local all, bad, said = 0, 0, ""
  for _, thread in ipairs(threads) do
    all, bad = all + thread:get("ok"), bad + thread:get("failed")
    if said == "" then said = thread:get("first") end
  end
  local e = summary.errors
  bad = bad + e.connect + e.read + e.write + e.timeout
  io.write(string.format("RESULT %d %d %d %d %d %s\\n", all, bad, summary.duration, latency:percentile(50), latency:percentile(99), said))
end
"""


def measure(world: World, nodes: list, calls: int) -> tuple[int, int, float, float, str]:
    """Calls at these nodes, as many at each: answered, failed, p50 and p99 in ms, and how the first one failed."""
    hosts = ", ".join(f'"{node.host}"' for node in nodes)
    text = SCRIPT.replace("HOSTS", hosts).replace("PORT", str(nodes[0].port)).replace("APPID", APPID).replace("CALLS", str(calls // len(nodes)))
    script = world.place / "calls.lua"
    script.write_text(text)
    command = ["wrk", f"-t{len(nodes)}", f"-c{AT_ONCE}", "-d600s", "--timeout", "30s", "-s", script, nodes[0].url + USERS]
    wrk = spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # It waits for its time to be over, though its threads have ended.
    for _ in nodes:
        if wrk.stderr.readline() != "enough\n":
            break
    wrk.send_signal(signal.SIGINT)
    told, wrong = wrk.communicate(timeout=60)
    line = next((line for line in told.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise RuntimeError(f"wrk: {told[-500:]} {wrong[-500:]}")
    _, ok, failed, _, p50, p99, *said = line.split(" ", 6)
    return int(ok), int(failed), int(p50) / 1000, int(p99) / 1000, "".join(said)


async def list_addresses(world: World, addresses: list[str]):
    await world.control("apps", {"appid": APPID, "secret": SECRET, "kind": "official", "ip_allow": addresses})


async def handover(world: World, calls: int) -> int:
    if not shutil.which("wrk"):
        print("left out: handover: no wrk here (Debian: wrk)")
        return 0
    await world.start(relays=False, timeout="10s", advertise=True)
    listed, *others = world.nodes
    await list_addresses(world, [listed.host])
    # Until each knows who can make its calls.
    for node in world.nodes:
        await until_it_works(node)
    code = 0
    for latency in (0, LATENCY_MS):
        if latency:
            await world.control("fault", {"path": USERS, "delay_ms": latency, "times": 0})
        # Connections are made first.
        for nodes in ([listed], others):
            await asyncio.to_thread(measure, world, nodes, 1000)
        direct = await asyncio.to_thread(measure, world, [listed], calls)
        by = await asyncio.to_thread(measure, world, others, calls)
        added = by[2] - direct[2]
        print(f"WeChat answers {f'after {latency} ms' if latency else 'at once'}, {AT_ONCE} calls at a time:")
        for name, (ok, failed, p50, p99, said) in (("at A, which is listed", direct), ("at B and C, by A", by)):
            print(f"  {name}: {ok} answered, {failed} failed {said}; p50 {p50:.2f} ms, p99 {p99:.2f} ms")
            code |= int(failed > 0 or ok < calls - len(others))
        print(f"  added to p50: {added:.2f} ms", flush=True)
        code |= int(bool(latency) and added >= MOST_ADDED_MS)
    return await emptied(world) or code


async def until_it_works(node, seconds: float = 30):
    end = time.time() + seconds
    while True:
        answer = json.loads((await users(node, APPID))[1])
        if "total" in answer:
            return
        if time.time() > end:
            raise RuntimeError(f"{node.name}: {answer}")
        await asyncio.sleep(0.2)


async def emptied(world: World) -> int:
    """No node is listed any more: how soon health and log say so, with the address and where it has to be added."""
    lengths = [len(node.log()) for node in world.nodes]
    await list_addresses(world, ["203.0.113.1"])
    began, code = time.time(), 0

    async def call(node):
        while time.time() - began < 30:
            try:
                await users(node, APPID)
            except CUT:
                pass
            await asyncio.sleep(0.1)

    async def told(node):
        """When health names app and address, without another node that makes its calls, and what it says there."""
        while time.time() - began < 30:
            health = json.loads((await get(node.admin_url + "/readyz"))[1])
            for app in health["checks"]["apps"]:
                if (app["appid"], app["ip"]) == (APPID, node.host) and "另一个节点" not in app["fix"]:
                    return time.time() - began, app
            await asyncio.sleep(0.02)
        return None, health

    async def logged(node, length: int):
        while time.time() - began < 30:
            lines = node.log()[length:].splitlines()
            for line in lines:
                if APPID in line and node.host in line:
                    return time.time() - began, line
            await asyncio.sleep(0.02)
        return None, ""

    calling = [asyncio.create_task(call(node)) for node in world.nodes]
    both = await asyncio.gather(*(told(node) for node in world.nodes), *(logged(node, length) for node, length in zip(world.nodes, lengths)))
    for task in calling:
        task.cancel()
    for node, (seconds, app), (logged_after, line) in zip(world.nodes, both[:3], both[3:]):
        print(f"the list is emptied; {node.name}: health says so after {shown(seconds)}: {json.dumps(app, ensure_ascii=False)}")
        print(f"  its log after {shown(logged_after)}: {line}")
        # Those that weren't listed before have said where already.
        where = [line for line in node.log().splitlines() if APPID in line and node.host in line and "API IP白名单" in line]
        print(f"  where it has to be added: {where[-1] if where else 'NOT SAID'}")
        code |= int(seconds is None or seconds > TOLD_WITHIN or logged_after is None or not where)
    return code


def shown(seconds: float | None) -> str:
    return "more than 30 s" if seconds is None else f"{seconds:.2f} s"
