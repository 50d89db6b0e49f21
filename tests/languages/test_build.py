"""An image from a recipe, from Debian's servers: minutes, so only `./check --languages` runs it."""

import json
import os
import pty
import signal
import subprocess

import pytest

from kilntest import host
from kilntest.server import Home, identity
from kilntest.settings import KILN, seconds

RECIPE = "python"


@pytest.fixture
def home():
    home = Home()
    yield home
    home.cleanup()


def store(home):
    return next(path for path in (home.path / "state", home.home / "state/kiln") if path.exists()) / "images"


def build(home):
    """`kiln image build` on a terminal, and the terminal."""
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        [KILN, "image", "build", RECIPE], env=home.environment(), cwd="/", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=its_end, **identity(),
    )
    os.close(its_end)
    return process, terminal


def shown(terminal, text=""):
    """Reads on until `text` was shown; all, until the terminal's other end is closed, without one."""
    seen = b""
    while not text or text.encode() not in seen:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    return seen.decode("utf-8", "replace")


def test_a_build_shows_its_progress_and_completes_after_it_was_killed(home):
    process, terminal = build(home)
    assert "downloading" in shown(terminal, "downloading")
    began = host.descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    host.wait_until(lambda: not [pid for pid in began if host.is_alive(pid)], 30, "what was building lives on")
    os.close(terminal)
    assert not any(store(home).glob("sha256-*")) and not any((store(home) / "names").iterdir())

    process, terminal = build(home)
    progress = shown(terminal)
    out = process.communicate(timeout=seconds(900))[0].decode()
    os.close(terminal)
    assert process.returncode == 0 and out.startswith(f"{RECIPE} sha256:"), progress[-2000:]
    assert "MiB" in progress and "/s" in progress, "no size and rate were shown"
    assert not any((store(home) / "work").iterdir())
    program = home.write("main.py", "import sys; print(sys.version_info[:2] >= (3, 13))")
    done = subprocess.run(
        [KILN, "run", "--json", "-l", f"{RECIPE}@3.13", program], env=home.environment(), cwd="/", capture_output=True,
        timeout=seconds(60), check=True, **identity(),
    )
    result = json.loads(done.stdout)
    assert result["image"].startswith(f"{RECIPE}@sha256:") and result["steps"][0]["stdout"] == "True\n"


def test_a_server_builds_it_and_runs_the_language_at_once(mortal):
    server = mortal().start()
    answer = server.request(
        "POST", "/v1/images", json.dumps({"source": f"recipe:{RECIPE}"}).encode(),
        {"Content-Type": "application/json", "Accept": "text/event-stream"}, timeout=900,
    )
    assert answer.body.count(b"event: done\n") == 1, answer.body[-1000:]
    result = server.run({"language": f"{RECIPE}@3.13", "files": {"main.py": "print(6 * 7)"}})
    assert result["image"].startswith(f"{RECIPE}@sha256:") and result["steps"][0]["stdout"] == "42\n"
    server.stop()
