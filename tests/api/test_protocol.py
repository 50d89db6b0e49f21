"""Raw bytes on the port: HTTP as it is allowed, and abuse of it."""

import json
import select
import socket
import time

import pytest

from kilntest.http import connect, post_bytes, read_answer, read_to_end, statuses
from kilntest.requests import MIB, shell, text
from kilntest.settings import seconds

pytestmark = pytest.mark.usefixtures("unharmed")

RUN = json.dumps(shell("echo ran")).encode()
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: kiln\r\n\r\n"


def exchange(server, data, timeout=25):
    """Sends the bytes and gives all that comes back until the server closes."""
    with connect(server.port, timeout) as connection:
        try:
            connection.sendall(data)
        except ConnectionError:
            pass
        return read_to_end(connection)


def head(*lines, method="POST", path="/v1/runs"):
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", "Host: kiln", "Content-Type: application/json", *lines, "", ""]
    ).encode()


def chunked(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


# What must work


@pytest.mark.parametrize("size", [1, 7, 100, 100000])
def test_a_chunked_body_is_read(server, size):
    pieces = [RUN[i : i + size] for i in range(0, len(RUN), size)]
    received = exchange(server, head("Transfer-Encoding: chunked", "Connection: close") + chunked(*pieces))
    assert statuses(received) == [200] and b"ran\\n" in received


def test_chunk_extensions_and_trailers_are_allowed(server):
    body = b"%x;name=value\r\n%s\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(RUN), RUN)
    received = exchange(server, head("Transfer-Encoding: chunked", "Connection: close") + body)
    assert statuses(received) in ([200], [400])


def test_a_body_that_comes_byte_by_byte_is_read(server):
    with connect(server.port) as connection:
        for byte in post_bytes(RUN, extra=b"Connection: close\r\n"):
            connection.send(bytes([byte]))
        assert statuses(read_to_end(connection)) == [200]


def test_one_connection_carries_many_requests(server):
    with connect(server.port) as connection, connection.makefile("rb") as reader:
        for number in range(20):
            connection.sendall(post_bytes(json.dumps(shell(f"echo {number}")).encode()))
            assert text(read_answer(reader).json()) == f"{number}\n"


def test_pipelined_requests_are_answered_in_order(server):
    bodies = [json.dumps(shell(f"sleep 0.{9 - n}; echo {n}")).encode() for n in range(5)]
    with connect(server.port) as connection, connection.makefile("rb") as reader:
        connection.sendall(b"".join(map(post_bytes, bodies)))
        assert [text(read_answer(reader).json()) for _ in bodies] == [f"{n}\n" for n in range(5)]


def test_pipelined_requests_of_different_kinds_are_answered_in_order(server):
    alive = b"GET /alive HTTP/1.1\r\nHost: kiln\r\n\r\n"
    with connect(server.port) as connection, connection.makefile("rb") as reader:
        connection.sendall(alive + post_bytes(RUN) + alive + post_bytes(b"{") + alive)
        assert [read_answer(reader).status for _ in range(3)] == [200, 200, 200]
        assert read_answer(reader).status == 400


def test_expect_100_continue_is_answered(server):
    with connect(server.port) as connection:
        connection.sendall(head(f"Content-Length: {len(RUN)}", "Expect: 100-continue", "Connection: close"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(RUN)
        assert statuses(read_to_end(connection)) == [200]


def test_http_1_0_is_answered_and_closed(server):
    received = exchange(server, b"GET /alive HTTP/1.0\r\n\r\n")
    assert received.split(b" ")[1] == b"200"


def test_connection_close_is_obeyed(server):
    assert statuses(exchange(server, b"GET /alive HTTP/1.1\r\nHost: kiln\r\nConnection: close\r\n\r\n")) == [200]


# Lengths that lie


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: -1"],
        ["Content-Length: +5"],
        ["Content-Length: 5, 5"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5", "Content-Length: 5"],
        ["Content-Length: 0x10"],
        ["Content-Length: 5 5"],
        ["Content-Length:"],
        ["Content-Length: five"],
        ["Content-Length: 99999999999999999999999"],
        ["Content-Length: 18446744073709551616"],
        ["Content-Length: 1e3"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: identity, chunked, identity"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: \x0bchunked"],
        ["Transfer-Encoding : chunked"],
        ["Content-Length : 5"],
        ["Content_Length: 5", "Content-Length: -5"],
    ],
    ids=" | ".join,
)
def test_a_length_that_is_ambiguous_is_refused_and_the_connection_closed(server, lines):
    received = exchange(server, head(*lines) + b"5\r\nhello\r\n0\r\n\r\n" + SMUGGLED)
    assert len(statuses(received)) <= 1, "a second request was read out of the first one's body"
    assert not statuses(received) or statuses(received)[0] in (400, 411, 413, 501), received[:300]


def test_no_length_at_all_is_refused(server):
    received = exchange(server, head("Connection: close"))
    assert statuses(received) in ([400], [411]), received[:300]


def test_a_length_shorter_than_the_body_takes_only_so_much(server):
    received = exchange(server, head("Content-Length: 5", "Connection: close") + RUN)
    assert statuses(received) == [400] and b"ran\\n" not in received


def test_a_length_longer_than_the_body_runs_nothing(server):
    with connect(server.port) as connection:
        connection.sendall(head(f"Content-Length: {len(RUN) + 10}") + RUN)
        connection.shutdown(socket.SHUT_WR)
        received = read_to_end(connection)
    assert b"ran\\n" not in received and statuses(received) in ([], [400], [408])


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"FFFFFFFFFFFFFFFFF\r\nhello\r\n",
        b"5\r\nhelloX0\r\n\r\n",
        b"\r\n\r\n",
        b"5 5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
    ],
    ids=repr,
)
def test_broken_chunks_are_refused(server, body):
    received = exchange(server, head("Transfer-Encoding: chunked") + body + SMUGGLED)
    assert not statuses(received) or statuses(received)[0] in (400, 413), received[:300]


