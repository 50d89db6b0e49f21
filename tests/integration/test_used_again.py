"""What of one sandbox serves another one, and what all sandboxes are made from: nobody can tell."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kilntest import host
from kilntest.requests import command, shell, text
from kilntest.server import Home, Server
from kilntest.settings import runs_as_root, seconds

TURNS = 24
IDLE_S = 3  # a little longer than groups wait for the next sandbox


def groups_of(server, controller, kind):
    """Names of its sandboxes' groups: "s" belong to one, "k" are used again."""
    paths = [Path(path) for path in host.cgroups_of(server.pid) if path.startswith(f"/sys/fs/cgroup/{controller}/")]
    return {path.name for path in paths if path.name.startswith(kind) and path.name[1:].isdigit()}


LOOK = shell(
    "cat /proc/sys/user/{max_user_namespaces,*}; awk '{ print $1, $3 }' /proc/self/{u,g}id_map; cat /proc/self/{projid_map,setgroups,cgroup,oom_score_adj,limits};"
    " grep -E '^(Cap|Seccomp|NoNew|Groups|Sig|Shd)' /proc/self/status; ls -l --time-style=+ /dev /etc | grep -v '^total'; cut -d' ' -f4- /proc/self/mountinfo;"
    " for map in projid_map uid_map setgroups; do echo 0 0 1 2>/dev/null >/proc/self/$map; echo $?; done; ulimit -a"
)


def test_sandboxes_in_turn_are_as_closed_as_the_first(server):
    """Whether their groups are new ones, or ones that were just given back."""
    time.sleep(seconds(IDLE_S))
    seen = [text(server.run(LOOK)) for _ in range(TURNS)]
    assert set(seen) == {seen[0]}
    assert seen[0].startswith("0\n")


def test_no_map_of_a_user_namespace_can_be_written_by_a_program(server):
    tries = shell("for map in projid_map uid_map gid_map setgroups; do echo 0 0 1 >/proc/self/$map && echo $map; done; cat /proc/self/projid_map")
    step = server.run(tries)["steps"][0]
    assert step["stdout"] == ""
    assert step["stderr"].count("Read-only file system") == 4


@pytest.fixture
def half_a_processor():
    """A group with a quota of its own in each hierarchy of version 1, by its name."""
    name = f"kiln-docker-{os.getpid()}-quota"  # as ./check knows groups of tests
    folders = [folder / name for folder in map(host.CGROUP_ROOT.joinpath, ("cpu", "cpuacct", "memory", "pids")) if folder.is_dir()]
    if len(folders) < 4 or not runs_as_root():
        pytest.skip("holds only where kiln runs as root")
    for folder in folders:
        folder.mkdir()
    (folders[0] / "cpu.cfs_quota_us").write_text("50000")
    yield name
    for folder in folders:
        folder.rmdir()


def test_a_limit_of_a_sandbox_that_failed_is_not_the_next_ones(mortal, half_a_processor):
    """Of its groups one that is used again may have its limit, and the kernel refuses another's: what is above cannot be had."""
    server = mortal(cgroup=half_a_processor, pool=False).start()
    for _ in range(4):
        server.run(command("true"))
        failed = server.post({**command("true"), "limits": {"processes": 1, "cpu_percent": 60}}).json()
        assert failed["outcome"] == "engine_error"
        assert text(server.run(shell("for i in 1 2 3 4 5 6; do sleep 0.1 & done; wait; echo all"))) == "all\n"
    server.stop()


@pytest.mark.skipif(not runs_as_root(), reason="holds only where kiln runs as root")
def test_a_burst_leaves_no_groups_behind(mortal):
    """After seconds in which no sandbox was made or ended there is one set for each that lives."""
    server = mortal(parallel=16).start()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: server.run(command("sleep", "0.1")), range(48)))
    host.wait_until(
        lambda: all(len(groups_of(server, one, "k")) <= len(groups_of(server, "memory", "s")) for one in ("pids", "cpu", "cpuacct")),
        20,
        "groups wait for nobody",
    )
    server.stop()


