"""Hostile programs in a terminal: what it adds to a sandbox reaches nothing outside of it, and no neighbour."""

import pytest

from kilntest.requests import output, python, shell
from kilntest.settings import ENGINE
from kilntest.websocket import WebSocket

SIZE = {"rows": 24, "cols": 80}

# Tells for each attempt by which error it failed, or that it did not.
ATTEMPTS = """
import ctypes, errno, fcntl, os, pty, struct, termios
libc = ctypes.CDLL(None, use_errno=True)

def tell(name, attempt):
    try:
        attempt()
        print(name, "WORKED")
    except OSError as e:
        print(name, errno.errorcode[e.errno])

def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")

fds = [0, os.open("/dev/tty", os.O_RDWR), os.open("/dev/pts/0", os.O_RDWR | os.O_NOCTTY)]
try:
    fds.append(pty.openpty()[1])
except OSError as e:
    print("no other:", e)
for fd in fds:
    tell("TIOCSTI", lambda: fcntl.ioctl(fd, termios.TIOCSTI, b"#"))
    tell("TIOCSTI", lambda: checked(libc.ioctl(fd, ctypes.c_ulong(0xffffffff00000000 | termios.TIOCSTI), b"#")))
    tell("TIOCLINUX", lambda: fcntl.ioctl(fd, 0x541C, b"\\3"))
    for discipline in range(1, 31):
        tell("TIOCSETD", lambda: fcntl.ioctl(fd, termios.TIOCSETD, struct.pack("i", discipline)))
    tell("TIOCCONS", lambda: fcntl.ioctl(fd, termios.TIOCCONS))
    tell("TIOCVHANGUP", lambda: fcntl.ioctl(fd, 0x5437))
tell("mount", lambda: checked(libc.mount(b"devpts", b"/tmp", b"devpts", 0, b"newinstance")))
tell("mknod", lambda: os.mknod("/tmp/ptmx", 0o20666, os.makedev(5, 2)))
tell("host", lambda: os.open("/proc/1/root/dev/pts/0", os.O_RDWR))
tell("init", lambda: os.open("/proc/1/fd/3", os.O_RDWR))
os._exit(0)
"""


@pytest.fixture
def ws(server):
    with WebSocket(server) as socket:
        yield socket


def test_a_terminal_cannot_be_typed_into_or_made_to_load_modules(ws):
    result = ws.run(1, python(ATTEMPTS), tty=SIZE)
    printed = output(result).decode()
    # In containers only init makes terminals.
    terminals = 4 if ENGINE == "native" else 3
    assert printed.count("TIOCSTI EPERM") == 2 * terminals and printed.count("TIOCSETD EPERM") == 30 * terminals, printed
    assert "init E" in printed and "WORKED" not in printed, printed


def test_terminals_of_two_runs_do_not_see_each_other(ws):
    ws.start(1, shell("echo mine; read -r line; echo got $line"), tty=SIZE, stdin_follows=True)
    ws.until_output(1, "mine")
    spy = """
import os
print(sorted(os.listdir("/dev/pts")))
for n in range(64):
    try:
        fd = os.open(f"/dev/pts/{n}", os.O_RDWR | os.O_NOCTTY)
        if n:
            os.write(fd, b"x")
        print("opened", n)
    except OSError:
        pass
"""
    assert output(ws.run(2, python(spy), tty=SIZE)).decode() == "['0', 'ptmx']\r\nopened 0\r\n"
    without = ws.run(3, python(spy))
    if ENGINE == "native":
        assert "FileNotFoundError" in output(without, "stderr").decode()
    else:
        assert output(without) == b"['ptmx']\n"
    ws.type(1, "well\n")
    assert output(ws.result(1)).decode() == "mine\r\nwell\r\ngot well\r\n"


def test_terminals_cannot_be_used_up(ws):
    """The machine has one number of them; a run may have only a few."""
    hog = """
import os, time
fds = []
try:
    for _ in range(4000):
        fds.append(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
except OSError as e:
    print(len(fds), e.strerror, flush=True)
time.sleep(60)
"""
    for run in (1, 2):
        ws.start(run, python(hog), tty=SIZE)
    for run in (1, 2):
        assert int(ws.until_output(run, "\n").split()[0]) <= 16
    assert output(ws.run(3, shell("tty"), tty=SIZE)) == b"/dev/pts/0\r\n"
    for run in (1, 2):
        ws.say(run, "cancel")
        assert ws.result(run)["outcome"] == "cancelled"


def test_a_program_that_stops_and_garbles_its_terminal_ends_all_the_same(ws):
    source = """
import fcntl, os, signal, termios
for n in range(1, 32):
    if n not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(n, signal.SIG_IGN)
attributes = termios.tcgetattr(0)
for i in range(4):
    attributes[i] = 0xffffffff
attributes[6] = [b"\\xff"] * 32
termios.tcsetattr(0, termios.TCSANOW, attributes)
fcntl.ioctl(0, termios.TIOCEXCL)
termios.tcflow(0, termios.TCOOFF)
os.write(1, b"x" * 1000000)
"""
    ws.start(1, python(source, limits={"wall_ms": 1500}), tty=SIZE, stdin_follows=True)
    ws.type(1, "\x03\x04" * 100_000)
    ws.say(1, "stdin_eof")
    assert ws.result(1)["outcome"] in ("wall_time_exceeded", "ok", "failed", "signaled")
    assert ws.run(2, shell("stty -a | head -1"), tty=SIZE)["outcome"] == "ok"
