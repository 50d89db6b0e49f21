"""Runs that get a runtime which was booted ahead, beside runs that do not: what can be told of them must be the same."""

import hashlib
import io
import json
import re
import zipfile

from kilntest import host
from kilntest.requests import file_bytes
from kilntest.settings import SLOW

# What differs between two runs of anything: what was measured, and where things lie in memory.
MEASURED = ("wall_ms", "cpu_ms", "memory_peak_bytes", "disk_used_bytes", "processes_peak", "timing", "id", "explanation")
ADDRESS = re.compile(r"0x[0-9a-f]{6,16}")
# The kernel's limit counts from a process's birth: of a runtime that took a second to boot it is a second more.
SECONDS_OF_CPU = re.compile(r"(RLIMIT_CPU|time\(seconds\)|\(seconds, -t\)).*")


def shelf(server, runtime):
    """What the pool holds of a runtime."""
    for one in server.get("/v1/node").json()["pools"]:
        if one["runtime"] == runtime and one["network"] == "none":
            return one
    return {"ready": 0, "taken": 0}


def is_stocked(server, runtime):
    return shelf(server, runtime)["ready"] > 0


def run_hot(server, runtime, document, first, timeout=60):
    """The result of a run that got a booted runtime; `first` is the run that makes the pool boot one."""
    if not is_stocked(server, runtime):
        server.run(first, timeout)
        host.wait_until(lambda: is_stocked(server, runtime), timeout, f"no {runtime} in stock")
    before = shelf(server, runtime)["taken"]
    result = server.run(document, timeout)
    assert shelf(server, runtime)["taken"] > before, "no booted runtime was taken"
    return result


def members(archive):
    """
    The names of a zip and what they hold; of one that is cut off, its bytes. Not the times that they were made at, nor
    their order: scalac's is not always the same when it has compiled before, and nothing that loads classes asks for it.
    """
    if not zipfile.is_zipfile(io.BytesIO(archive)):
        return hashlib.sha256(archive).hexdigest()
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return sorted((one.filename, hashlib.sha256(opened.read(one)).hexdigest()) for one in opened.infolist())


def visible(result):
    """All of a result that a program has a say in."""
    shown = json.loads(json.dumps(result))
    for part in (shown, *shown["steps"]):
        for key in MEASURED:
            part.pop(key, None)
        if part.get("limit"):
            part["limit"].pop("used")
    for step in shown["steps"]:
        for stream in ("stdout", "stderr"):
            step[stream] = ADDRESS.sub("0x…", step[stream])
            if SLOW > 1:
                step[stream] = SECONDS_OF_CPU.sub(r"\1 …", step[stream])
    for name, file in shown.get("files", {}).get("created", {}).items():
        if name.endswith(".jar") and not file["truncated"]:
            file["content"] = members(file_bytes(file))
    return shown


def assert_alike(result, other):
    warm, fresh = visible(result), visible(other)
    for step, its_other in zip(warm["steps"], fresh["steps"], strict=True):
        for stream in ("stdout", "stderr"):
            assert step[stream] == its_other[stream], f"{stream} differs"
    assert warm == fresh
