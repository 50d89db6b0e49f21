"""Fixtures of the tests against the real program: tests/api and tests/integration."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "lib"))

from kilntest import host  # noqa: E402
from kilntest.requests import command  # noqa: E402
from kilntest.docker import DAEMONS, GVISOR, GVISOR_LINKS, RUN_IMAGE  # noqa: E402
from kilntest.engines import why_different  # noqa: E402
from kilntest.server import ENGINE_DAEMON, ENGINE_SETTINGS, Server, settle, snapshot  # noqa: E402
from kilntest.settings import CANARY, CANARY_FILE, ENGINE, KILN, runs_as_root  # noqa: E402

# What a hostile client may leave behind at most, after a little rest; among the descriptors are network namespaces that
# wait for their next sandbox (32 at most).
HARMLESS = {"memory": 64 * 1024 * 1024, "descriptors": 48, "threads": 7, "processes": 2, "mounts": 2, "cgroups": 24}


ENGINE_DAEMONS = {"docker": "dockerd", "podman": "podman", "gvisor": "dockerd"}


@pytest.fixture(scope="session", autouse=True)
def program():
    if not KILN.exists():
        pytest.exit(f"{KILN} is not there: build it, or say where it is with KILN_BIN", returncode=2)
    yield KILN
    # Those of tests that failed half-way. What is wrong with them is told already.
    for one in Server.spawned:
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            one.end()


@pytest.fixture(scope="session", autouse=True)
def engine(program):
    """The suites of the API and of attacks through the Docker engine too: KILN_TEST_ENGINE=docker, podman or gvisor."""
    if ENGINE == "native":
        yield ENGINE
        return
    runtimes, links = (GVISOR, GVISOR_LINKS) if ENGINE == "gvisor" else ({}, {})
    with DAEMONS[ENGINE_DAEMONS[ENGINE]](image="languages", runtimes=runtimes, links=links) as running:
        own = {"host": running.socket, "host_image": RUN_IMAGE, **{"runtime": name for name in runtimes}}
        ENGINE_DAEMON.append(running)
        ENGINE_SETTINGS.update({"engine": "docker", "docker": own, "pool_max": 1, "pool_min": 1})
        yield ENGINE


def pytest_collection_modifyitems(items):
    for item in items if ENGINE != "native" else []:
        if why := why_different(item.nodeid):
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session", autouse=True)
def canary_file():
    """A file on the host that no run may read."""
    CANARY_FILE.write_text(CANARY)
    CANARY_FILE.chmod(0o644)
    yield CANARY_FILE
    CANARY_FILE.unlink()


@pytest.fixture(scope="session")
def server(program, canary_file, engine):
    """The server that most tests share, with default settings; it must end well and leave nothing."""
    mounts = host.mounts()
    server = Server().start()
    yield server
    server.stop()
    host.wait_until(lambda: host.mounts() <= mounts, 5, "mounts are left on the host")
    assert not host.cgroups_of(server.pid), "cgroups are left"


@pytest.fixture(scope="module")
def servers():
    """Makes servers with settings of their own; all of them end well at the end of the module."""
    with contextlib.ExitStack() as ends:

        def start(**settings):
            server = Server(**settings)
            ends.callback(server.end)
            return server.start()

        yield start


@pytest.fixture
def mortal():
    """Makes servers that a test may kill; what is left of them is cleaned up."""
    made = []

    def make(**settings):
        made.append(Server(**settings))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def unharmed(server):
    """Afterwards the server is alive, the same, right, and no bigger than before."""
    assert server.run(command("echo", "warm"))["outcome"] == "ok"
    before, pid, front = snapshot(server), server.pid, server.front_pid()
    born = host.start_time(front)
    yield before
    assert server.get("/alive", timeout=1).status == 200
    assert server.run(command("echo", "right"), timeout=3)["steps"][0]["stdout"] == "right\n"
    assert (server.pid, server.front_pid(), host.start_time(front)) == (pid, front, born), "a process was restarted"
    settle(server, before, HARMLESS)
    assert CANARY not in server.log()


@pytest.fixture
def root_only():
    if not runs_as_root():
        pytest.skip("holds only where kiln runs as root")


@pytest.fixture(scope="session")
def unenforced(server):
    """The limits that this host cannot enforce, by kiln's own word."""
    return set(server.run(command("true")).get("unenforced") or [])


# Limits that kiln watches where it cannot hold them: they end an ordinary program, but not one that hides.
WATCHED = {"memory_bytes", "cpu_ms"}


@pytest.fixture
def enforced(unenforced):
    """enforced("memory_bytes"): skips where this host cannot hold that limit, against a hostile program if `hostile`."""

    def check(name, hostile=False):
        if name in unenforced and (hostile or name not in WATCHED):
            pytest.skip(f"this host cannot enforce {name}, and kiln says so")

    return check
