"""A network of our own: each node in a namespace with two links, one to callers, WeChat and backends, one to the database.

Nothing of it has a name outside: this process moves into a namespace of its own, which ends with it, and so do those of
the nodes, each of which is held by a process that the kernel kills when we end.
"""

import ctypes
import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

CLONE_NEWNET, PR_SET_PDEATHSIG, PIDFD_GETFD = 0x40000000, 1, 438
LIBC = ctypes.CDLL(None, use_errno=True)
# A queue of connections that are about to be accepted is cut to this.
BACKLOG = 65535


def spawn(command, **more) -> subprocess.Popen:
    """A process that doesn't outlive us."""
    return subprocess.Popen([str(word) for word in command], preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), **more)


def run(*command, check=True):
    return subprocess.run(list(map(str, command)), check=check, stdout=subprocess.DEVNULL, stderr=None if check else subprocess.DEVNULL)


def deepen(process: subprocess.Popen, port: int):
    """Makes room for more connections that wait to be accepted there; without leave to do so there are as many as before."""
    try:
        lines = [line.split() for line in pathlib.Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]]
        inode = next(line[9] for line in lines if line[3] == "0A" and int(line[1].split(":")[1], 16) == port)
        files = pathlib.Path(f"/proc/{process.pid}/fd")
        number = next(int(file.name) for file in files.iterdir() if os.readlink(file) == f"socket:[{inode}]")
        ours = LIBC.syscall(PIDFD_GETFD, os.pidfd_open(process.pid), number, 0)
        if ours >= 0:
            with socket.socket(fileno=ours) as listener:
                listener.listen(BACKLOG)
    except (OSError, StopIteration):
        pass


def faketime() -> str | None:
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") + glob.glob("/usr/lib*/faketime/libfaketimeMT.so.1")
    return found[0] if found else None


class Loopback:
    """All on 127.0.0.1, where a machine allows no more."""

    own = False
    hub = "127.0.0.1"

    def address(self, _: int) -> str:
        return self.hub

    def database(self, _: int) -> str:
        return self.hub

    def inside(self, _: int) -> list[str]:
        return []


class Namespaces:
    """Node n has 10.77.0.(11+n) towards callers, and the database at 10.78.n.1; we are 10.77.0.1."""

    own = True
    hub = "10.77.0.1"

    def __init__(self, count: int = 3):
        if LIBC.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "no namespace for us")
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "callers", "type", "bridge")
        run("ip", "addr", "add", f"{self.hub}/24", "dev", "callers")
        run("ip", "link", "set", "callers", "up")
        pathlib.Path("/proc/sys/net/core/somaxconn").write_text(str(BACKLOG))
        self.holders = [self.node(n) for n in range(count)]

    def node(self, n: int) -> subprocess.Popen:
        holder = spawn(["unshare", "--net", "sleep", "infinity"])
        ours = os.readlink("/proc/self/ns/net")
        end = time.time() + 10
        while os.readlink(f"/proc/{holder.pid}/ns/net") == ours:
            if holder.poll() is not None or time.time() > end:
                raise OSError("no namespace for a node")
            time.sleep(0.01)
        for link in ("callers", "database"):
            run("ip", "link", "add", f"{link}{n}", "type", "veth", "peer", "name", link, "netns", holder.pid)
            run("ip", "link", "set", f"{link}{n}", "up")
        run("ip", "link", "set", f"callers{n}", "master", "callers")
        run("ip", "addr", "add", f"{self.database(n)}/24", "dev", f"database{n}")
        there = ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
        run(*there, "ip", "link", "set", "lo", "up")
        for link, address in (("callers", self.address(n)), ("database", f"10.78.{n}.2")):
            run(*there, "ip", "addr", "add", f"{address}/24", "dev", link)
            run(*there, "ip", "link", "set", link, "up")
        run(*there, "sh", "-c", f"echo {BACKLOG} > /proc/sys/net/core/somaxconn")
        return holder

    def address(self, n: int) -> str:
        return f"10.77.0.{11 + n}"

    def database(self, n: int) -> str:
        return f"10.78.{n}.1"

    def inside(self, n: int) -> list[str]:
        """What a command begins with that is to run there."""
        return ["nsenter", f"--net=/proc/{self.holders[n].pid}/ns/net"]

    def cut(self, n: int, is_cut: bool):
        """Takes the database's end of the link down: what the node sends gets nowhere, and nobody tells it."""
        run("ip", "link", "set", f"database{n}", "down" if is_cut else "up")

    def lose(self, n: int, percent: int):
        """Loses so much of what goes to and from the database; 0: nothing."""
        there = [*self.inside(n), "nft"]
        run(*there, "delete", "table", "inet", "loss", check=False)
        if percent:
            rule = f"numgen random mod 100 < {percent} drop"
            text = (
                f"table inet loss {{ chain i {{ type filter hook input priority 0; iifname database {rule}; }}; "
                f"chain o {{ type filter hook output priority 0; oifname database {rule}; }}; }}"
            )
            run(*there, text)

    def end(self):
        for holder in self.holders:
            holder.kill()


def network():
    """The best that this machine allows, and which kinds of faults that leaves out, each with the reason."""
    missing = {}
    lacking = [tool for tool in ("ip", "unshare", "nsenter") if not shutil.which(tool)]
    if os.getuid() != 0 or lacking:
        why = f"no {' and no '.join(lacking)} here" if lacking else "we aren't root"
        net = Loopback()
    else:
        # Whether it can be done is tried in a process that ends, because there is no way back.
        tried = ["unshare", "--net", "sh", "-c", "ip link add bridge0 type bridge && ip link add link0 type veth peer name link1"]
        why = "" if subprocess.run(tried, capture_output=True).returncode == 0 else "the kernel allows no namespaces with bridges"
        net = Loopback() if why else Namespaces()
    if why:
        missing |= {"loss": why, "handover": why, "a cut by a link that is down (connections stand still instead)": why}
    elif not shutil.which("nft"):
        missing["loss"] = "no nft here (Debian: nftables)"
    else:
        tried = subprocess.run(
            ["nft", "--check", "table inet t { chain c { type filter hook input priority 0; numgen random mod 100 < 9 drop; }; }"],
            capture_output=True,
        )
        if tried.returncode:
            missing["loss"] = "the kernel's nftables can't lose packets at random"
    if faketime() is None:
        missing["clock"] = "no libfaketime here (Debian: libfaketime)"
    return net, missing
