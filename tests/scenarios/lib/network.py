"""Two network namespaces with a pair of interfaces between them, made for one test and gone with it.

    net = Wire(stage)                     # us0 in the server's namespace, cl0 in the client's
    us.start(prefix=net.server.prefix)    # a server inside
    with net.client.entered():            # sockets made here are inside
        ...

Nothing that a test sends leaves the machine. Names have this process's number, so that tests may run beside each other.
"""
import contextlib
import ctypes
import itertools
import os
import shutil
import subprocess

V4 = ("10.53.0.1", "10.53.0.2")  # the server's, the client's
V6 = ("fd53::1", "fd53::2")
CLONE_NEWNET = 0x40000000

_numbers = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)


def run(*command, check=True):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr or done.stdout}"
    return done


def _enter(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    def __init__(self, stage, what):
        self.name = f"us-{os.getpid()}-{next(_numbers)}-{what}"
        run("ip", "netns", "add", self.name)
        stage.on_close(lambda: run("ip", "netns", "delete", self.name))
        self.run("ip", "link", "set", "lo", "up")

    @property
    def prefix(self):
        """Put before a command, has it run inside."""
        return ("ip", "netns", "exec", self.name)

    def run(self, *command, check=True):
        return run(*self.prefix, *command, check=check)

    @contextlib.contextmanager
    def entered(self):
        """This thread is inside; sockets stay where they were made."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        inside = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(inside)
            yield
        finally:
            _enter(before)
            os.close(inside)
            os.close(before)


class Wire:
    """A server's and a client's namespace. Checksums are computed and checked in software on both sides."""
    device, client_device = "us0", "cl0"

    def __init__(self, stage, mtu=1500, queues=1):
        self.server, self.client = Namespace(stage, "s"), Namespace(stage, "c")
        many = ("numrxqueues", queues, "numtxqueues", queues)
        self.server.run("ip", "link", "add", self.device, *many, "type", "veth", "peer", self.client_device, *many)
        self.server.run("ip", "link", "set", self.client_device, "netns", self.client.name)
        for side, device, v4, v6 in ((self.server, self.device, V4[0], V6[0]), (self.client, self.client_device, V4[1], V6[1])):
            if queues > 1:
                side.run("ethtool", "-L", device, "rx", str(queues), "tx", str(queues))
            side.run("ethtool", "-K", device, "tx", "off", "rx", "off", check=False)  # rx cannot be turned off everywhere
            side.run("ip", "link", "set", device, "mtu", str(mtu))
            self.add_address(side, device, f"{v4}/24")
            self.add_address(side, device, f"{v6}/64")
        for side, device in ((self.server, self.device), (self.client, self.client_device)):
            side.run("ip", "link", "set", device, "up")

    @staticmethod
    def add_address(side, device, address):
        side.run("ip", "address", "add", address, "dev", device, *(["nodad"] if ":" in address else []))

    def program(self):
        """What the system says of an XDP program on the server's interface; empty: there is none."""
        lines = self.server.run("ip", "-details", "link", "show", self.device).stdout.splitlines()
        return " ".join(line.strip() for line in lines if "prog/xdp" in line)

    def mac(self, side):
        device = self.device if side is self.server else self.client_device
        out = side.run("ip", "-brief", "link", "show", device).stdout.split()
        return bytes.fromhex(out[2].replace(":", ""))


def why_not():
    """Why namespaces cannot be made here, or None."""
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    for program in ("ip", "ethtool", "setpriv"):
        if shutil.which(program) is None:
            return f"there is no program {program}"
    name = f"us-{os.getpid()}-try"
    try:
        run("ip", "netns", "add", name)
        try:
            run("ip", "netns", "exec", name, "ip", "link", "add", "us0", "type", "veth", "peer", "cl0")
        finally:
            run("ip", "netns", "delete", name)
    except AssertionError as error:
        return str(error)
    return None
