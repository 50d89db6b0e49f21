"""Hostile programs, submitted through the API: what they try must fail, and kiln must say what happened."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import battery
import pytest

from kilntest import host
from kilntest.requests import command
from kilntest.settings import CANARY

# As many attacks at one time; the server's default is two runs for each processor.
AT_ONCE = 4


@pytest.fixture(scope="module")
def canary_port():
    """A listener on the host's loopback that gives a secret to whoever connects."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
                with peer:
                    peer.sendall(CANARY.encode() + b"\n")
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


class Concurrent(threading.Thread):
    def __init__(self, server, request, timeout):
        super().__init__(daemon=True)
        self.answer = None
        self.post = lambda: server.post(request, timeout)
        self.start()

    def run(self):
        self.answer = self.post()


def run_programs(server, expect, words):
    """Submits the programs of an attack one after the other or at the same time; returns what was seen of each."""
    main = {"c": "main.c", "python": "main.py", "bash": "main.sh"}[expect["language"]]
    steps = expect.get("steps", {"mode": "sequence", "order": [main]})
    requests = [battery.request_of(expect, program, words) for program in steps["order"]]
    timeout = expect["limits"]["wall_ms"] / 1000 + 30
    if steps["mode"] == "sequence":
        return [battery.Seen(expect, server.post(request, timeout)) for request in requests]
    running = []
    for request in requests:
        running.append(Concurrent(server, request, timeout))
        time.sleep(steps["gap_ms"] / 1000)
    for one in running:
        one.join(timeout)
        assert one.answer is not None, "no answer"
    return [battery.Seen(expect, one.answer) for one in running]


def attack(server, expect, words):
    """Runs an attack once and returns what was wrong afterwards."""
    watch = battery.HostWatch()
    try:
        runs = run_programs(server, expect, words)
    finally:
        watch.end()
    begun = time.monotonic()
    assert server.run(command("echo", "right"))["steps"][0]["stdout"] == "right\n"
    after = battery.Aftermath(runs, watch, (time.monotonic() - begun) * 1000, words)
    wrong = [f"{condition}; {runs[-1]}" for condition in battery.broken_conditions(expect, after)]
    wrong += [f"answered after {run.wall_ms} ms" for run in runs if battery.answered_late(expect, run)]
    wrong += ["the secret came out" for run in runs if CANARY.encode() in run.everything()]
    left = host.processes_with(words.nonce)
    return wrong + ([f"processes are left: {left}"] if left else [])


EXPECTED = {name: battery.load(name) for name in battery.names()}
QUIET = [name for name in EXPECTED if battery.needs_quiet(EXPECTED[name])]
TOGETHER = [name for name in EXPECTED if name not in QUIET]


@pytest.fixture(scope="module")
def together(request, server, canary_file, canary_port):
    """What was wrong with each attack that may run beside others, as futures: some at a time, as a real server has them."""
    chosen = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            name: pool.submit(attack, server, EXPECTED[name], battery.Words(canary_file, canary_port))
            for name in TOGETHER
            if name in chosen
        }


@pytest.mark.parametrize("name", TOGETHER + QUIET)
def test_holds_against(name, together, server, enforced, canary_file, canary_port):
    if "enforces" in EXPECTED[name]:
        enforced(EXPECTED[name]["enforces"], hostile=True)
    if name in together:
        wrong = together[name].result()
    else:
        wait(together.values())
        wrong = attack(server, EXPECTED[name], battery.Words(canary_file, canary_port))
    if wrong:
        # Once more: memory, processes and time of the whole host are looked at, and others may have moved them.
        wait(together.values())
        wrong = attack(server, EXPECTED[name], battery.Words(canary_file, canary_port))
    assert not wrong, "\n".join(wrong)
