"""Room on a machine that others use, too: a control group of our own that gets nearly all of the processors' time when it wants it.

Niceness is not enough: it counts within a group only, and every sandbox is a group. For root and version 1 of cgroups, whose groups may hold
processes beside groups of their own; peers that were started elsewhere are not in it.
"""

import contextlib
import os
from pathlib import Path

from kilnbench import program
from kilnbench.program import Unmeasured

ROOT = Path("/sys/fs/cgroup")
SHARES = 262144  # the most that there is; a group has 1024 by default


def hierarchies():
    return [path for path in ROOT.iterdir() if (path / "cgroup.procs").exists() and path.name not in ("unified", "systemd")
            and not path.is_symlink()]


@contextlib.contextmanager
def first():
    """This process, all that it starts, and its servers' sandboxes come first until the end."""
    name = f"kiln-bench-{os.getpid()}"
    if os.geteuid() != 0 or not (ROOT / "cpu" / "cpu.shares").exists():
        raise Unmeasured("--first needs root and the cpu controller of version 1 of cgroups")
    made = [path / name for path in hierarchies()]
    for group in made:
        group.mkdir()
        for inherited in ("cpuset.cpus", "cpuset.mems"):
            if (group / inherited).exists():
                (group / inherited).write_text((group.parent / inherited).read_text())
    cpu = ROOT / "cpu"
    home = next((line.rpartition(":")[2] for line in Path("/proc/self/cgroup").read_text().splitlines()
                 if "cpu" in line.split(":")[1].split(",")), "/")
    (cpu / name / "cpu.shares").write_text(str(SHARES))
    (cpu / name / "cgroup.procs").write_text(str(os.getpid()))
    program.parent_group = f"/{name}"
    try:
        yield
    finally:
        program.parent_group = ""
        (cpu / home.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()))
        # Peers made theirs below it in hierarchies that it did not need itself.
        for hierarchy in ROOT.iterdir():
            for path, _, _ in os.walk(hierarchy / name, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
