"""Processes that a test starts, and the stage that ends every one of them.

A Server is one process (with the children it makes) in a session of its own, with its own folder and log. The Stage of
a test owns them all: whatever happens, each is ended by its own process id when the test is over.
"""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time


def wait_until(condition, timeout=10.0, what="the condition", step=0.02):
    """Returns the first true value of `condition()`; fails after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(step)


class Stage:
    """Folder and servers of one test. `close` ends everything, last started first."""

    def __init__(self):
        # Short, because the path of a UNIX socket has at most 107 octets.
        self.root = tempfile.mkdtemp(prefix="us-")
        self.servers = []
        self._cleanups = []

    def folder(self, name):
        path, count = os.path.join(self.root, name), 1
        while os.path.exists(path):
            count += 1
            path = os.path.join(self.root, f"{name}{count}")
        os.makedirs(path)
        return path

    def on_close(self, action):
        self._cleanups.append(action)

    def close(self):
        """Ends all; returns what went wrong on the way, as text for people."""
        problems = []
        for server in reversed(self.servers):
            try:
                problem = server.finish()
            except Exception as error:  # one server must not keep the others alive
                problem = f"{server.name}: {error}"
            if problem:
                problems.append(problem)
        for action in reversed(self._cleanups):
            try:
                action()
            except Exception as error:
                problems.append(str(error))
        return problems

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def logs(self, lines=120):
        """(name, last lines) of every server's log."""
        for server in self.servers:
            text = server.log().splitlines()
            yield f"{server.name} ({server.folder})", "\n".join(text[-lines:])


class Server:
    """One process. A subclass sets `name`, writes its configuration and gives `command()`."""

    name = "server"

    def __init__(self, stage, name=None):
        self.name = name or self.name
        self.stage = stage
        self.folder = stage.folder(self.name)
        self.log_path = os.path.join(self.folder, "log")
        self.process = None
        self._group_alive = False
        stage.servers.append(self)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.replace(path + ".new", path)  # a server that reads just now sees the old or the new, whole
        return path

    def spawn(self, *command, prefix=()):
        """Starts the process. It dies with this one, should this one be killed."""
        assert not self.alive(), f"{self.name} runs already"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *prefix, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, start_new_session=True)
        self._group_alive = True

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def log(self, since=0):
        try:
            with open(self.log_path, "rb") as f:
                f.seek(since)
                return f.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def log_mark(self):
        """A position in the log, for `log` and `wait_log`."""
        return os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0

    def wait_log(self, pattern, timeout=10.0, since=0):
        """The first line since `since` that matches the regular expression."""
        wanted = re.compile(pattern, re.IGNORECASE)

        def find():
            return next((line for line in self.log(since).splitlines() if wanted.search(line)), None)
        return wait_until(find, timeout, f"a line /{pattern}/ in the log of {self.name}")

    def signal(self, number):
        os.kill(self.process.pid, number)

    def stop(self, timeout=20.0):
        """Asks the process to end and returns its exit status; kills it if it does not."""
        if self.process is None:
            return None
        if self.alive():
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {timeout} s of SIGTERM") from None
        finally:
            self._end_children()

    def kill(self):
        """SIGKILL, to the process and to what is left of its own session."""
        if self.process is None:
            return
        self._end_children()
        self.process.kill()
        self.process.wait(10)

    def _end_children(self):
        if not self._group_alive:
            return
        self._group_alive = False  # the number may belong to somebody else from now on
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # the group that spawn() made
        except (ProcessLookupError, PermissionError):
            pass

    def finish(self):
        """Ends the process at the end of a test; returns a complaint or None."""
        if self.alive():
            self.signal(signal.SIGTERM)
            end = time.monotonic() + 5
            while self.alive() and time.monotonic() < end:
                time.sleep(0.01)
        self.kill()
        return None

    def tree(self):
        """Process ids of the process and its descendants."""
        children = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(pid))
        found, queue = [], [self.process.pid]
        while queue:
            found.append(queue.pop())
            queue += children.get(found[-1], [])
        return found

    def memory_mib(self):
        """Resident memory of the process tree."""
        total = 0
        for pid in self.tree():
            try:
                with open(f"/proc/{pid}/status") as f:
                    total += sum(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))
            except OSError:
                pass
        return total / 1024
