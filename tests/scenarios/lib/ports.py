"""Loopback ports that nobody else has: not this process, not a test process beside it, not a client socket.

A port is held by a lock on a file that lives as long as this process, so any number of test processes may run at once.
The range lies below the kernel's range for client sockets.
"""
import fcntl
import os
import socket
import tempfile

FIRST, LAST = 20000, 32000
_held = {}


def _is_free(port):
    """True if UDP and TCP can be bound on both loopback addresses that tests use."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as s:
            if kind == socket.SOCK_STREAM:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def free_port():
    """A port for UDP and TCP on 127.0.0.1 that no later call in any process returns again while this process lives."""
    folder = os.path.join(tempfile.gettempdir(), f"understudy-ports-{os.getuid()}")
    os.makedirs(folder, exist_ok=True)
    span = LAST - FIRST
    start = (os.getpid() * 97 + len(_held)) % span
    for step in range(span):
        port = FIRST + (start + step) % span
        if port in _held:
            continue
        handle = os.open(os.path.join(folder, str(port)), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            continue
        if _is_free(port):
            _held[port] = handle
            return port
        os.close(handle)
    raise RuntimeError(f"no free port between {FIRST} and {LAST}")
