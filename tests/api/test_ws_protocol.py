"""/v1/ws as vandals speak it: handshakes, frames, messages out of order; clear codes, and nothing lost for others."""

import base64
import json
import os
import struct
import time

import pytest

from kilntest import host, http
from kilntest.requests import command, output, python, shell
from kilntest.settings import seconds
from kilntest.websocket import ARCHIVE, BINARY, CLOSE, PING, PONG, STDIN, TEXT, Closed, WebSocket, frame, handshake

# What docs/websocket.md says that a connection holds, and a little more for those of them that run something.
EACH_BYTES = 128 * 1024

POLICY, PROTOCOL, TOO_LARGE, NOT_UTF8, GOING_AWAY = 1008, 1002, 1009, 1007, 1001


@pytest.fixture
def ws(server):
    with WebSocket(server) as socket:
        yield socket


@pytest.fixture
def neighbour(server):
    """A run of somebody else, which must end well whatever happens beside it."""
    with WebSocket(server) as socket:
        socket.start(1, shell("read -r line; echo $line"), stdin_follows=True)
        socket.until(1, "started")
        yield socket
        socket.type(1, "well\n")
        assert output(socket.result(1)) == b"well\n"


def start(run=1, **more):
    return json.dumps({"run": run, "type": "start", "request": {**shell("sleep 20"), **more}}).encode()


def binary(run, channel, data=b""):
    return frame(BINARY, struct.pack(">IB", run, channel) + data)


# What a client says, and the code that it is closed with; a run 1 without stdin is under way already.
FAULTS = {
    "not_masked": (frame(TEXT, b"{}", mask=None), PROTOCOL),
    "reserved_bits": (frame(TEXT, b"{}", rsv=2), PROTOCOL),
    "unknown_opcode": (frame(5, b"x"), PROTOCOL),
    "fragment_of_nothing": (frame(0, b"x"), PROTOCOL),
    "message_in_a_message": (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), PROTOCOL),
    "ping_in_fragments": (frame(PING, b"x", fin=False), PROTOCOL),
    "ping_too_long": (frame(PING, b"x" * 126), PROTOCOL),
    "http": (b"GET / HTTP/1.1\r\nHost: kiln\r\n\r\n", PROTOCOL),
    "announces_too_much": (b"\x82\xff" + struct.pack(">Q", 1 << 40) + b"mask" + b"x", TOO_LARGE),
    "text_that_is_none": (frame(TEXT, b'{"run":1,"type":"\xff"}'), NOT_UTF8),
    "no_json": (frame(TEXT, b"start"), POLICY),
    "empty": (frame(TEXT, b""), POLICY),
    "an_array": (frame(TEXT, b"[1]"), POLICY),
    "too_deep": (frame(TEXT, b"[" * 100_000), POLICY),
    "no_run": (frame(TEXT, b'{"type":"cancel"}'), POLICY),
    "run_too_large": (frame(TEXT, b'{"run":4294967296,"type":"cancel"}'), POLICY),
    "run_is_text": (frame(TEXT, b'{"run":"1","type":"cancel"}'), POLICY),
    "run_twice": (frame(TEXT, b'{"run":1,"run":1,"type":"cancel"}'), POLICY),
    "no_type": (frame(TEXT, b'{"run":1}'), POLICY),
    "unknown_type": (frame(TEXT, b'{"run":1,"type":"pause"}'), POLICY),
    "unknown_field": (frame(TEXT, b'{"run":1,"type":"cancel","now":true}'), POLICY),
    "no_request": (frame(TEXT, b'{"run":2,"type":"start"}'), POLICY),
    "number_in_use": (frame(TEXT, start()), POLICY),
    "number_in_use_and_refused": (frame(TEXT, b'{"run":1,"type":"start","request":{}}'), POLICY),
    "unknown_number": (frame(TEXT, b'{"run":9,"type":"cancel"}'), POLICY),
    "unknown_number_binary": (binary(9, STDIN, b"x"), POLICY),
    "head_cut_short": (frame(BINARY, b"\0\0\0"), POLICY),
    "no_bytes": (frame(BINARY, b""), POLICY),
    "unknown_channel": (binary(1, 2, b"x"), POLICY),
    "stdin_not_announced": (binary(1, STDIN, b"x"), POLICY),
    "eof_not_announced": (frame(TEXT, b'{"run":1,"type":"stdin_eof"}'), POLICY),
    "archive_not_announced": (binary(1, ARCHIVE, b"x"), POLICY),
    "archive_twice": (
        frame(TEXT, start(2, archive_follows=True, stdin_follows=True)) + binary(2, ARCHIVE, bytes(1024)) + binary(2, ARCHIVE, b""),
        POLICY,
    ),
    "stdin_after_its_end": (
        frame(TEXT, start(2, stdin_follows=True)) + frame(TEXT, b'{"run":2,"type":"stdin_eof"}') + binary(2, STDIN, b"x"),
        POLICY,
    ),
    "eof_twice": (frame(TEXT, start(2, stdin_follows=True)) + frame(TEXT, b'{"run":2,"type":"stdin_eof"}') * 2, POLICY),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_closes_with_a_code_and_a_reason_and_only_that_connection(name, ws, neighbour):
    said, code = FAULTS[name]
    ws.start(1, shell("sleep 20"))
    ws.until(1, "started")
    ws.send_bytes(said)
    end = ws.closed()
    assert (end.code, bool(end.reason)) == (code, True), end


