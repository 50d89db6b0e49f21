"""What /proc and the cgroups say of a server: processes, memory, descriptors, mounts."""

import os
import time
from pathlib import Path


def read(path):
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def children():
    """Pid → its children's pids, of all processes."""
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        fields = read(f"/proc/{name}/stat").rpartition(")")[2].split()
        if fields:
            table.setdefault(int(fields[1]), []).append(int(name))
    return table


def descendants(pid):
    table, found, todo = children(), [], [pid]
    while todo:
        below = table.get(todo.pop(), [])
        found += below
        todo += below
    return found


def cpu_seconds(pid):
    """Of a process, of those below it that live, and of all that they have waited for; in ticks of the kernel's."""
    ticks = 0
    for one in [pid, *descendants(pid)]:
        fields = read(f"/proc/{one}/stat").rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def status_number(pid, field):
    """A number of /proc/PID/status; kB become bytes; 0 when it is gone."""
    for line in read(f"/proc/{pid}/status").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            words = value.split()
            return int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
    return 0


def pss_bytes(pid):
    """Its share of memory: what it shares with n others counts one nth."""
    for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def is_init(pid):
    """PID 1 of a pid namespace below this one."""
    for line in read(f"/proc/{pid}/status").splitlines():
        if line.startswith("NSpid:"):
            numbers = line.split()[1:]
            return len(numbers) > 1 and numbers[-1] == "1"
    return False


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def mounts():
    return len(read("/proc/self/mountinfo").splitlines())


def cgroups(pid):
    """Those that the server with this main process made, by the name that it gives them."""
    return sum(f"kiln-{pid}-" in path for path, _, _ in os.walk("/sys/fs/cgroup"))


def idle_share(seconds):
    """The share of all processors' time in which nobody wanted them."""
    def look():
        numbers = [int(word) for word in read("/proc/stat").splitlines()[0].split()[1:9]]
        return numbers[3] + numbers[4], sum(numbers)

    idle, total = look()
    time.sleep(seconds)
    idle_later, total_later = look()
    return (idle_later - idle) / max(1, total_later - total)


def memory():
    """/proc/meminfo in bytes."""
    table = {}
    for line in read("/proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        table[name] = int(value.split()[0]) * 1024
    return table


def kernel_memory():
    """What the kernel itself holds for processes, mounts and cgroups, in bytes by kind."""
    table = memory()
    return {name: table.get(name, 0) for name in ("Slab", "KernelStack", "PageTables", "Percpu")}


def kernel_bytes():
    """The part of it that no pressure would give back: caches grow with whatever else the machine does."""
    table = memory()
    return sum(table.get(name, 0) for name in ("SUnreclaim", "KernelStack", "PageTables", "Percpu"))


def memory_cgroups():
    """Control groups of memory that the kernel still knows, also those whose folder is gone but which something holds."""
    for line in read("/proc/cgroups").splitlines():
        words = line.split()
        if words[0] == "memory":
            return int(words[2])
    return 0
