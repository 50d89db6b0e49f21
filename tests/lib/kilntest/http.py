"""A small HTTP client: one that behaves, and one that sends whatever bytes it is told."""

import http.client
import json
import socket

from kilntest.settings import CANARY, seconds


class Answer:
    """A status, headers (names in lower case) and a body, which never holds the host's canary."""

    def __init__(self, status, headers, body):
        assert CANARY.encode() not in body, "a secret of the host stands in an answer"
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    def json(self):
        return json.loads(self.body.decode("utf-8", "strict"))

    def error(self):
        """The error document, after checking that it is one as API.md says."""
        assert self.headers["content-type"].startswith("application/json"), self
        document = self.json()
        assert set(document) == {"error"}, document
        error = document["error"]
        assert isinstance(error["code"], str) and error["code"], document
        assert isinstance(error["message"], str) and error["message"], document
        assert set(error) <= {"code", "message", "field"}, document
        assert len(self.body) < 2000, "an error is no place for an echo of the request"
        return error

    def __repr__(self):
        return f"<Answer {self.status} {self.body[:400]!r}>"


def request(port, method, path, body=None, headers=None, timeout=60):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds(timeout))
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def connect(port, timeout=20, receive_bytes=None):
    connection = socket.socket()
    if receive_bytes:  # a reader that takes little
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(seconds(timeout))
    connection.connect(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def post_bytes(body, path="/v1/runs", content_type="application/json", extra=b""):
    """The bytes of a correct POST."""
    head = f"POST {path} HTTP/1.1\r\nHost: kiln\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + extra + b"\r\n" + body


def read_to_end(connection):
    """All bytes until the peer closes, resets, or is silent for the connection's timeout (then TimeoutError)."""
    received = b""
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionError:
            return received
        if not piece:
            return received
        received += piece


def read_answer(reader):
    """One answer from a socket's file (makefile("rb")), leaving what follows; None at the end."""
    line = reader.readline()
    if not line:
        return None
    status = int(line.split()[1])
    headers = []
    while line := reader.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name, value.strip()))
    table = {name.lower(): value for name, value in headers}
    body = reader.read(int(table.get("content-length", 0)))
    return Answer(status, headers, body)


def statuses(received):
    """The status codes of all answers in a byte stream."""
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]