def test_runs_of_a_connection_that_is_closed_for_a_fault_are_cancelled(ws):
    word = "closed-for-a-fault"
    ws.start(1, command("bash", "-c", f"exec -a {word} sleep 50"))
    host.wait_until(lambda: host.processes_with(word), 10, "the run does not run")
    ws.send(TEXT, b"nonsense")
    assert ws.closed().code == POLICY
    host.wait_until(lambda: not host.processes_with(word), 5, "the run goes on")


def test_a_message_larger_than_the_body_limit_is_too_large(servers):
    server = servers(body_bytes=100_000)
    for opcode, head in ((TEXT, b""), (BINARY, b"\0\0\0\1\0")):
        with WebSocket(server) as ws:
            ws.start(1, {"language": "python"}, archive_follows=True)
            ws.send(opcode, head + b"x" * 60_000, fin=False)
            ws.send(0, b"x" * 60_000)
            assert ws.closed().code == TOO_LARGE


def test_garbage_of_any_kind_ends_with_a_code(server, neighbour):
    for _ in range(40):
        with WebSocket(server) as ws:
            try:
                ws.send_bytes(os.urandom(2000))
                ws.connection.shutdown(1)
            except OSError:
                pass
            end = ws.closed()
            assert end.code in (None, PROTOCOL, TOO_LARGE, NOT_UTF8, POLICY), end


def test_a_close_is_answered_with_its_code(ws):
    ws.send(CLOSE, struct.pack(">H", 4321) + b"bye")
    assert ws.closed().code == 4321
    assert ws.reader.read() == b""


def test_a_close_without_a_code_is_answered_without_one(ws):
    ws.send(CLOSE)
    assert ws.closed().code is None


def test_a_half_closed_connection_is_closed_with_a_reason_and_its_runs_end(server, ws):
    word = "half-closed-sleeper"
    ws.start(1, command("bash", "-c", f"exec -a {word} sleep 50"))
    host.wait_until(lambda: host.processes_with(word), 10, "the run does not run")
    ws.connection.shutdown(1)
    end = ws.closed()
    assert (end.code, bool(end.reason)) == (PROTOCOL, True)
    host.wait_until(lambda: not host.processes_with(word), 5, "the run goes on")


def test_pings_are_answered(ws):
    ws.send(PING, b"are you there?")
    assert ws.read() == (PONG, b"are you there?")


def test_frames_may_come_with_the_request_and_byte_by_byte(server):
    document = json.dumps({"run": 1, "type": "start", "request": shell("echo early")}).encode()
    with WebSocket(server) as ws:
        ws.close()
    connection = http.connect(server.port)
    try:
        connection.sendall(handshake() + frame(TEXT, document))
        ws.connection, ws.reader = connection, connection.makefile("rb")
        assert http.read_answer(ws.reader).status == 101
        assert output(ws.result(1)) == b"early\n"
        for byte in frame(TEXT, document.replace(b"early", b"slow")):
            connection.sendall(bytes([byte]))
        assert output(ws.result(1)) == b"slow\n"
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Upgrade": None}, 426, "upgrade_required"),
        ({"Upgrade": "h2c"}, 426, "upgrade_required"),
        ({"Connection": "keep-alive"}, 426, "upgrade_required"),
        ({"version": "8"}, 426, "websocket_version"),
        ({"Sec_WebSocket_Version": None}, 426, "websocket_version"),
        ({"Sec_WebSocket_Key": None}, 400, "bad_request"),
        ({"key": "short"}, 400, "bad_request"),
        ({"Origin": "https://evil.example"}, 403, "origin_not_allowed"),
        ({"Origin": "null"}, 403, "origin_not_allowed"),
        ({"Origin": "http://kiln.evil.example"}, 403, "origin_not_allowed"),
    ],
)
def test_a_handshake_that_is_none_is_refused(server, headers, status, code):
    connection = http.connect(server.port)
    try:
        connection.sendall(handshake(**headers))
        answer = http.read_answer(connection.makefile("rb"))
    finally:
        connection.close()
    assert (answer.status, answer.error()["code"]) == (status, code)
    if status == 426:
        assert (answer.headers["upgrade"], answer.headers["sec-websocket-version"]) == ("websocket", "13")


