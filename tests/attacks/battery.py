"""One attack: what is submitted, what the host looks like meanwhile, and what must be true afterwards.

An attack is a folder of programs/ with the hostile program (main.c, main.py or main.sh, sometimes a second one) and
expect.json. README.md beside this file says what stands in there.
"""

import ctypes
import json
import os
import random
import re
import string
import threading
import time
from pathlib import Path

from kilntest import host
from kilntest.requests import MIB, binary, file_bytes, output
from kilntest.settings import ENGINE, SLOW, runs_as_root

PROGRAMS = Path(__file__).parent / "programs"
COMPILER = ["gcc", "-std=gnu11", "-O1", "-w", "-pthread", "-o", "main", "main.c"]
INTERPRETERS = {".py": "python3", ".sh": "bash"}

# API.md's names of an attack's limits.
LIMITS = {
    "wall_ms": "wall_ms",
    "cpu_ms": "cpu_ms",
    "memory_bytes": "memory_bytes",
    "pids": "processes",
    "stdout_bytes": "output_bytes",
    "file_bytes": "file_bytes",
    "scratch_bytes": "disk_bytes",
}

# What expect.json calls the outcomes of API.md.
OUTCOMES = {
    "ok": "exited",
    "failed": "exited",
    "disk_exceeded": "exited",
    "processes_exceeded": "exited",
    "signaled": "signaled",
    "wall_time_exceeded": "timeout",
    "cpu_time_exceeded": "timeout",
    "memory_exceeded": "memory",
    "output_exceeded": "output",
    "compile_failed": "compile_error",
}

# Added to every bound on time: this machine may be slow or busy.
SLACK_MS = int(1000 * SLOW)
# After its limit a run's answer may take this much longer, compiling not counted.
GRACE_MS = int(4000 * SLOW)


def load(name):
    return json.loads((PROGRAMS / name / "expect.json").read_text())


def names():
    return sorted(path.parent.name for path in PROGRAMS.glob("*/expect.json"))


class Words:
    """What stands for @WORD@ in sources and conditions: new for every attempt."""

    def __init__(self, canary_file, canary_port):
        self.nonce = "".join(random.choices(string.ascii_lowercase, k=12))
        self.table = {"@NONCE@": self.nonce, "@CANARY_FILE@": str(canary_file), "@CANARY_PORT@": str(canary_port)}

    def fill(self, text):
        for word, value in self.table.items():
            text = text.replace(word, value)
        return text


