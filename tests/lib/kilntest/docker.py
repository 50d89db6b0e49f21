"""A real dockerd that leaves nothing behind, with an image in it: kiln's own, or one to run programs in.

The daemon lives in namespaces of its own: what it starts ends with it, what it mounts is gone with it, its bridge is on no
network of this machine. Data, socket and pid file are in a temporary folder, its cgroups below one with a name of its own.
"""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from kilntest import docker_images, host
from kilntest.settings import ENGINE, ROOT, runs_as_root, seconds

RUN_IMAGE = "kiln-run"
# What runs say that their image was, where languages and requests name `host`.
HOST_IMAGE = "host" if ENGINE == "native" else RUN_IMAGE
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# The first process of the namespaces, $1 the daemon's folder, $2 its cgroups. Docker's folders that no option moves are covered.
DOCKERD = """
mount --make-rprivate / && ip link set lo up || exit
for folder in /etc/docker /run/docker /run/containerd /opt/containerd; do
    mkdir -p "$folder" && mount -t tmpfs tmpfs "$folder" || exit
done
[ -e "$1/daemon.json" ] || echo '{}' >"$1/daemon.json"
[ ! -e "$1/disk" ] || { mkdir "$1/data" && mount -t tmpfs -o "size=$(cat "$1/disk")" tmpfs "$1/data"; } || exit
run() {
    dockerd --config-file "$1/daemon.json" --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" \
    --host "unix://$1/socket" --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
    --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$2" $(cat "$1/options") >>"$1/log" 2>&1
}
"""
# Podman's own cgroups have one name on every machine: it sees $2 in the place of each hierarchy. crun works with both versions of
# cgroups, but not where there are both. What Podman asks the packages of its programs for takes half a minute of a busy machine.
PODMAN = """
mount --make-rprivate / && ip link set lo up || exit
umount /sys/fs/cgroup/unified 2>/dev/null
for folder in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [ -e "$folder/cgroup.procs" ] || continue
    mkdir "$folder/$2" || exit
    for file in cpuset.cpus cpuset.mems; do
        [ ! -e "$folder/$file" ] || cat "$folder/$file" >"$folder/$2/$file"
    done
    mount --bind "$folder/$2" "$folder" || exit
done
for folder in /run/libpod /run/crun /run/containers /run/netns /var/lib/cni /var/lib/dpkg /dev/shm; do
    mkdir -p "$folder" && mount -t tmpfs tmpfs "$folder" || exit
done
export CONTAINERS_REGISTRIES_CONF="$1/registries.conf"
run() {
    rm -f "$1/socket"
    podman --root "$1/data" --runroot "$1/exec" --tmpdir "$1/tmp" --cgroup-manager cgroupfs --events-backend none \
    --runtime crun --log-level info system service --time 0 "unix://$1/socket" >>"$1/log" 2>&1
}
"""
# In the foreground, so that the shell reaps the orphans of its containers, which fall to PID 1.
AGAIN_AND_AGAIN = """
run "$@"
while [ -e "$1/again" ]; do
    while [ -e "$1/away" ]; do sleep 0.1; done
    run "$@"
done
"""


def owner_of(server):
    """The label that kiln finds the containers of a server with."""
    machine = Path("/etc/machine-id").read_bytes() if Path("/etc/machine-id").exists() else b""
    return hashlib.sha256(machine + bytes(server.home.path / "state")).hexdigest()[:32]


def containers_of(docker, server, options="--all"):
    return docker.run(f"docker ps {options} --quiet --filter label=kiln.owner={owner_of(server)}").stdout.split()


def volumes_of(docker, server, *kinds):
    """Those that go with the server: files of sessions, and names. (Podman takes the first of several filters that fits.)"""
    prefixes = tuple(f"kiln-{kind}-{owner_of(server)[:16]}-" for kind in kinds or ("session", "names"))
    return [name for name in docker.run("docker volume ls --quiet").stdout.split() if name.startswith(prefixes)]


