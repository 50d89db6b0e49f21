"""PostgreSQL and Redis as kiln's recipes make them of Debian packages, beside a session: minutes, so only `./check --languages` runs it."""

import json

import pytest

from kilntest.sessions import Session
from kilntest.settings import runs_as_root

pytestmark = pytest.mark.skipif(not runs_as_root(), reason="holds only where kiln runs as root")

RECIPES = ("postgresql", "redis")

# The second waits for the first; a database that nobody needs tomorrow.
COMPOSE = """
services:
  db:
    image: postgresql
    command:
      - sh
      - -c
      - >-
        test -d /sandbox/data || initdb -D /sandbox/data -U postgres -A trust >/dev/null;
        exec postgres -D /sandbox/data -k /tmp -h 127.0.0.1 -F
    mem_limit: 512m
    healthcheck:
      test: ["CMD", "pg_isready", "-h", "127.0.0.1", "-U", "postgres", "-q"]
      interval: 1s
      retries: 300
  cache:
    image: redis
    command: ["redis-server", "--save", "", "--bind", "127.0.0.1", "--dir", "/sandbox"]
    depends_on:
      db: {condition: service_healthy}
    healthcheck:
      test: ["CMD", "redis-cli", "-h", "127.0.0.1", "ping"]
      interval: 1s
      retries: 100
"""

# Both protocols by hand, so that the user's side needs nothing but a language.
PYTHON = r"""
import socket, struct

def message(kind, body):
    return kind + struct.pack("!I", len(body) + 4) + body

with socket.create_connection(("127.0.0.1", 5432)) as s:
    s.sendall(message(b"", struct.pack("!I", 196608) + b"user\0postgres\0\0"))
    file = s.makefile("rb")

    def answers():
        while True:
            kind, (size,) = file.read(1), struct.unpack("!I", file.read(4))
            body = file.read(size - 4)
            if kind == b"E":
                raise SystemExit(body)
            if kind == b"D":
                yield body[6:].decode()
            if kind == b"Z":
                return

    list(answers())
    s.sendall(message(b"Q", b"create table t (n int); insert into t select generate_series(1, 20); select sum(n) from t\0"))
    print("sum", *answers())
"""
C = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(6379) };
	char answer[64];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (void *)&to, sizeof(to)) < 0)
		return perror("connect"), 1;
	if (write(fd, "INCR clicks\r\n", 13) != 13)
		return 1;
	ssize_t n = read(fd, answer, sizeof(answer));
	printf("%.*s", n > 0 ? (int)n : 0, answer);
	return 0;
}
"""


def build(server, recipe):
    answer = server.request(
        "POST", "/v1/images", json.dumps({"source": f"recipe:{recipe}"}).encode(),
        {"Content-Type": "application/json", "Accept": "text/event-stream"}, timeout=1200,
    )
    assert answer.body.count(b"event: done\n") == 1, answer.body[-1000:]


def test_databases_of_recipes_serve_python_and_c(mortal):
    server = mortal().start()
    for recipe in RECIPES:
        build(server, recipe)
    session = Session(server, compose=COMPOSE, limits={"wall_ms": 30_000})
    session.wait("open", 300)
    assert all(service["state"] == "ready" for service in session.state()["services"].values())
    session.user("lion", {"table.py": PYTHON, "click.c": C})
    assert session.printed("lion", "python3 table.py") == "sum 210\n"
    assert session.printed("lion", "cc -o click click.c && ./click && ./click") == ":1\r\n:2\r\n"
    session.remove()
    server.stop()
