"""What can be seen of kiln from outside: processes, descriptors, memory, threads, mounts, cgroups."""

import os
import time
from pathlib import Path

from kilntest.settings import seconds

CGROUP_ROOT = Path("/sys/fs/cgroup")


def wait_until(condition, timeout, what):
    """Calls until it is true and returns that value; after `timeout` seconds it fails, saying `what` (or what that gives)."""
    end = time.monotonic() + seconds(timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what() if callable(what) else what} (after {seconds(timeout):.0f} s)")
        time.sleep(0.02)


def status_of(pid):
    """/proc/PID/status as a table, or {} when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def all_statuses():
    return {int(name): status_of(name) for name in os.listdir("/proc") if name.isdigit()}


def is_alive(pid):
    state = status_of(pid).get("State", "Z")
    return not state.startswith(("Z", "X"))


def start_time(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def descendants(pid):
    """The pids below `pid`, whatever namespace they are in."""
    parents = {}
    for child, status in all_statuses().items():
        parents.setdefault(int(status.get("PPid", 0)), []).append(child)
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def children(pid):
    return [child for child, status in all_statuses().items() if status.get("PPid") == str(pid)]


def name_of(pid):
    return status_of(pid).get("Name", "")


def in_nested_namespace(status):
    own = len(status_of("self")["NSpid"].split())
    return len(status.get("NSpid", "").split()) > own


def sandboxed_below(pid):
    """Processes below `pid` that live in a pid namespace of their own: inits and what runs under them."""
    return [child for child in descendants(pid) if in_nested_namespace(status_of(child))]


def contained_below(pid):
    """Processes of containers whose daemon has a pid namespace of its own below `pid`."""
    statuses = {child: status_of(child) for child in descendants(pid)}
    own = len(status_of("self")["NSpid"].split())
    return [child for child, status in statuses.items() if len(status.get("NSpid", "").split()) > own + 1]


def processes_with(word):
    """Pids whose command line holds `word`; tests mark their sleepers with one."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            line = Path(f"/proc/{name}/cmdline").read_bytes()
        except OSError:
            continue
        if word.encode() in line:
            found.append(int(name))
    return found


def memory_bytes(pid):
    """Resident memory that is the process's own (RssAnon): pages of the program file come and go with the cache."""
    return int(status_of(pid).get("RssAnon", "0 kB").split()[0]) * 1024


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except (PermissionError, FileNotFoundError):
        return 0


def opened(pid):
    """What its descriptors lead to, as /proc says it: paths, "mnt:[…]", "socket:[…]" …"""
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            yield os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue


def descriptors_to(pid, what):
    """How many of its descriptors are of this kind, by how what they lead to begins."""
    return sum(link.startswith(what) for link in opened(pid))


def threads(pid):
    return int(status_of(pid).get("Threads", "0"))


def mounts(pid="self"):
    try:
        return len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
    except (PermissionError, FileNotFoundError):
        return 0


def cgroups():
    """Every cgroup that has kiln in its name or above it."""
    return {path for path, _, _ in os.walk(CGROUP_ROOT) if "kiln" in path[len(str(CGROUP_ROOT)) :]}


def cgroups_of(pid):
    """Those of the server whose main process is `pid`, by the name that kiln gives them."""
    return {path for path in cgroups() if f"kiln-{pid}-" in path}


def cgroups_with_processes():
    found = set()
    for path in cgroups():
        try:
            if Path(path, "cgroup.procs").read_text().strip():
                found.add(path)
        except OSError:
            continue
    return found


def listening_inodes(port):
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes


def shows_descriptors(pid):
    return os.access(f"/proc/{pid}/fd", os.R_OK)


def holds_socket(pid, inodes):
    wanted = {f"socket:[{inode}]" for inode in inodes}
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{name}") in wanted:
                    return True
            except OSError:
                continue
    except OSError:
        return False
    return False
