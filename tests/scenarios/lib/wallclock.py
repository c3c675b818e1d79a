"""A wall clock that a test sets while servers run; their monotonic clocks stay the machine's.

    wall = WallClock(stage)
    us.start(prefix=wall.prefix)
    wall.set(-86400)

A small library of our own stands between the server and the clock: libfaketime moves timers of the monotonic clocks too.
"""
import os
import struct
import subprocess
import time
from pathlib import Path

SOURCE = Path(__file__).with_name("wall_clock.c")


class WallClock:
    def __init__(self, stage):
        folder = stage.folder("clock")
        library, self.path = os.path.join(folder, "wall_clock.so"), os.path.join(folder, "offset")
        subprocess.run(["clang-19", "-std=c17", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o", library, SOURCE],
                       check=True)
        self.offset = 0
        self.set(0)
        self.prefix = ["env", f"LD_PRELOAD={library}", f"WALL_CLOCK_OFFSET={self.path}"]

    def set(self, offset):
        """To so many seconds after the true time, at once for those that run."""
        self.offset = offset
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb", buffering=0) as f:
            f.write(struct.pack("=q", offset))

    def year(self):
        return time.gmtime(time.time() + self.offset).tm_year
