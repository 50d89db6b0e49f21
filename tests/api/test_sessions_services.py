"""Services beside a session: real databases, used from Python and C, by six users at one time."""

import threading

import pytest
from test_sessions import ANIMALS

from kilntest import host, services
from kilntest.sessions import Session
from kilntest.settings import runs_as_root

pytestmark = pytest.mark.skipif(not runs_as_root(), reason="holds only where kiln runs as root")

TABLE = """
import getpass, sys, psycopg2
name = getpass.getuser()
c = psycopg2.connect(host="127.0.0.1", user="postgres", dbname="postgres")
c.autocommit = True
q = c.cursor()
q.execute(f"create table if not exists t_{name} (n int)")
for n in range(20):
    q.execute(f"insert into t_{name} values (%s)", (n,))
q.execute(f"select count(*), sum(n) from t_{name}")
print(name, *q.fetchone())
"""

# Redis' protocol by hand: libhiredis is on no machine by itself.
REDIS_IN_C = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(6379) };
	char answer[128];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (void *)&to, sizeof(to)) < 0)
		return perror("connect"), 1;
	const char *words = "INCR clicks\r\n";
	write(fd, words, strlen(words));
	ssize_t n = read(fd, answer, sizeof(answer) - 1);
	printf("%.*s", n > 0 ? (int)n : 0, answer);
	return 0;
}
"""


@pytest.fixture(scope="module")
def dojo(server):
    if not services.BIN or not services.REDIS.exists():
        pytest.skip("needs postgresql and redis-server")
    session = Session(server, services={"db": services.postgresql(), "cache": services.redis()}, limits={"wall_ms": 30000})
    assert session.made["state"] == "starting"
    session.wait("open", 300)
    for name in ANIMALS:
        session.user(name, {"table.py": TABLE, "click.c": REDIS_IN_C})
    yield session
    session.remove()


def test_six_users_have_a_table_each(dojo):
    printed = {}

    def work(name):
        result = dojo.run(name, "/usr/bin/python3", "table.py")
        printed[name] = result["steps"][0]["stdout"] or result

    threads = [threading.Thread(target=work, args=(name,)) for name in ANIMALS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert printed == {name: f"{name} 20 190\n" for name in ANIMALS}


def test_redis_counts_the_clicks_of_a_c_program(dojo):
    for name in ("lion", "tiger"):
        assert dojo.shell(name, "cc -o click click.c")["outcome"] == "ok"
    first = int(dojo.printed("lion", "./click")[1:])
    assert int(dojo.printed("tiger", "./click")[1:]) == first + 1


def test_a_service_has_files_and_processes_of_its_own(dojo):
    assert dojo.printed("lion", "ls /sandbox 2>/dev/null | grep -c data || true") == "0\n"
    assert dojo.printed("lion", "cat /proc/[0-9]*/comm 2>/dev/null | grep -c postgres || true") == "0\n"


def test_no_network_leads_out(dojo):
    assert dojo.printed("lion", "cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '") == "lo\n"


def test_services_of_one_session_are_not_anothers(dojo):
    other = Session(dojo.server)
    try:
        other.user("lion", {"click.c": REDIS_IN_C})
        result = other.shell("lion", "cc -o click click.c && ./click")
        assert "Connection refused" in result["steps"][0]["stderr"]
    finally:
        other.remove()


def test_a_service_that_dies_is_started_again(server):
    if not services.REDIS.exists():
        pytest.skip("needs postgresql and redis-server")
    session = Session(server, services={"cache": services.redis()})
    try:
        session.wait("open", 120)
        session.user("lion")
        session.shell("lion", "redis-cli -h 127.0.0.1 set a b; redis-cli -h 127.0.0.1 shutdown nosave")
        host.wait_until(
            lambda: session.state()["services"]["cache"]["restarts"] == 1
            and session.state()["services"]["cache"]["state"] == "ready",
            60,
            lambda: str(session.state()["services"]),
        )
        assert session.state()["services"]["cache"]["last_exit"] == "it ended with exit code 0"
        assert session.printed("lion", "redis-cli -h 127.0.0.1 ping") == "PONG\n"
    finally:
        session.remove()


def test_a_service_that_never_starts_is_told(server):
    session = Session(server, services={"db": {"image": "host", "command": "echo no data here; exit 3"}})
    try:
        state = session.wait("lost", 60)
        assert state["reason"] == "service 'db' did not start: it ended with exit code 3"
        assert state["services"]["db"]["output"].startswith("no data here\n")
    finally:
        session.remove()


def test_a_compose_file_says_the_same(server):
    if not services.REDIS.exists():
        pytest.skip("needs postgresql and redis-server")
    compose = """
services:
  cache:
    image: host
    command: redis-server --save "" --bind 127.0.0.1 --dir /var/lib/redis
    environment: {LANG: C.UTF-8}
    mem_limit: 128m
    tmpfs: /var/lib/redis
    healthcheck:
      test: [CMD, redis-cli, -h, 127.0.0.1, ping]
      interval: 1s
      retries: 100
"""
    session = Session(server, compose=compose)
    try:
        session.wait("open", 120)
        session.user("lion")
        assert session.printed("lion", "redis-cli -h 127.0.0.1 ping") == "PONG\n"
    finally:
        session.remove()
