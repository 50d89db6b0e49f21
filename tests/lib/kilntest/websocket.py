"""A WebSocket client that says exactly the frames it is told, and the protocol of /v1/ws on top of it."""

import base64
import hashlib
import json
import os
import struct
import time

from kilntest import http
from kilntest.settings import seconds

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
ARCHIVE, STDIN, STDOUT, STDERR = 0, 1, 1, 2
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Closed(Exception):
    """The server closed: `code` and `reason` of its closing frame, or None and "" without one."""

    def __init__(self, code=None, reason=""):
        super().__init__(f"closed with {code}: {reason}")
        self.code = code
        self.reason = reason


def frame(opcode, payload=b"", fin=True, mask=b"\x5a\x01\xff\x80", rsv=0):
    """The bytes of one frame; `mask` None: unmasked, which only servers may send."""
    head = bytes([fin << 7 | rsv << 4 | opcode])
    masked = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([masked | len(payload)])
    elif len(payload) < 1 << 16:
        head += bytes([masked | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([masked | 127]) + struct.pack(">Q", len(payload))
    if not mask:
        return head + payload
    key = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")


def handshake(key="dGhlIHNhbXBsZSBub25jZQ==", version="13", **headers):
    """The bytes of a request for a WebSocket; keyword arguments replace headers, or with None leave them away."""
    table = {
        "Host": "kiln", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": version,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }  # fmt: skip
    lines = [f"{name}: {value}" for name, value in table.items() if value is not None]
    return ("GET /v1/ws HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode()


class WebSocket:
    """One connection. Closes what it has when used as a context."""

    def __init__(self, server, timeout=30, receive_bytes=None, **headers):
        key = base64.b64encode(os.urandom(16)).decode()
        if server.token and not {"Authorization", "Sec_WebSocket_Protocol"} & set(headers):
            headers["Authorization"] = f"Bearer {server.token}"
        self.connection = http.connect(server.port, timeout, receive_bytes)
        self.reader = self.connection.makefile("rb")
        self.connection.sendall(handshake(key, **headers))
        self.answer = http.read_answer(self.reader)
        self.output = {}  # (run, channel) -> bytes
        self.ends = {}  # run -> its end, where another run's was waited for
        if self.answer.status != 101:
            self.close()
            return
        accept = base64.b64encode(hashlib.sha1(key.encode() + MAGIC).digest()).decode()
        assert self.answer.headers["sec-websocket-accept"] == accept

    def __enter__(self):
        assert self.answer.status == 101, self.answer
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.reader.close()
        self.connection.close()

    # Frames

    def send_bytes(self, data):
        self.connection.sendall(data)

    def send(self, opcode, payload=b"", **more):
        self.send_bytes(frame(opcode, payload, **more))

    def read(self):
        """(opcode, payload) of the next frame; Closed at the end."""
        try:
            head = self.reader.read(2)
            if len(head) < 2:
                raise Closed()
            assert head[0] & 0x70 == 0 and head[0] & 0x80, "this server sends whole messages without extensions"
            assert head[1] < 0x80, "a server may not mask"
            size = head[1]
            if size > 125:
                size = int.from_bytes(self.reader.read(2 if size == 126 else 8), "big")
            payload = self.reader.read(size)
        except ConnectionError:
            raise Closed() from None
        opcode = head[0] & 15
        if opcode == CLOSE:
            raise Closed(int.from_bytes(payload[:2], "big") if payload else None, payload[2:].decode())
        return opcode, payload

    def closed(self):
        """The end, whatever comes before it."""
        while True:
            try:
                self.read()
            except Closed as end:
                return end

    # The protocol of /v1/ws

    def say(self, run, kind, **more):
        self.send(TEXT, json.dumps({"run": run, "type": kind, **more}).encode())

    def start(self, run, request, **more):
        self.say(run, "start", request={**request, **more})

    def give(self, run, channel, data=b""):
        self.send(BINARY, struct.pack(">IB", run, channel) + data)

    def type(self, run, text):
        self.give(run, STDIN, text.encode())

    def next(self):
        """The next message: the document of a text message, or (run, channel, bytes), which `output` gathers as well."""
        while True:
            opcode, payload = self.read()
            if opcode == TEXT:
                return json.loads(payload)
            if opcode == BINARY:
                run, channel = struct.unpack(">IB", payload[:5])
                self.output.setdefault((run, channel), bytearray()).extend(payload[5:])
                return run, channel, payload[5:]
            if opcode == PING:
                self.send(PONG, payload)

    def until(self, run, kind):
        """The document of this type about this run; what comes before is passed over, but for the ends of other runs."""
        end = time.monotonic() + seconds(90)
        while True:
            message = self.ends.pop(run, None) or self.next()
            assert time.monotonic() < end, f"run {run} has no {kind}"
            if not isinstance(message, dict):
                continue
            is_end = message["type"] in ("result", "error")
            if message["run"] != run:
                if is_end:
                    self.ends[message["run"]] = message
            elif message["type"] == kind:
                return message
            else:
                assert not is_end, message

    def result(self, run):
        return self.until(run, "result")["result"]

    def error(self, run):
        return self.until(run, "error")

    def until_output(self, run, text, channel=STDOUT):
        """Reads until the run has printed this, and gives what it printed."""
        end = time.monotonic() + seconds(30)
        while text.encode() not in self.output.get((run, channel), b""):
            message = self.next()
            about = message["run"] if isinstance(message, dict) else message[0]
            ended = isinstance(message, dict) and message["type"] in ("result", "error")
            assert not (about == run and ended), f"{message} after {self.output}"
            assert time.monotonic() < end, self.output
        return self.output[run, channel].decode()

    def run(self, run, request, **more):
        """The result of a run that is started here."""
        self.start(run, request, **more)
        return self.result(run)
