"""Where the program under test is and how patient the tests are; all from the environment."""

import os
import pwd
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
KILN = Path(os.environ.get("KILN_BIN", ROOT / "build" / "kiln")).resolve()

# Waits are multiplied by this; limits of runs are not.
SLOW = float(os.environ.get("KILN_TEST_SLOW", "1"))

# Runs of the endurance test; 10000 is the full one.
RUNS = int(os.environ.get("KILN_TEST_RUNS", "2000"))

CANARY = "HOSTCANARY-" + os.urandom(8).hex()
CANARY_FILE = Path("/tmp") / f"kiln-test-canary-{os.getpid()}"


# The engine that servers under test have; "docker", "podman": such a daemon is started for the session (conftest.py).
ENGINE = os.environ.get("KILN_TEST_ENGINE", "native")


# What a sandbox may take that is made while a run waits for it, on a busy machine.
MAKING_S = {"native": 0, "docker": 1.5, "podman": 2, "gvisor": 4}[ENGINE]


def test_user():
    """The ordinary user whom root starts kiln as, or None: kiln runs as whoever runs the tests."""
    name = os.environ.get("KILN_TEST_USER")
    if not name or os.geteuid() != 0:
        return None
    return pwd.getpwnam(name)


def runs_as_root():
    return os.geteuid() == 0 and test_user() is None


NO_USER_IDS = "this user has no ids in /etc/subuid, and kiln says so"


def has_user_ids():
    """Whether kiln has ids for the users of sessions: as root, or out of /etc/subuid."""
    if runs_as_root():
        return True
    name = (test_user() or pwd.getpwuid(os.geteuid())).pw_name
    files = [Path("/etc/subuid"), Path("/etc/subgid")]
    has = [any(line.startswith(name + ":") for line in path.read_text().splitlines()) for path in files if path.exists()]
    return has == [True, True] and Path("/usr/bin/newuidmap").exists()


def seconds(value):
    """A wait of `value` seconds on this machine."""
    return value * SLOW
