"""Clients that come in crowds, crawl, never read, or vanish."""

import json
import resource
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kilntest import host
from kilntest.http import connect, post_bytes, read_to_end, statuses
from kilntest.requests import MIB, command, shell, text
from kilntest.settings import MAKING_S, seconds


def slow_run(mark, duration=30):
    """Sleeps under a mark by which the host's process list is searched."""
    return shell(f"exec -a {mark} sleep {duration}", limits={"wall_ms": 60000})


def reset(connection):
    """Closes with a RST instead of a FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.fixture(autouse=True)
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    "leave",
    [socket.socket.close, reset, lambda connection: connection.shutdown(socket.SHUT_RDWR)],
    ids=["close", "reset", "shutdown"],
)
def test_a_vanished_client_s_run_is_cancelled(server, unharmed, leave):
    connection = connect(server.port)
    connection.sendall(post_bytes(json.dumps(slow_run("kiln-vanished")).encode()))
    host.wait_until(lambda: host.processes_with("kiln-vanished"), 10, "the run never started")
    leave(connection)
    host.wait_until(lambda: not host.processes_with("kiln-vanished"), 5, "the run of a vanished client goes on")


def test_a_client_that_vanishes_while_it_waits_frees_its_place(servers):
    server = servers(parallel=1, queue=2)
    first = connect(server.port)
    first.sendall(post_bytes(json.dumps(slow_run("kiln-first")).encode()))
    host.wait_until(lambda: host.processes_with("kiln-first"), 10, "the run never started")
    for _ in range(10):
        waiting = connect(server.port)
        waiting.sendall(post_bytes(json.dumps(slow_run("kiln-waiting")).encode()))
        time.sleep(0.1)
        waiting.close()
    time.sleep(0.3)
    with ThreadPoolExecutor(1) as pool:
        last = pool.submit(server.run, shell("echo mine"))
        time.sleep(0.3)
        first.close()
        assert text(last.result(seconds(10))) == "mine\n"
    assert not host.processes_with("kiln-waiting")


def test_five_hundred_clients_that_reset_leave_nothing(server, unharmed):
    body = post_bytes(json.dumps(slow_run("kiln-crowd", 10)).encode())

    def come_and_go(_):
        try:
            connection = connect(server.port)
            connection.sendall(body)
            time.sleep(0.1)
            reset(connection)
        except OSError:
            pass

    with ThreadPoolExecutor(100) as pool:
        list(pool.map(come_and_go, range(500)))
    host.wait_until(lambda: not host.processes_with("kiln-crowd"), 15, "runs of vanished clients go on")
    assert text(server.run(shell("echo free"), timeout=5)) == "free\n"


def test_a_client_that_vanishes_in_its_body_runs_nothing(server, unharmed):
    for cut in (1, 50, 200):
        connection = connect(server.port)
        connection.sendall(post_bytes(json.dumps(slow_run("kiln-half")).encode())[:-cut])
        connection.close()
    time.sleep(0.3)
    assert not host.processes_with("kiln-half")


def test_thousands_of_slow_connections_do_not_keep_others_out(server, unharmed):
    slow = []
    for _ in range(2000):
        try:
            slow.append(connect(server.port, 5))
            slow[-1].send(b"G")
        except OSError:
            break
    try:
        assert len(slow) >= 500
        assert text(server.run(shell("echo through"), timeout=3)) == "through\n"
        assert server.get("/alive", timeout=1).status == 200
    finally:
        for connection in slow:
            connection.close()


def test_clients_that_never_read_hold_no_sandbox(server, unharmed):
    document = command("head", "-c", str(MIB), "/dev/zero", limits={"output_bytes": 2 * MIB})
    deaf = []
    for _ in range(100):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(seconds(20))
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(post_bytes(json.dumps(document).encode()))
        deaf.append(connection)
    try:
        host.wait_until(
            lambda: not server.sandboxed() or text(server.run(shell("echo free"), timeout=60 + len(deaf) * MAKING_S)) == "free\n",
            20,
            "sandboxes are held",
        )
        assert text(server.run(shell("echo others"), timeout=20 + len(deaf) * MAKING_S)) == "others\n"
    finally:
        for connection in deaf:
            connection.close()


# The queue


@pytest.fixture(scope="module")
def small(servers):
    """Two runs at a time, four waiting."""
    return servers(parallel=2, queue=4)


def load(server, clients, script, **more):
    """All answers of that many clients at once, with the seconds each took."""

    def one(number):
        begin = time.monotonic()
        answer = server.post(shell(script.format(number), **more))
        return answer, time.monotonic() - begin

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(one, range(clients)))


def test_overload_is_answered_at_once_with_retry_after(small):
    answers = load(small, 20, "sleep 1; echo {}")
    refused = [(answer, took) for answer, took in answers if answer.status == 503]
    assert {answer.status for answer, _ in answers} == {200, 503}
    assert len(answers) - len(refused) == 6
    assert max(took for _, took in refused) < seconds(1)
    assert all(int(answer.headers["retry-after"]) >= 1 for answer, _ in refused)
    assert all(answer.error() for answer, _ in refused)


def test_accepted_runs_are_right_under_overload(small):
    answers = load(small, 30, "sleep 0.2; echo number {}")
    accepted = [(number, answer) for number, (answer, _) in enumerate(answers) if answer.status == 200]
    assert accepted
    assert [text(answer.json()) for _, answer in accepted] == [f"number {number}\n" for number, _ in accepted]


def test_probes_answer_during_overload_and_memory_stays(small):
    host.wait_until(lambda: small.post(command("true")).status == 200, 10, "the queue never empties")
    before = sum(map(host.memory_bytes, small.own_processes()))
    end = time.monotonic() + 6 + 20 * MAKING_S
    outcomes = []

    def hammer(_):
        while time.monotonic() < end:
            outcomes.append(small.post(shell("echo x; sleep 0.1")).status)

    threads = [threading.Thread(target=hammer, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    probes = []
    while time.monotonic() < end:
        begin = time.monotonic()
        assert small.get("/alive", timeout=5).status == 200
        assert small.get("/metrics", timeout=5).status == 200
        probes.append(time.monotonic() - begin)
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {200, 503} and outcomes.count(200) > 20
    assert max(probes) < seconds(2)
    assert sum(map(host.memory_bytes, small.own_processes())) - before < 64 * MIB


def test_waiting_is_said_in_the_timing(small):
    answers = [answer.json() for answer, _ in load(small, 4, "sleep 0.5") if answer.status == 200]
    assert max(answer["timing"]["queue_us"] for answer in answers) > 300_000
    assert all(answer["steps"][0]["wall_ms"] < 1500 for answer in answers)


def test_no_more_than_parallel_runs_run_at_once(small):
    with ThreadPoolExecutor(1) as pool:
        seen = pool.submit(load, small, 6, "exec -a kiln-parallel-{} sleep 0.4")
        highest = 0
        while not seen.done():
            highest = max(highest, len(host.processes_with("kiln-parallel-")))
            time.sleep(0.02)
    assert highest == 2


def test_one_tenant_s_crowd_does_not_keep_another_out(servers):
    server = servers(parallel=1, queue=4, tokens=["token-of-the-crowd", "token-of-the-other"])
    with ThreadPoolExecutor(12) as pool:
        crowd = [pool.submit(server.post, shell("sleep 0.6; echo crowd")) for _ in range(10)]
        time.sleep(0.4)
        body, headers = json.dumps(shell("echo other")), {"Content-Type": "application/json"}
        other = server.request("POST", "/v1/runs", body, {**headers, "Authorization": "Bearer token-of-the-other"})
        assert text(other.json()) == "other\n"
        assert other.json()["timing"]["queue_us"] < 2_000_000 + 2_000_000 * MAKING_S
        assert {answer.result().status for answer in crowd} == {200, 503}


def test_many_at_once_are_all_right(server):
    with ThreadPoolExecutor(50) as pool:
        results = list(pool.map(lambda n: server.run(shell(f"echo {n}; echo e{n} >&2", stdin=str(n))), range(200)))
    assert [text(result) for result in results] == [f"{n}\n" for n in range(200)]
    assert [result["steps"][0]["stderr"] for result in results] == [f"e{n}\n" for n in range(200)]


def test_a_small_body_limit_is_kept(servers):
    server = servers(body_bytes=4096)
    assert server.run(shell("echo fits"))["outcome"] == "ok"
    assert server.post(shell("true", stdin="x" * 5000)).status == 413
    with connect(server.port) as connection:
        connection.sendall(
            b"POST /v1/runs HTTP/1.1\r\nHost: k\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        try:
            connection.sendall((b"400\r\n" + b" " * 1024 + b"\r\n") * 10)
        except OSError:
            pass
        received = read_to_end(connection)
    assert statuses(received) in ([413], []), received[:200]


def test_connections_over_the_limit_do_not_harm_the_others(servers):
    server = servers(connections=20)
    with connect(server.port) as first:
        crowd = [connect(server.port) for _ in range(60)]
        first.sendall(b"GET /alive HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n")
        assert statuses(read_to_end(first)) == [200]
        for connection in crowd:
            connection.close()
    host.wait_until(server.is_ready, 10, "the server does not recover")