@pytest.mark.skipif(not runs_as_root(), reason="holds only where kiln runs as root")
def test_no_file_of_a_group_that_will_be_removed_is_held_open(server):
    """The kernel would keep the names of what is open when its group goes, for each run, until memory is short."""
    slow = {"image": "host", "steps": [{"name": "build", "command": ["true"]}, {"name": "run", "command": ["sleep", str(seconds(2))]}]}
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.run, slow)
        while not answer.done():
            held = [Path(link) for link in host.opened(server.pid) if link.startswith("/sys/fs/cgroup/")]
            assert [file for file in held if "." in file.name] == []
            time.sleep(0.05)
        assert answer.result()["outcome"] == "ok" and held


# As many children as it may have, two dozen at most.
FORK = """
import os, time
children = 0
try:
    while children < 24:
        if os.fork() == 0:
            time.sleep(60)
        children += 1
except BlockingIOError:
    pass
print(children)
"""


def test_a_run_s_limit_of_processes_is_its_own_whatever_the_last_one_had(server):
    """One sandbox after the other, with few processes and with many, refused ones among them."""
    for _ in range(5):
        few = server.run(command("python3", "-c", FORK, limits={"processes": 4}))["steps"][0]
        one = server.run(command("true", limits={"processes": 4}))["steps"][0]
        many = server.run(command("python3", "-c", FORK, limits={"processes": 40}))["steps"][0]
        none = server.run(command("true", limits={"processes": 1}))["steps"][0]
        assert (few["stdout"], many["stdout"]) == ("3\n", "24\n")
        assert [step["outcome"] for step in (one, many, none)] == ["ok"] * 3
        assert [step["processes_peak"] for step in (one, none)] == [1, 1]


def test_the_counters_of_one_run_are_not_those_of_the_next(server):
    busy = shell("for i in $(seq 12); do sleep 2 & done; wait; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")
    first = server.run(busy)["steps"][0]
    server.run(shell("for i in $(seq 40); do sleep 0.2 & done; wait", limits={"processes": 20}))
    after = [server.run(command("true"))["steps"][0] for _ in range(12)]
    assert first["processes_peak"] > 10
    assert [step["outcome"] for step in after] == ["ok"] * 12
    assert max(step["processes_peak"] for step in after) == 1
    assert max(step["cpu_ms"] for step in after) < first["cpu_ms"] + 100


# Fills each budget of a uid that outlives a process until the kernel refuses, and leaves all of it as it is.
TAKE_ALL = """
import ctypes, errno, os, signal
libc = ctypes.CDLL(None, use_errno=True)
queues = 0
small = (ctypes.c_long * 8)(0, 4, 64)
while libc.mq_open(b"/q%d" % queues, os.O_CREAT | os.O_RDWR, 0o600, small) >= 0:
    queues += 1
print("queues", queues, errno.errorcode[ctypes.get_errno()])
watchers = 0
while libc.inotify_init() >= 0:
    watchers += 1
print("watchers", watchers, errno.errorcode[ctypes.get_errno()])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
signals = 0
while libc.sigqueue(os.getpid(), int(signal.SIGRTMIN), None) == 0:
    signals += 1
print("signals", signals, errno.errorcode[ctypes.get_errno()])
"""


def test_what_one_run_takes_of_its_uid_s_budgets_the_next_ones_have_again(server):
    """As quickly as they can be asked for: what the kernel gives back late is not what the next one is given."""
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(lambda _: text(server.run(command("python3", "-c", TAKE_ALL, limits={"wall_ms": 60000}))), range(2 * TURNS)))
    assert set(seen) == {seen[0]}
    assert all(f"{name} 0" not in seen[0] for name in ("queues", "watchers", "signals"))


# With every capability, in the mounts of a sandbox: out of its root in both ways there are, and what can be seen then.
GO_OUT = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def show(word):
    found = os.listdir("/")
    for name in ("etc", "root", "scratch"):
        found += ["%s/%s" % (name, below) for below in (os.listdir("/" + name) if name in found else ())]
    os.write(out, (word + " " + " ".join(found) + "\\n").encode())
out = os.dup(1)
mounts = os.open("/proc/%s/ns/mnt" % sys.argv[1], os.O_RDONLY)
check(libc.setns(mounts, 0x20000))
show("inside")
root = os.open("/", os.O_RDONLY)
os.chroot("/tmp")
os.fchdir(root)
for _ in range(64):
    os.chdir("..")
