"""A real dockerd that leaves nothing behind, and images made from this machine's own files: one of kiln, and one to run programs in.

The daemon lives in namespaces of its own: what it starts ends with it, what it mounts is gone with it, its bridge is on no
network of this machine. Data, socket and pid file are in a temporary folder, its cgroups below one with a name of its own.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tarfile
import tempfile
import threading
import time
from pathlib import Path

from kilntest import host
from kilntest.settings import ENGINE, KILN, ROOT, runs_as_root, seconds

# What the image is made of beside kiln and its libraries: packages of this machine, with all that they depend on.
PACKAGES = "bash coreutils curl dash grep libmagic-mgc mount procps python3-minimal uidmap util-linux".split()
NOT_NEEDED = re.compile(r"/usr/share/(doc|man|locale|info|lintian|i18n|bash-completion)/|.*\.pyc$")
TO_COMPILE = re.compile(r".*\.[ah]$")
KILN_UID = 10001
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

PASSWD = f"root:x:0:0::/root:/bin/sh\nkiln:x:{KILN_UID}:{KILN_UID}::/home/kiln:/bin/sh\n"
GROUP = f"root:x:0:\nkiln:x:{KILN_UID}:\n"
TEXTS = {"etc/passwd": PASSWD, "etc/group": GROUP, "etc/subuid": "kiln:100000:65536\n", "etc/subgid": "kiln:100000:65536\n"}
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
FOLDERS = {"proc": 0o555, "sys": 0o555, "dev": 0o755, "etc/alternatives": 0o755, "root": 0o700, "run": 0o755}
FOLDERS |= {"tmp": 0o1777, "var/tmp": 0o1777, "home/kiln": 0o755}
# What the image to run programs in is made of, and what the suite of the API asks of it beyond.
RUN_PACKAGES = "bash busybox-static coreutils dash findutils grep procps python3-minimal sed util-linux".split()
LANGUAGE_PACKAGES = RUN_PACKAGES + "diffutils g++ gcc libc6-dev make ncurses-base nodejs perl python3 ruby".split()
SERVICE_PACKAGES = {"postgresql": "/usr/lib/postgresql", "redis-server": "/usr/bin/redis-server", "python3-psycopg2": "/usr/lib/python3/dist-packages/psycopg2"}
RUN_IMAGE = "kiln-run"
# What runs say that their image was, where languages and requests name `host`.
HOST_IMAGE = "host" if ENGINE == "native" else RUN_IMAGE
CAP_SETGID, CAP_SETUID = 6, 7
# As the Dockerfile has it: a capability of the file in place of setuid root.
CAPABLE = {"usr/bin/newuidmap": CAP_SETUID, "usr/bin/newgidmap": CAP_SETGID}

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


def names(field):
    """The package names of a Depends or Provides field: a list of alternatives for each."""
    groups = [group.split("|") for group in field.split(",") if group.strip()]
    return [[re.split(r"[ :(]", name.strip())[0] for name in group] for group in groups]


def installed_with_dependencies(wanted):
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}\t${Package}\t${Provides}\t${Pre-Depends},${Depends}\n"]
    depends, provider = {}, {}
    for line in subprocess.run(query, check=True, capture_output=True, text=True).stdout.splitlines():
        status, package, provides, needs = line.split("\t")
        if status == "installed":
            depends[package] = names(needs)
            provider.update({package: package}, **{name: package for group in names(provides) for name in group})
    found, todo = set(), list(wanted)
    while todo:
        package = provider[todo.pop()]
        if package not in found:
            found.add(package)
            todo += [next(name for name in group if name in provider) for group in depends[package]]
    return sorted(found)


def libraries_of(program):
    """The shared libraries that it is loaded with, as links and as what these lead to."""
    listing = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    paths = re.findall(r"=> (/\S+)", listing)
    return {*paths, *map(os.path.realpath, paths)}


def service_packages():
    """What services of sessions are made of, and what judges traffic lights, as far as this machine has it."""
    return [package for package, path in SERVICE_PACKAGES.items() if Path(path).exists()]


def files_of(packages, programs=()):
    """What the packages have below /usr, under the names of a merged system: no folders, they come by themselves."""
    listing = subprocess.run(["dpkg-query", "-L", *packages], check=True, capture_output=True, text=True).stdout
    names = {*listing.splitlines(), *(path for program in programs for path in libraries_of(program))}
    compiles = "libc6-dev" in packages
    for name in sorted({re.sub(r"^/(bin|sbin|lib|lib64)/", r"/usr/\1/", name) for name in names}):
        path = Path(name)
        if name.startswith("/usr/") and not NOT_NEEDED.match(name) and (compiles or not TO_COMPILE.match(name)) and (path.is_symlink() or path.is_file()):
            yield path


def file_capability(number):
    """The extended attribute of a program that gets one capability, effective: capabilities(7)."""
    data = struct.pack("<5I", 0x02000000 | 1, 1 << number, 0, 0, 0)
    return {"SCHILY.xattr.security.capability": data.decode("utf-8", "surrogateescape")}


def write_image(stream, packages=PACKAGES, with_kiln=True, more_links=None):
    """The root file system as a tar archive."""
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:

        def add_file(path, name, mode=None):
            info = archive.gettarinfo(path, name)
            if name in CAPABLE:
                info.pax_headers = file_capability(CAPABLE[name])
            info.uid = info.gid = 0
            info.mode = mode or info.mode & 0o1777
            if not info.isreg():
                return archive.addfile(info)
            with open(path, "rb") as source:
                return archive.addfile(info, source)

        def add(name, kind, mode=0o755, **more):
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, mode
            for key, value in more.items():
                setattr(info, key, value)
            archive.addfile(info)

        for name, target in {**LINKS, **(more_links or {})}.items():
            add(name, tarfile.SYMTYPE, linkname=target)
        for name, mode in FOLDERS.items():
            owner = KILN_UID if name == "home/kiln" else 0
            add(name, tarfile.DIRTYPE, mode, uid=owner, gid=owner)
        for path in files_of(installed_with_dependencies(packages), [KILN] if with_kiln else []):
            add_file(path, str(path)[1:])
        add_file("/etc/ld.so.cache", "etc/ld.so.cache")
        if not with_kiln:
            # cc and others are of no package.
            links = [path for path in Path("/usr/bin").iterdir() if path.is_symlink() and os.readlink(path).startswith("/etc/alternatives/")]
            for path in sorted([*Path("/etc/alternatives").iterdir(), *links]):
                add_file(path, str(path)[1:])
            return
        add_file(KILN, "usr/bin/kiln", 0o755)
        add_file(ROOT / "packaging/docker/entrypoint", "usr/lib/kiln/entrypoint", 0o755)
        for path in sorted((ROOT / "languages").glob("*.yaml")):
            add_file(path, f"usr/share/kiln/languages/{path.name}")
        with tempfile.TemporaryDirectory() as folder:
            for name, text in TEXTS.items():
                source = Path(folder, "text")
                source.write_text(text)
                add_file(source, name, 0o644)


class Docker:
    """The daemon and its client. Used as a context: at its end nothing of it is left, or that fails.

    It gets one image: kiln's own, or, of `packages`, RUN_IMAGE without kiln. `runtimes`: name to program. `options`: makes more of
    dockerd's, in its folder. `disk`: as mount(8) has it, of what it keeps. `links`: name to target, in the image to run programs in.
    """

    program, inside = "dockerd", DOCKERD

    def __init__(self, packages=None, runtimes=None, options=None, disk=None, links=None):
        self.packages = packages
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
            if self.packages:
                self.import_image(RUN_IMAGE, lambda stream: write_image(stream, self.packages, with_kiln=False, more_links=self.links))
            else:
                self.import_image("kiln", write_image, "--change", 'ENTRYPOINT ["/usr/lib/kiln/entrypoint"]')
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

    def import_image(self, name, write, *options):
        command = ["docker", "import", *options, "-", name]
        importing = subprocess.Popen(command, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        with importing.stdin as stream:
            write(stream)
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
