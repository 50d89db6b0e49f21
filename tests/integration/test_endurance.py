"""Thousands of runs, and nothing grows. KILN_TEST_RUNS=10000 is the full measure."""

import json
import threading

from kilntest.http import connect, post_bytes, read_answer
from kilntest.requests import MIB, command, python, shell
from kilntest.server import settle, snapshot
from kilntest.settings import RUNS, SLOW

# A machine that is emulated shows growth too, in as much time.
WARM_UP = int(300 / SLOW)
IN_A_ROW = int(RUNS / SLOW)
AT_ONCE = int(1000 / SLOW)

# Slack over the state after the warm-up: memory of allocators that settle late; all else must be as it was, but for
# the warm sandboxes that happen to be made at the moment of looking.
GROWTH = {"memory": 8 * MIB, "descriptors": 12, "threads": 0, "processes": 2, "mounts": 0, "cgroups": 12}


class Client:
    """A kept connection that runs one document after the other."""

    def __init__(self, server):
        self.connection = connect(server.port, 60)
        self.reader = self.connection.makefile("rb")

    def run(self, document):
        self.connection.sendall(post_bytes(json.dumps(document).encode()))
        answer = read_answer(self.reader)
        assert answer.status == 200, answer
        return answer.json()

    def close(self):
        self.reader.close()
        self.connection.close()


def run_many(server, count, clients, document):
    """`count` runs over `clients` connections, every one of them right; the number of those that were not."""
    wrong, left, lock = [], [count], threading.Lock()

    def work():
        client = Client(server)
        while True:
            with lock:
                if not left[0]:
                    break
                left[0] -= 1
                number = left[0]
            result = client.run(document(number))
            if result["outcome"] != "ok" or result["steps"][0]["stdout"] != f"{number}\n":
                wrong.append(result)
        client.close()

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert left[0] == 0 and wrong == [], wrong[:3]


def echo(number):
    return command("echo", str(number))


def test_thousands_of_runs_in_a_row_grow_nothing(mortal):
    server = mortal().start()
    run_many(server, WARM_UP, 1, echo)
    before = snapshot(server)
    run_many(server, IN_A_ROW, 1, echo)
    settle(server, before, GROWTH)
    server.stop()


def test_a_thousand_runs_with_fifty_at_once_grow_nothing(mortal):
    server = mortal().start()
    run_many(server, WARM_UP, 50, echo)
    before = snapshot(server)
    run_many(server, AT_ONCE, 50, echo)
    settle(server, before, GROWTH)
    server.stop()


def test_runs_that_end_badly_grow_nothing(mortal):
    server = mortal().start()
    documents = [
        shell("exit 1"),
        shell("kill -9 $$"),
        shell("sleep 9", limits={"wall_ms": 50}),
        shell("yes", limits={"output_bytes": 1000}),
        shell("sleep 9 & setsid sleep 9 & exit 0"),
        shell("head -c 9M /dev/zero > f", limits={"disk_bytes": MIB}, collect="all"),
        python("b = bytearray(400_000_000)", limits={"memory_bytes": 48 * MIB}),
        shell("for i in {1..50}; do echo $i > f$i; done", collect="all"),
        {
            "image": "host",
            "steps": [
                {"name": "a", "command": ["bash", "-c", "echo > f"], "keep": ["f"]},
                {"name": "b", "command": ["ls"], "image": "host"},
            ],
        },
        {"image": "nosuch", "steps": [{"name": "r", "command": ["true"]}]},
        {"nosuch": 1},
    ]

    def round_():
        for document in documents:
            assert server.post(document).status in (200, 400, 404)

    for _ in range(4):
        round_()
    before = snapshot(server)
    for _ in range(15):
        round_()
    settle(server, before, GROWTH)
    server.stop()


def test_large_requests_and_answers_are_given_back(mortal):
    server = mortal().start()
    document = command("cat", stdin="x" * (8 * MIB), limits={"output_bytes": 16 * MIB})
    server.run(document)
    before = snapshot(server)
    for _ in range(15):
        server.run(document)
    settle(server, before, {**GROWTH, "memory": 32 * MIB})
    server.stop()