def test_plain_requests_are_told_to_upgrade(server):
    assert server.get("/v1/ws").status == 426
    assert server.request("POST", "/v1/ws", b"{}", {"Content-Type": "application/json"}).status == 405


def test_pages_of_the_server_itself_and_of_allowed_origins_may_connect(servers):
    server = servers(origins=["https://dojo.example"])
    for origin in ("http://kiln", "https://kiln", "https://dojo.example", "HTTPS://DOJO.example"):
        with WebSocket(server, Origin=origin):
            pass
    assert WebSocket(server, Origin="https://dojo.example.evil").answer.status == 403
    with WebSocket(servers(origins=["*"]), Origin="https://any.example"):
        pass


def test_tokens_of_every_shape_open_the_door_and_no_others(servers):
    token, odd = "tok-en_1.2", "a/b+c=="
    server = servers(tokens=[token, odd])
    encoded = base64.urlsafe_b64encode(odd.encode()).decode().rstrip("=")
    for headers in (
        {"Authorization": f"Bearer {token}"},
        {"Sec_WebSocket_Protocol": f"kiln.v1, kiln.bearer.{token}"},
        {"Sec_WebSocket_Protocol": f"kiln.bearer64.{encoded},kiln.v1"},
    ):
        with WebSocket(server, **headers) as ws:
            assert ws.answer.headers.get("sec-websocket-protocol") == ("kiln.v1" if "Authorization" not in headers else None)
            assert ws.run(1, shell("true"))["outcome"] == "ok"
    for headers in (
        {"Authorization": None},
        {"Authorization": "Bearer wrong"},
        {"Sec_WebSocket_Protocol": "kiln.v1"},
        {"Sec_WebSocket_Protocol": "kiln.v1, kiln.bearer."},
        {"Sec_WebSocket_Protocol": f"kiln.v1, kiln.bearer.{token}x"},
        {"Sec_WebSocket_Protocol": "kiln.v1, kiln.bearer64.!!!"},
        {"Authorization": "Bearer wrong", "Sec_WebSocket_Protocol": f"kiln.v1, kiln.bearer.{token}"},
    ):
        assert WebSocket(server, **headers).answer.status == 401, headers
    assert token not in server.log() and odd not in server.log()


def test_connections_and_runs_have_quotas_of_their_client(servers):
    server = servers(ws_connections=3, ws_runs=2, ws_client_runs=3)
    sockets = [WebSocket(server).__enter__() for _ in range(3)]
    try:
        refused = WebSocket(server).answer
        assert (refused.status, refused.error()["code"]) == (429, "too_many_connections")
        assert int(refused.headers["retry-after"]) >= 1
        for socket, run, accepted in ((0, 1, True), (0, 2, True), (0, 3, False), (1, 1, True), (1, 2, False)):
            sockets[socket].start(run, shell("read -r"), stdin_follows=True)
            if not accepted:
                message = sockets[socket].error(run)
                assert (message["status"], message["error"]["code"]) == (429, "too_many_runs")
        for socket, run in ((0, 1), (0, 2), (1, 1)):
            sockets[socket].say(run, "cancel")
            assert sockets[socket].result(run)["outcome"] == "cancelled"
        assert sockets[2].run(1, shell("true"))["outcome"] == "ok"
    finally:
        for socket in sockets:
            socket.close()
    host.wait_until(lambda: WebSocket(server).answer.status == 101, 5, "places of those who left are not free again")