def stdin_bytes(expect):
    """ "@BIG:n@" stands for n bytes of lines."""
    text = expect.get("stdin", "")
    big = re.fullmatch(r"@BIG:(\d+)@", text)
    if big:
        size = int(big[1])
        return (b"stdin line\n" * (size // 11 + 1))[:size]
    return text.encode()


def patient(name, value):
    """A limit of time as a slow machine needs it, up to the ceiling of the tests' server; others as they are."""
    return min(int(value * SLOW), 120_000) if name in ("wall_ms", "cpu_ms") else value


def request_of(expect, program, words):
    """The run request that submits one program of an attack."""
    path = PROGRAMS / expect["name"] / program
    limits = {"cpu_ms": 10_000, **{LIMITS[name]: value for name, value in expect["limits"].items()}}
    limits = {name: patient(name, value) for name, value in limits.items()}
    source_name = "main" + path.suffix
    run = {"name": "run", "limits": limits, "stdin": binary(stdin_bytes(expect))}
    sources = {source_name: path}
    if path.suffix == ".c":
        sources["attack.h"] = PROGRAMS / "attack.h"
        roomy = dict(limits, file_bytes=64 * MIB)
        roomy["disk_bytes"] = max(limits["disk_bytes"], 128 * MIB)
        if expect["stage"] != "compile":  # else compiling is the attack, and its limits are what must hold
            # Under gVisor a container's control group is as large as the first step may be.
            roomy["memory_bytes"] = max(limits["memory_bytes"], (512 if ENGINE != "gvisor" else 128) * MIB)
            roomy["wall_ms"] = roomy["cpu_ms"] = patient("wall_ms", 20000)
        steps = [{"name": "compile", "command": COMPILER, "limits": roomy}, dict(run, command=["./main"])]
    else:
        steps = [dict(run, command=[INTERPRETERS[path.suffix], source_name])]
    return {
        "image": "host",
        "steps": steps,
        "collect": "all",
        "network": "loopback" if expect.get("net") == "lo" else "none",
        "files": {name: binary(words.fill(source.read_text()).encode()) for name, source in sources.items()},
    }


def without_accepted(expect, stdout):
    """Output without the channels that SECURITY.md names as open (`accepted`: regular expressions, as root and rootless)."""
    pattern = expect.get("accepted", {}).get("root" if runs_as_root() else "rootless")
    if not pattern:
        return stdout
    pattern = pattern.encode()
    return b"".join(line for line in stdout.splitlines(keepends=True) if not re.match(pattern, line))


class Seen:
    """The answer to one run as the conditions look at it."""

    def __init__(self, expect, answer):
        assert answer.status == 200, answer
        self.size = len(answer.body)
        self.result = answer.json()
        self.last = self.result["steps"][-1]
        assert self.result["outcome"] in OUTCOMES, self.result
        self.outcome = OUTCOMES[self.result["outcome"]]
        self.exit_code = self.last["exit_code"]
        self.wall_ms = self.last["wall_ms"]
        self.stdout = without_accepted(expect, output(self.result, "stdout"))
        changes = self.result["files"]
        self.files = {
            name: file_bytes(entry) for kind in ("created", "changed") for name, entry in changes.get(kind, {}).items()
        }

    def __str__(self):
        limit = (self.last["limit"] or {}).get("name")
        stderr = output(self.result, "stderr")[-300:]
        return f"step {self.last['name']} {self.last['outcome']} {limit}; stdout {self.stdout[-600:]!r}; stderr {stderr!r}"

    def everything(self):
        return b"\n".join([self.stdout, output(self.result, "stderr"), *self.files.values()])


def needs_quiet(expect):
    """Whether an attack must be alone: its conditions look at the host, at time, or at what two runs do to each other."""
    looks = ("host_", "finishes_", "next_run_")
    timed = any(condition["type"].startswith(looks) for condition in expect["safe_if"]["all"])
    return expect.get("alone", timed or "steps" in expect)


def memory_available():
    text = Path("/proc/meminfo").read_text()
    return int(re.search(r"MemAvailable:\s+(\d+)", text)[1]) * 1024


def disk_available():
    stat = os.statvfs("/")
    return stat.f_bavail * stat.f_frsize


def system_v_objects():
    """The key and id of every shared memory, queue and semaphore set of the host."""
    tables = [Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:] for kind in ("shm", "msg", "sem")]
    return {(kind, *line.split()[:2]) for kind, lines in enumerate(tables) for line in lines}


def can_watch_files():
    """Whether this user of the host still gets inotify instances: they are counted for the creator of a user namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptors = [libc.inotify_init1(os.O_CLOEXEC) for _ in range(8)]
    for descriptor in descriptors:
        if descriptor >= 0:
            os.close(descriptor)
    return min(descriptors) >= 0


def process_count():
    return sum(name.isdigit() for name in os.listdir("/proc"))


class HostWatch(threading.Thread):
    """Samples the host while an attack runs."""

    def __init__(self):
        super().__init__(daemon=True)
        self.begun = time.time()
        self.over = threading.Event()
        self.memory = self.memory_least = memory_available()
        self.disk = self.disk_least = disk_available()
        self.processes = self.processes_most = process_count()
        self.objects = system_v_objects()
        self.files_watchable = True
        self.start()

    def run(self):
        while not self.over.wait(0.02):
            self.memory_least = min(self.memory_least, memory_available())
            self.disk_least = min(self.disk_least, disk_available())
            self.processes_most = max(self.processes_most, process_count())
            self.files_watchable = self.files_watchable and can_watch_files()

    def end(self):
        self.over.set()
        self.join()


class Aftermath:
    """All that a condition may look at."""

    def __init__(self, runs, watch, next_run_ms, words):
        self.runs = runs
        self.watch = watch
        self.next_run_ms = next_run_ms
        self.words = words


def numbers_in(condition, run):
    return [int(found) for found in re.findall(condition["regex"], run.stdout.decode("utf-8", "replace"))]


def check_no_copy_of_host_file(condition, run, after):
    original = Path(condition["path"]).read_bytes()
    return not any(len(data) > 40 and data[:400] == original[:400] for data in run.files.values())


def check_process_absent(condition, run, after):
    time.sleep(condition.get("after_ms", 500) / 1000)
    return not host.processes_with(condition["value"])


def check_no_new_files(condition, run, after):
    folders = ("/", "/tmp", "/var/crash", "/var/lib/systemd/coredump", "/root")
    paths = [path for folder in folders for path in Path(folder).glob("*") if re.search(condition["value"], str(path))]
    return not [path for path in paths if path.stat().st_mtime > after.watch.begun]


# Each takes the condition, the run that it is about, and the aftermath; true is safe.
CONDITIONS = {
    "stdout_contains": lambda c, run, after: c["value"].encode() in run.stdout,
    "stdout_not_contains": lambda c, run, after: c["value"].encode() not in run.stdout,
    "output_not_contains": lambda c, run, after: c["value"].encode() not in run.everything(),
    "stdout_number_at_most": lambda c, run, after: max(numbers_in(c, run), default=0) <= c["value"],
    "stdout_number_at_least": lambda c, run, after: max(numbers_in(c, run), default=-1) >= c["value"],
    "stdout_bytes_at_most": lambda c, run, after: len(run.stdout) <= c["value"],
    "stdout_bytes_at_least": lambda c, run, after: len(run.stdout) >= c["value"],
    "response_bytes_at_most": lambda c, run, after: run.size <= c["value"],
    "response_is_valid_json": lambda c, run, after: True,  # or there would be no Seen
    "finishes_within_ms": lambda c, run, after: run.wall_ms <= c["value"] * SLOW + SLACK_MS,
    "outcome_in": lambda c, run, after: run.outcome in c["value"],
    "exit_code_is": lambda c, run, after: run.exit_code == c["value"],
    "files_not_contain": lambda c, run, after: not any(c["value"].encode() in data for data in run.files.values()),
    "files_not_contain_host_file": check_no_copy_of_host_file,
    "files_count_at_most": lambda c, run, after: len(run.files) <= c["value"],
    "files_names_not_match": lambda c, run, after: not any(re.search(c["value"], name) for name in run.files),
    "next_run_within_ms": lambda c, run, after: after.next_run_ms <= c["value"] * SLOW + SLACK_MS,
    "host_process_absent": check_process_absent,
    "host_process_count_delta_at_most": lambda c, run, after: process_count() - after.watch.processes <= c["value"],
    "host_process_peak_delta_at_most":
        lambda c, run, after: after.watch.processes_most - after.watch.processes <= c["value"],
    "host_mem_drop_at_most": lambda c, run, after: after.watch.memory - after.watch.memory_least <= c["value"],
    "host_disk_drop_at_most": lambda c, run, after: after.watch.disk - after.watch.disk_least <= c["value"],
    "host_no_new_files_match": check_no_new_files,
    "host_can_watch_files": lambda c, run, after: after.watch.files_watchable,
    "host_ipc_unchanged": lambda c, run, after: system_v_objects() <= after.watch.objects,
}


def broken_conditions(expect, after):
    """The conditions of expect.json that do not hold."""
    for condition in expect["safe_if"]["all"]:
        filled = dict(condition)
        if isinstance(filled.get("value"), str):
            filled["value"] = after.words.fill(filled["value"])
        if not CONDITIONS[filled["type"]](filled, after.runs[filled.get("step", -1)], after):
            yield filled


def answered_late(expect, run):
    compiling = 6000 if expect["stage"] == "compile" else 0
    return run.wall_ms > (expect["limits"]["wall_ms"] + compiling) * SLOW + GRACE_MS + SLACK_MS