os.chroot(".")
show("above")
check(libc.setns(mounts, 0x20000))
check(libc.umount2(b"/", 2))
check(libc.setns(mounts, 0x20000))
show("beneath")
"""


@pytest.mark.skipif(not runs_as_root(), reason="holds only where kiln runs as root")
def test_beneath_the_root_of_a_sandbox_nothing_is(server):
    """The root is the uppermost mount and not the only one: who took it away would find two empty folders, who climbs out of it comes back into it."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.run, shell("exec -a kiln-beneath sleep 10"))
        host.wait_until(lambda: host.processes_with("kiln-beneath"), 30, "the run never started")
        pid = min(host.processes_with("kiln-beneath"))
        words = [sys.executable, "-c", GO_OUT, str(pid)]
        told = Path(f"/proc/{pid}/mountinfo").read_text("utf-8")
        seen = subprocess.run(words, capture_output=True, text=True, timeout=seconds(20), check=False)
        running.result(seconds(30))  # however a run ends that has lost its files
    assert seen.returncode == 0, seen.stderr
    lines = dict(line.partition(" ")[::2] for line in seen.stdout.splitlines())
    assert "etc/passwd" in lines["inside"].split()
    assert lines["above"] == lines["inside"]  # who climbs comes to what is mounted uppermost
    assert set(lines["beneath"].split()) == {"root", "scratch"}
    assert "shared:" not in told and "master:" not in told and "propagate_from:" not in told


class ServerWithAnother(Server):
    """In a mount namespace of its own, in which `file` of the host shows `text`."""

    def __init__(self, file, content, **settings):
        super().__init__(**settings)
        self.file, self.content = file, content

    def command(self):
        first = self.home.write("first", self.content)
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind "$1" "$2"; shift 2; exec "$@"']
        return [*enter, "sh", str(first), self.file, *super().command()]

    def replace(self, content):
        second = self.home.write("second", content)
        words = ["nsenter", "--mount", "--target", str(self.process.pid), "mount", "--bind", str(second), self.file]
        subprocess.run(words, check=True, timeout=seconds(20))


@pytest.mark.skipif(not runs_as_root(), reason="holds only where kiln runs as root")
def test_a_table_of_libraries_that_changes_is_seen_by_the_sandboxes_made_then():
    home = Home()
    server = ServerWithAnother("/etc/ld.so.cache", "one table", home=home, pool=False)
    try:
        server.start()
        look = command("cat", "/etc/ld.so.cache")
        assert text(server.run(look)) == "one table"
        server.replace("another one")
        assert text(server.run(look)) == "another one"
    finally:
        server.stop()
        home.cleanup()


def test_nothing_of_the_host_is_among_the_mounts_of_a_sandbox(server):
    """Not even out of reach: mountinfo tells of what is covered, too."""
    told = text(server.run(command("cat", "/proc/self/mountinfo")))
    kinds = {line.partition(" - ")[2].split()[0] for line in told.splitlines()}
    if runs_as_root():
        assert kinds <= {"overlay", "tmpfs", "proc"}
    assert "proc" in kinds


# Locks all that has an inode which the template or the host could share, holds it for a while, tells what was locked already.
LOCK_ALL = """
import fcntl, glob, os, time
names = ["/", *glob.glob("/*"), *glob.glob("/etc/*"), *glob.glob("/dev/[DEVICES]*"), *glob.glob("/etc/alternatives/a*"), *glob.glob("/proc/self/ns/*"), "/usr/bin/env"]
held, refused, seen = [], [], set()
for name in names:
    try:
        held.append(os.open(name, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        continue
    inode = os.fstat(held[-1])
    if (inode.st_dev, inode.st_ino) in seen:
        continue
    seen.add((inode.st_dev, inode.st_ino))
    try:
        fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        refused.append((name, error.errno))
time.sleep(3)
print(len(seen) > 30, refused)
"""


def test_no_lock_of_one_sandbox_is_seen_in_another(server):
    """Not on what comes out of the template, nor on devices, nor on namespaces: three at the same time have all of them."""
    # Who may make no devices binds the host's.
    program = LOCK_ALL.replace("[DEVICES]", "" if runs_as_root() else "[!nzfru]")
    with ThreadPoolExecutor(3) as pool:
        seen = list(pool.map(lambda _: text(server.run(command("python3", "-c", program, limits={"wall_ms": 60000}))), range(3)))
    assert seen == ["True []\n"] * 3