def nothing_is_left(docker, server):
    host.wait_until(lambda: not containers_of(docker, server), 20, lambda: "containers are left:\n" + docker.run("docker ps --all").stdout)
    host.wait_until(lambda: not volumes_of(docker, server), 30, lambda: f"volumes are left: {volumes_of(docker, server)}")


class Docker:
    """The daemon and its client. Used as a context: at its end nothing of it is left, or that fails.

    `image`: which of kilntest.docker_images it gets, if any: "kiln" by this name, others as RUN_IMAGE, with `links`, name to target.
    `runtimes`: name to program. `options`: makes more of dockerd's, in its folder. `disk`: as mount(8) has it, of what it keeps.
    """

    program, inside = "dockerd", DOCKERD

    def __init__(self, image=None, runtimes=None, options=None, disk=None, links=None):
        self.image = image
        self.links = links
        self.disk = disk
        self.options = options or (lambda folder: [])
        self.runtimes = runtimes or {}
        self.keep = tempfile.TemporaryDirectory(prefix="kiln-docker-")
        self.folder = Path(self.keep.name)
        self.cgroup = f"kiln-docker-{os.getpid()}"
        self.environment = dict(os.environ, PATH=PATH, DOCKER_HOST=f"unix://{self.folder}/socket")
        self.environment["DOCKER_CONFIG"] = str(self.folder)
        self.outer = None

    def __enter__(self):
        document = {"runtimes": {name: {"path": path, "runtimeArgs": args} for name, (path, *args) in self.runtimes.items()}}
        (self.folder / "daemon.json").write_text(json.dumps(document))
        if self.disk:
            (self.folder / "disk").write_text(self.disk)
        (self.folder / "options").write_text(" ".join(self.options(self.folder)))
        isolated = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc"]
        try:
            self.outer = subprocess.Popen(
                [*isolated, "/bin/sh", "-c", self.inside + AGAIN_AND_AGAIN, self.program, self.folder, self.cgroup],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            host.wait_until(self.answers_or_ended, 60, lambda: f"{self.program} does not answer:\n{self.log()}")
            assert self.outer.poll() is None, f"{self.program} ended by itself:\n{self.log()}"
            if self.image:
                self.import_image()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def log(self):
        path = self.folder / "log"
        return path.read_text("utf-8", "replace")[-4000:] if path.exists() else ""

    def answers_or_ended(self):
        return self.outer.poll() is not None or self.run("docker version", check=False).returncode == 0

    def import_image(self):
        name, options = RUN_IMAGE, []
        if self.image == "kiln":
            name, options = "kiln", ["--change", 'ENTRYPOINT ["/usr/lib/kiln/entrypoint"]']
        command = ["docker", "import", *options, "-", name]
        importing = subprocess.Popen(command, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        with importing.stdin as stream:
            docker_images.write(stream, self.image, self.links)
        assert importing.wait(seconds(180)) == 0, self.log()

    @property
    def socket(self):
        return f"unix://{self.folder}/socket"

    def daemon_pid(self):
        """The daemon itself, as this namespace sees it."""
        first = self.first_process()
        return next((pid for pid in host.children(first[0]) if host.name_of(pid) == self.program), None) if first else None

    def kill_daemon(self):
        """As a crash would, its containers' processes stay. bring_back() starts it again."""
        (self.folder / "again").touch()
        (self.folder / "away").touch()
        pid = self.daemon_pid()
        os.kill(pid, signal.SIGKILL)
        host.wait_until(lambda: not host.is_alive(pid), 10, f"{self.program} does not die")

    def bring_back(self):
        (self.folder / "away").unlink()
        host.wait_until(self.answers_or_ended, 60, lambda: f"{self.program} does not come back:\n{self.log()}")

    def fill_disk(self):
        """What it keeps has no room left; again, when something has gone since."""
        for size in ("64k", "4k"):
            self.in_its_mounts(f"dd if=/dev/zero of={self.folder}/data/fill bs={size} oflag=append conv=notrunc 2>/dev/null || true")

    def free_disk(self):
        self.in_its_mounts(f"rm {self.folder}/data/fill")

    def in_its_mounts(self, script):
        subprocess.run(["nsenter", "--mount", "--target", str(self.first_process()[0]), "/bin/sh", "-euc", script], check=True, timeout=seconds(60))

    def containers(self):
        return self.run("docker ps --all --quiet --no-trunc").stdout.split()

    def run(self, script, check=True, timeout=120, **more):
        """A shell script as somebody would type it on the daemon's machine, in the top folder of the sources."""
        command = [word for pid in self.first_process() for word in ("nsenter", "--net", "--target", str(pid))]
        done = subprocess.run(
            [*command, "/bin/sh", "-euc", script],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=seconds(timeout), **more,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}{self.log()}"
        return done

    def first_process(self):
        """PID 1 of the daemon's namespaces; empty before it is there."""
        return host.descendants(self.outer.pid)[:1] if self.outer and self.outer.poll() is None else []

    def close(self):
        # The kernel kills what else is in the pid namespace, containers too, and lets its parent see the end only then.
        for pid in self.first_process():
            os.kill(pid, signal.SIGKILL)
        if self.outer:
            self.outer.wait(seconds(30))
        for path in sorted(host.CGROUP_ROOT.glob(f"*/{self.cgroup}")) + [host.CGROUP_ROOT / self.cgroup]:
            for folder, _, _ in os.walk(path, topdown=False):
                host.wait_until(lambda: self.removed(folder), 10, f"{folder} is not empty")
        self.keep.cleanup()

    @staticmethod
    def removed(folder):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


class Podman(Docker):
    """Podman's service, which speaks the same API, with crun; Docker's client is good for it too."""

    program, inside = "podman", PODMAN

    def __enter__(self):
        (self.folder / "registries.conf").write_text('[[registry]]\nlocation = "127.0.0.1"\ninsecure = true\n')
        return super().__enter__()


DAEMONS = {"dockerd": Docker, "podman": Podman}

# gVisor's runtime, by the daemon's name for it: program and arguments. A network it refuses to make in a namespace like this daemon's.
GVISOR = {"runsc": ["/usr/bin/runsc", "--network=none"]}
# Debian's own ls and stat ask its statx(2) for what it refuses; without them nothing would be seen of modes and owners.
GVISOR_LINKS = {f"usr/local/bin/{name}": "/usr/bin/busybox" for name in ("ls", "stat")}


def absent(name):
    """Why a daemon of this name cannot be tested here; or None."""
    if not runs_as_root():
        return "holds only where kiln runs as root"
    if not all(shutil.which(program, path=PATH) for program in ("docker", name)):
        return f"there is no {name} here"
    return None


def absent_gvisor():
    """The same of a daemon that runs containers under gVisor."""
    return absent("dockerd") or (None if Path(GVISOR["runsc"][0]).exists() else "there is no runsc here")


class SlowDaemon:
    """A socket in front of a daemon's: whatever is said to the daemon comes `delay_s` later, or while it is `held` not at all."""

    def __init__(self, docker):
        self.target, self.path = f"{docker.folder}/socket", f"{docker.folder}/slow"
        self.delay_s, self.held, self.over = 0, False, False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                ours = self.listener.accept()[0]
            except OSError:
                return
            theirs = socket.socket(socket.AF_UNIX)
            theirs.connect(self.target)
            threading.Thread(target=self.copy, args=(ours, theirs, self.wait), daemon=True).start()
            threading.Thread(target=self.copy, args=(theirs, ours, lambda: None), daemon=True).start()

    def wait(self):
        time.sleep(self.delay_s)
        while self.held and not self.over:
            time.sleep(0.05)

    def copy(self, source, target, wait):
        try:
            while data := source.recv(65536):
                wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()

    def close(self):
        self.over = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)
