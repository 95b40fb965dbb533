"""Three real nodes on a real PostgreSQL, with faults; prints what it measured and ends with 1 if something is lost.

    python3 crates/wxgate/tests/cluster target/demo/wxgate faults [seconds, 600] [only these kinds ...]
    python3 crates/wxgate/tests/cluster target/demo/wxgate failover
    python3 crates/wxgate/tests/cluster target/demo/wxgate rolling [path of the version before]
    python3 crates/wxgate/tests/cluster target/demo/wxgate expiry [callers, 10000]
    python3 crates/wxgate/tests/cluster target/demo/wxgate expiry-faults [callers, 600] [runs of each kind, 5]
    python3 crates/wxgate/tests/cluster target/release/wxgate handover [calls, 10000]

faults: calls, callbacks and deliveries while every 15 s a node is killed, paused, cut off from the database, slowed, loses
packets on the way to it, or gets a clock that is an hour off, or PostgreSQL is killed. failover: the primary is killed and a
standby promoted. rolling: each node is replaced under load. expiry: 50 apps and so many callers at once, when every token has
ended; expiry-faults: and in the middle of it a node is killed, paused or cut off. handover: only one node's address is on the
account's IP list; what its calls cost the other two, and how soon they all say so when it isn't either.

Needs PostgreSQL's binaries (Debian: postgresql). Each node is in a network namespace of its own where we are root; what a
machine lacks for that (iproute2, nftables, libfaketime) is said, with the kinds of faults it leaves out. The databases are
durable, in a folder that is removed afterwards.
"""

import asyncio
import os
import resource
import signal
import sys
import traceback

sys.dont_write_bytecode = True

from expiry import expiry, expiry_faults
from faults import KINDS, failover, faults, rolling
from handover import handover
from net import network
from world import World, binaries


def main() -> int:
    sys.stdout.reconfigure(line_buffering=True)
    if binaries() is None:
        print("skipped: no PostgreSQL here (Debian: postgresql)")
        return 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    binary, what, *more = sys.argv[1:]
    net, missing = network()
    for kind, why in missing.items():
        print(f"left out: {kind}: {why}")
    if what in missing:
        return 0
    world = World(os.path.abspath(binary), net)
    number = [int(word) for word in more if word.isdigit()]
    works = {
        "faults": lambda: faults(world, number[0] if number else 600, [word for word in more if not word.isdigit()] or [kind for kind in KINDS if kind not in missing]),
        "failover": lambda: failover(world),
        "rolling": lambda: rolling(world, os.path.abspath(more[0]) if more else None),
        "expiry": lambda: expiry(world, *(number or [10_000])),
        "expiry-faults": lambda: expiry_faults(world, *(number + [600, 5][len(number):])),
        "handover": lambda: handover(world, *(number or [10_000])),
    }
    code = 1

    async def work():
        nonlocal code
        task = asyncio.current_task()
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # The first ends what is under way, which is reported still; the second one us.
            asyncio.get_running_loop().add_signal_handler(one, lambda one=one: (signal.signal(one, signal.SIG_DFL), task.cancel()))
        try:
            code = await works[what]()
        except BaseException:
            traceback.print_exc()
        finally:
            try:
                world.end()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                # Connections that stand still end with us.
                os._exit(code)

    asyncio.run(work())
    return code


if __name__ == "__main__":
    sys.exit(main())