def test_a_connection_that_nothing_is_asked_over_is_closed(servers):
    server = servers(ws_idle_ms=600)
    with WebSocket(server) as busy, WebSocket(server) as idle:
        busy.start(1, shell("sleep 2; echo done"))
        end = idle.closed()
        assert (end.code, bool(end.reason)) == (GOING_AWAY, True)
        assert output(busy.result(1)) == b"done\n"
        assert busy.closed().code == GOING_AWAY


def test_a_client_that_does_not_answer_pings_is_gone(servers):
    server = servers(ws_timeout_ms=900)
    word = "silent-client-sleeper"
    with WebSocket(server) as ws:
        ws.start(1, command("bash", "-c", f"exec -a {word} sleep 50"))
        host.wait_until(lambda: host.processes_with(word), 10, "the run does not run")
        seen = []
        with pytest.raises(Closed) as end:
            while True:
                seen.append(ws.read()[0])
        assert PING in seen and end.value.code is None
    host.wait_until(lambda: not host.processes_with(word), 5, "the run goes on")


def test_a_client_that_answers_pings_stays(servers):
    server = servers(ws_timeout_ms=900)
    with WebSocket(server) as ws:
        ws.start(1, shell("sleep 3; echo done"))
        assert output(ws.result(1)) == b"done\n"


def test_a_node_that_drains_lets_runs_end_and_then_closes(mortal):
    server = mortal().start()
    with WebSocket(server) as ws, WebSocket(server) as idle:
        ws.start(1, shell("sleep 2; echo ended by itself"))
        ws.until(1, "started")
        server.terminate()
        assert idle.closed().code == GOING_AWAY
        ws.start(2, shell("true"))
        message = ws.error(2)
        assert (message["status"], message["error"]["code"]) == (503, "draining")
        assert message["retry_after_s"] >= 1
        assert output(ws.result(1)) == b"ended by itself\n"
        end = ws.closed()
        assert (end.code, bool(end.reason)) == (GOING_AWAY, True)
        assert server.wait() == 0


def crowd(server, idle, busy):
    """So many connections, all of which live; with what the front holds for each idle one."""
    before = host.memory_bytes(server.front_pid())
    sockets = [WebSocket(server).__enter__() for _ in range(idle + busy)]
    try:
        each = (host.memory_bytes(server.front_pid()) - before) / (idle + busy)
        for number, socket in enumerate(sockets[:busy]):
            socket.start(1, shell(f"echo {number}"))
        begin = time.monotonic()
        assert server.get("/ready").status == 200
        assert time.monotonic() - begin < seconds(5)
        for number, socket in enumerate(sockets[:busy]):
            assert output(socket.result(1)).decode() == f"{number}\n"
        for socket in sockets[busy :: max(1, idle // 20)]:
            socket.send(PING, b"x")
            frame = socket.read()
            while frame[0] == PING:  # its own, when those before took long
                frame = socket.read()
            assert frame == (PONG, b"x")
        return each
    finally:
        for socket in sockets:
            socket.close()


def test_hundreds_of_connections_are_small(servers):
    server = servers()
    assert crowd(server, 230, 20) < EACH_BYTES
    host.wait_until(lambda: "kiln_websockets 0" in server.get("/metrics").body.decode(), 10, "connections are left")


@pytest.mark.skipif("KILN_TEST_CROWD" not in os.environ, reason="KILN_TEST_CROWD=1 asks for a thousand connections")
def test_a_thousand_connections_are_small(servers):
    assert crowd(servers(), 1000, 50) < EACH_BYTES


def test_a_program_that_prints_without_end_to_a_slow_reader_is_bounded(servers):
    """Most of a GiB would be printed; what the reader does not take is not made."""
    server = servers(ceilings={"output_bytes": 1 << 30, "wall_ms": 60000})
    with WebSocket(server, receive_bytes=65536) as ws:
        before = host.memory_bytes(server.front_pid())
        source = "import os\nfor _ in range(1 << 14): os.write(1, b'x' * 65536)"
        ws.start(1, python(source, limits={"output_bytes": 1 << 30, "wall_ms": 60000}))
        ws.until(1, "started")
        grown = []
        for _ in range(12):
            time.sleep(0.1)
            ws.next()
            grown.append(host.memory_bytes(server.front_pid()) - before)
        assert max(grown) < 24 << 20, grown
        ws.say(1, "cancel")
        assert ws.result(1)["outcome"] == "cancelled"
