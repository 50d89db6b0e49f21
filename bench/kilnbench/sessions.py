"""What sessions cost: a run in one beside a warm single run, and a thousand that are open and idle."""

import contextlib
import json
import os
import tempfile
import time
import urllib.error
import urllib.request

from kilnbench import proc
from kilnbench.program import Server, Unmeasured, command_request, measure, request_file, subject

MIB = 1 << 20
USER = "lion"
TTL_MS = 3_600_000
# Of sessions that are open for their number's sake: small, so that their totals fit under any quota.
SMALL = {"memory_bytes": 64 * MIB, "disk_bytes": 4 * MIB, "processes": 16}
SETTINGS = {"sessions": 4096, "sessions_memory_bytes": "4TiB"}


@contextlib.contextmanager
def fresh_server(**settings):
    """With a state of its own: what was open in another would be opened again."""
    with tempfile.TemporaryDirectory(prefix="kiln-bench-") as state:
        os.chmod(state, 0o711)  # the front has a user of its own
        with Server(state=state, **settings) as server:
            yield server


def ask(server, path, document):
    request = urllib.request.Request(server.url + path, json.dumps(document).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.loads(answer.read())


def session_open(server, user=USER, **fields):
    """Its path, below which runs are asked for."""
    try:
        made = ask(server, "/v1/sessions", {"image": "host", "ttl_ms": TTL_MS, **fields})
    except urllib.error.HTTPError as error:
        raise Unmeasured(f"no session: {error.read().decode()[:200]}") from None
    path = f"/v1/sessions/{made['id']}"
    if user:
        ask(server, path + "/users", {"name": user})
    return path


def run_document():
    return {"user": USER, "command": ["/bin/true"], "collect": "none"}


def beside_single(singles):
    """A run in a session and a single run of the same program, in turns on one server."""
    with fresh_server() as server, request_file(command_request("/bin/true")) as single, \
            request_file(run_document()) as inside:
        path = session_open(server)
        return measure("--connections", 0, "--no-bare", "--url", server.url, "--request", single, *singles,
                       "--post", f"session={inside}={server.url}{path}/runs", "--expect", '"outcome":"ok"')


def processor_time(runs, blocks=8, rest_s=0.002):
    """Microseconds of processor time that the server and its sandboxes take for a single run and for one in a session, by
    turns of so many runs of each."""
    spent = {"kiln": 0.0, "session": 0.0}
    with fresh_server() as server:
        paths = {"kiln": "/v1/runs", "session": session_open(server) + "/runs"}
        documents = {"kiln": command_request("/bin/true"), "session": run_document()}
        for block in range(blocks + 1):
            for name, path in paths.items():
                before = proc.cpu_seconds(server.pid)
                for _ in range(runs):
                    ask(server, path, documents[name])
                    time.sleep(rest_s)
                time.sleep(0.3)  # the last sandbox goes, and the next is made
                if block:  # the first is for warming up
                    spent[name] += proc.cpu_seconds(server.pid) - before
    return {name: seconds * 1e6 / (runs * blocks) for name, seconds in spent.items()}


@contextlib.contextmanager
def crowded(count):
    """A server with so many open sessions, in one of which the user is; that one's path; and what the others took."""
    with fresh_server(**SETTINGS) as server:
        path = session_open(server)
        time.sleep(1)
        before = weigh(server)
        begun = time.monotonic()
        for _ in range(count - 1):
            session_open(server, None, limits=SMALL)
        took_s = time.monotonic() - begun
        time.sleep(1)
        after = weigh(server)
        each = {name: (after[name] - before[name]) / max(1, count - 1) for name in after}
        yield server, path, {"each_bytes": each, "open_ms": took_s * 1000 / max(1, count - 1)}


def weigh(server):
    """The kernel's own memory, what the server's processes have, and what is in files in memory."""
    own = [server.pid, *proc.descendants(server.pid)]
    return {**proc.kernel_memory(), "processes": sum(map(proc.pss_bytes, own)), "files": proc.memory().get("Shmem", 0)}


def flat(count, singles):
    """The same run with one session open and with so many, in turns on two servers: the report and the cost of a session."""
    with fresh_server(**SETTINGS) as one, crowded(count) as (many, path, cost), request_file(run_document()) as inside, \
            request_file(command_request("/bin/true")) as idle:
        few = session_open(one)
        report = measure("--connections", 0, "--no-bare", "--url", one.url, "--request", idle, *singles,
                         "--post", f"one={inside}={one.url}{few}/runs", "--expect", '"outcome":"ok"',
                         "--post", f"many={inside}={many.url}{path}/runs", "--expect", '"outcome":"ok"')
    return report, cost


def ratio(report, name, to, percentile="p50"):
    return subject(report, name)[percentile + "_us"] / subject(report, to)[percentile + "_us"]