# Bodies over the limit


@pytest.mark.parametrize("length", [10_000_000_000, 2**63 - 1, 70_000_000])
def test_a_body_over_the_limit_is_refused_from_its_length_alone(server, length):
    with connect(server.port, 5) as connection:
        connection.sendall(head(f"Content-Length: {length}") + b"x")
        received = connection.recv(65536)
        assert statuses(received) == [413], received[:300]
        assert json.loads(received.partition(b"\r\n\r\n")[2] or connection.recv(65536))["error"]["code"]


def test_a_body_over_the_limit_is_refused_before_it_is_asked_for(server):
    with connect(server.port, 5) as connection:
        connection.sendall(head("Content-Length: 10000000000", "Expect: 100-continue"))
        assert statuses(connection.recv(65536)) == [413]


def test_a_chunked_body_without_end_is_cut_at_the_limit(server):
    piece = b"100000\r\n" + b" " * MIB + b"\r\n"
    sent = 0
    with connect(server.port) as connection:
        connection.sendall(head("Transfer-Encoding: chunked"))
        while not select.select([connection], [], [], 0)[0]:
            assert sent < 128 * MIB, "twice the limit was taken without an answer"
            connection.sendall(piece)
            sent += MIB
        assert statuses(connection.recv(65536)) == [413]


# Headers


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /alive\r\n\r\n",
        b"GET /alive HTTP/9.9\r\nHost: k\r\n\r\n",
        b"GET  /alive  HTTP/1.1\r\nHost: k\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0" * 1000,
        b"\xff" * 1000,
        b"GET /alive HTTP/1.1\r\nHost: k\r\nBad Header: x\r\n\r\n",
        b"GET /alive HTTP/1.1\r\nHost: k\r\n: x\r\n\r\n",
        b"GET /alive HTTP/1.1\r\nHost: k\r\nnocolon\r\n\r\n",
        b"GET /alive HTTP/1.1\r\nHost: k\r\nA: b\r\n folded\r\n\r\n",
        b"GET /alive HTTP/1.1\r\nHost: k\r\nA: x\0y\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: k\r\n\r\n",
        b"GET /alive HTTP/1.1\r\n\r\n",
        b"GET /alive HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"G" * 100000,
        b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: k\r\n\r\n",
        b"GET /alive HTTP/1.1\r\nHost: k\r\nA: " + b"a" * 1000000 + b"\r\n\r\n",
        b"GET /alive HTTP/1.1\r\nHost: k\r\n" + b"A: b\r\n" * 50000 + b"\r\n",
    ],
    ids=lambda data: repr(data[:24]) + str(len(data)),
)
def test_broken_requests_are_answered_or_closed_and_never_harm(server, data):
    with connect(server.port, 5) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        try:
            received = read_to_end(connection)
        except OSError:
            received = b""
    assert b"HTTP/1.1 500" not in received


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nosuch", 404),
        ("POST", "/v1/nosuch", 404),
        ("GET", "/v1/", 404),
        ("GET", "/v1/languages/", 404),
        ("GET", "//alive", 404),
        ("GET", "/v1/../alive", 404),
        ("GET", "/alive/", 404),
        ("GET", "/ALIVE", 404),
        ("GET", "/%61live%00", 404),
        ("GET", "/..%2f..%2fetc/passwd", 404),
        ("GET", "/v1/runs", 405),
        ("DELETE", "/v1/runs", 405),
        ("POST", "/metrics", 405),
        ("PUT", "/v1/languages", 405),
        ("BREW", "/metrics", 405),
    ],
)
def test_an_unknown_way_is_refused_as_an_error_document(server, method, path, status):
    answer = server.request(method, path)
    assert answer.status == status or (answer.status == 400 and "%" in path), answer
    answer.error()


def test_head_is_get_without_a_body(server):
    answer = server.request("HEAD", "/alive")
    assert answer.status in (200, 405) and answer.body == b""


def test_every_answer_says_its_type_and_length(server):
    for path in ("/alive", "/ready", "/v1/languages", "/v1/images", "/v1/node", "/metrics", "/nosuch"):
        answer = server.get(path)
        assert answer.headers["content-type"] and int(answer.headers["content-length"]) == len(answer.body), path


def test_a_connection_that_says_nothing_is_closed(mortal):
    server = mortal(header_ms=1000, idle_ms=1000).start()
    for data in (b"", b"GET /ali", b"GET /alive HTTP/1.1\r\nHost: k\r\n", head("Content-Length: 100") + b"half"):
        with connect(server.port, 10) as connection:
            connection.sendall(data)
            begin = time.monotonic()
            read_to_end(connection)
            assert time.monotonic() - begin < seconds(8), data
    server.stop()


def test_a_trickle_of_header_bytes_does_not_keep_a_connection(mortal):
    server = mortal(header_ms=1500).start()
    with connect(server.port, 10) as connection:
        begin = time.monotonic()
        connection.sendall(b"GET /alive HTTP/1.1\r\nX-Slow: ")
        with pytest.raises(OSError):
            while time.monotonic() - begin < seconds(10):
                connection.sendall(b"a")
                time.sleep(0.1)
        assert time.monotonic() - begin < seconds(6)
    server.stop()
