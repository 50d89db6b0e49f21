"""The other sandboxes: for each how to see whether it is here, what must be prepared, and how a job is started in it.

All of them show the program this machine's own /usr, read-only, without network, as far as they can; so it is the same
interpreter out of the same page cache everywhere. What a peer does not limit, it is not asked to.
"""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from kilnbench import program
from kilnbench.program import Unmeasured

ENV = "PATH=/usr/local/bin:/usr/bin:/bin"
LINKS = ("bin", "sbin", "lib", "lib64")
UID = 65534


def need(name):
    path = shutil.which(name)
    if not path:
        raise Unmeasured(f"{name} is not installed")
    return path


def quiet(*command, timeout=300, **options):
    """Runs a command of a preparation; Unmeasured with the end of what it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    if done.returncode != 0:
        raise Unmeasured(f"{command[0]}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


class Peer:
    """One sandbox. `work` is a folder of its own for preparations, `job` has `command` (argv) and `folder` (its files)."""

    name = "?"

    def prepare(self, stack, work):
        """Raises Unmeasured when it is not here; what has to be undone goes on the exit stack."""

    def command(self, job):
        """argv, or a (file, url, expected) of a request."""
        raise NotImplementedError


class Bubblewrap(Peer):
    name = "bubblewrap"

    def prepare(self, stack, work):
        self.program = need("bwrap")

    def command(self, job):
        links = [word for name in LINKS if os.path.islink(f"/{name}") for word in ("--symlink", f"usr/{name}", f"/{name}")]
        return [self.program, "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/usr", "/usr", *links,
                "--ro-bind-try", "/etc/alternatives", "/etc/alternatives", "--proc", "/proc", "--dev", "/dev",
                "--tmpfs", "/tmp", "--ro-bind", job.folder, "/job", "--chdir", "/job", *job.command]


class Nsjail(Peer):
    name = "nsjail"

    def prepare(self, stack, work):
        self.program = need("nsjail")

    def command(self, job):
        links = [word for name in LINKS if os.path.islink(f"/{name}") for word in ("-s", f"/usr/{name}:/{name}")]
        return [self.program, "-Mo", "-Q", "--user", str(UID), "--group", str(UID), "-R", "/usr", *links,
                "-R", "/etc/alternatives", "-R", "/dev/null", "-T", "/tmp", "-R", f"{job.folder}:/job", "--cwd", "/job",
                "-E", ENV, "--rlimit_as", "inf", "--rlimit_fsize", "inf", "--", *job.command]


class Isolate(Peer):
    """A box is made once and used for all runs: making one takes its time, too."""

    name = "isolate"

    def prepare(self, stack, work):
        self.program = need("isolate")
        quiet(self.program, "--box-id=97", "--init")
        stack.callback(subprocess.run, [self.program, "--box-id=97", "--cleanup"], capture_output=True)

    def command(self, job):
        return [self.program, "--box-id=97", "--silent", "--processes=64", f"--dir=job={job.folder}", "--dir=tmp:tmp",
                "--chdir=/job", f"--env={ENV}", "--run", "--", *job.command]


class Oci(Peer):
    """runc, crun and runsc: a bundle for each job, run anew each time."""

    options = ()

    def __init__(self, name, *options):
        self.name = name
        self.options = options

    def prepare(self, stack, work):
        self.program = need(self.name)
        self.work = Path(work)
        self.state = self.work / "state"
        self.state.mkdir()

    def command(self, job):
        bundle = self.work / job.name
        root = bundle / "rootfs"
        root_make(root)
        (bundle / "config.json").write_text(json.dumps(oci_config(job, f"{program.parent_group}/kiln-bench-{self.name}")))
        return [self.program, *self.options, "--root", str(self.state), "run", "--bundle", str(bundle), f"kiln-bench-{self.name}"]


def root_make(root):
    for name in ("usr", "etc/alternatives", "proc", "dev", "sys", "tmp", "job"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)  # a tmpfs over it takes its mode on
    for name in LINKS:
        if os.path.islink(f"/{name}") and not (root / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")


def oci_config(job, group):
    read_only = ["rbind", "ro", "nosuid", "nodev"]
    return {
        "ociVersion": "1.0.2",
        "process": {"terminal": False, "user": {"uid": UID, "gid": UID}, "args": job.command, "env": [ENV], "cwd": "/job",
                    "capabilities": {}, "noNewPrivileges": True},
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "bench",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},
            {"destination": "/usr", "type": "bind", "source": "/usr", "options": read_only},
            {"destination": "/etc/alternatives", "type": "bind", "source": "/etc/alternatives", "options": read_only},
            {"destination": "/job", "type": "bind", "source": job.folder, "options": read_only},
        ],
        "linux": {"namespaces": [{"type": name} for name in ("pid", "network", "ipc", "uts", "mount")],
                  "cgroupsPath": group, "resources": {"memory": {"limit": 256 << 20}, "pids": {"limit": 64}}},
    }


class Docker(Peer):
    """A daemon of its own, with its own folders and socket, unless DOCKER_HOST names one."""

    DAEMON_S = 60

    def __init__(self, name, *, warm=False, runtime=None):
        self.name = name
        self.warm = warm
        self.runtime = runtime

    def prepare(self, stack, work):
        self.program = need("docker")
        self.host = os.environ.get("DOCKER_HOST") or docker_daemon(stack)
        if self.runtime:
            need(self.runtime)
        root = Path(work) / "rootfs"
        root_make(root)
        packed = subprocess.run(["tar", "-C", root, "-c", "."], capture_output=True, check=True).stdout
        done = subprocess.run([*self.docker(), "import", "-", "kiln-bench"], input=packed, capture_output=True)
        if done.returncode != 0:
            raise Unmeasured(f"docker import: {done.stderr.decode().strip()[-300:]}")
        self.stack = stack

    def docker(self):
        return [self.program, "-H", self.host]

    def limits(self, job):
        runtime = ["--runtime", self.runtime] if self.runtime else []
        return [*runtime, "--network=none", "--read-only", "--tmpfs=/tmp:exec", "--cap-drop=ALL", "--memory=256m",
                "--pids-limit=64", "--security-opt=no-new-privileges", f"--user={UID}", "--volume=/usr:/usr:ro",
                "--volume=/etc/alternatives:/etc/alternatives:ro", f"--volume={job.folder}:/job:ro", "--workdir=/job", f"--env={ENV}"]

    def command(self, job):
        if not self.warm:
            return [*self.docker(), "run", "--rm", *self.limits(job), "kiln-bench", *job.command]
        container = f"kiln-bench-{job.name}"
        quiet(*self.docker(), "run", "--detach", "--rm", "--name", container, *self.limits(job), "kiln-bench", "sleep", "86400")
        self.stack.callback(subprocess.run, [*self.docker(), "rm", "--force", container], capture_output=True)
        return [*self.docker(), "exec", container, *job.command]


class KilnDocker(Peer):
    """kiln's own Docker engine with the same daemon. Its image has the programs in it; as many containers wait as a round has runs."""

    name = "kiln docker"
    IMAGE = "kiln-bench-programs"

    def __init__(self, runs):
        self.runs = runs

    def prepare(self, stack, work):
        sys.path.insert(0, str(program.TOP / "tests" / "lib"))
        from kilntest import docker_images

        self.work = Path(work)
        host = os.environ.get("DOCKER_HOST") or docker_daemon(stack)
        importing = subprocess.Popen([need("docker"), "-H", host, "import", "-", self.IMAGE], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        with importing.stdin as stream:
            docker_images.write(stream, "compilers")
        if importing.wait() != 0:
            raise Unmeasured("docker import failed")
        (self.work / "state").mkdir()
        self.server = stack.enter_context(program.Server(state=str(self.work / "state"), engine="docker", idle_ms="600s", pool_min=self.runs, pool_max=self.runs,
                                                         **{"docker.host": host, "docker.host_image": self.IMAGE}))

    def command(self, job):
        request = program.command_request(*job.command, files=job.files)
        result = self.server.post(request)
        if result["outcome"] != "ok":
            raise Unmeasured(f"kiln docker: {json.dumps(result)[-300:]}")
        self.server.wait_ready(self.runs)
        path = self.work / f"{job.name}.json"
        path.write_text(json.dumps(request))
        return path, f"{self.server.url}/v1/runs", '"outcome":"ok"'


daemons = {}


def docker_daemon(stack):
    """The address of a dockerd for this process; the first who asks starts it, and its stack ends it."""
    if "host" in daemons:
        return daemons["host"]
    need("dockerd")
    work = Path(f"/tmp/kiln-bench-docker-{os.getpid()}")
    work.mkdir()
    stack.callback(shutil.rmtree, work, ignore_errors=True)
    config = work / "daemon.json"
    runsc = shutil.which("runsc")
    config.write_text(json.dumps({"runtimes": {"runsc": {"path": runsc, "runtimeArgs": list(RUNSC)}}} if runsc else {}))
    host = f"unix://{work}/docker.sock"
    parent = ["--cgroup-parent", program.parent_group] if program.parent_group else []
    log = open(work / "log", "w")
    daemon = subprocess.Popen(["dockerd", "--config-file", config, "--data-root", work / "data", "--exec-root", work / "exec",
                               "--pidfile", work / "pid", "-H", host, "--iptables=false", "--ip6tables=false", "--bridge=none", *parent],
                              stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    stack.callback(daemon_stop, daemon)
    for _ in range(Docker.DAEMON_S * 5):
        if subprocess.run(["docker", "-H", host, "version"], capture_output=True).returncode == 0:
            daemons["host"] = host
            stack.callback(daemons.clear)
            return host
        if daemon.poll() is not None:
            break
        time.sleep(0.2)
    raise Unmeasured(f"dockerd does not start: {(work / 'log').read_text().strip()[-300:]}")


def daemon_stop(daemon):
    daemon.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        daemon.wait(30)
    if daemon.poll() is None:
        daemon.kill()
        daemon.wait()


RUNSC = ("--network=none", "--platform=ptrace", "--ignore-cgroups")


class GoJudge(Peer):
    """At a URL, or the program in PATH, which then is started. Its sandboxes are kept and used again."""

    name = "go-judge"

    def __init__(self, url=None):
        self.url = url

    def prepare(self, stack, work):
        self.work = Path(work)
        if self.url:
            return
        path = need("go-judge")
        port = free_port()
        log = open(self.work / "log", "w")
        server = subprocess.Popen([path, "-http-addr", f"127.0.0.1:{port}", "-dir", self.work, "-release", "-cgroup-prefix",
                                   f"{program.parent_group.lstrip('/')}/kiln-bench-go-judge".lstrip("/")],
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.work)
        stack.callback(daemon_stop, server)
        self.url = f"http://127.0.0.1:{port}"
        wait_for(f"{self.url}/version", server, self.work / "log")

    def command(self, job):
        body = {"cmd": [{"args": job.command, "env": [ENV], "cpuLimit": 10_000_000_000, "memoryLimit": 256 << 20, "procLimit": 64,
                         "files": [{"content": ""}, {"name": "stdout", "max": 65536}, {"name": "stderr", "max": 65536}],
                         "copyIn": {name: {"content": text} for name, text in job.files.items()}}]}
        path = self.work / f"{job.name}.json"
        path.write_text(json.dumps(body))
        return path, f"{self.url}/run", '"status":"Accepted"'


class Piston(Peer):
    """At a URL only; it runs languages, not commands."""

    name = "piston"

    def __init__(self, url=None):
        self.url = url

    def prepare(self, stack, work):
        if not self.url:
            raise Unmeasured("no --piston URL")
        self.work = Path(work)
        with urllib.request.urlopen(f"{self.url}/api/v2/runtimes", timeout=10) as answer:
            self.versions = {one["language"]: one["version"] for one in json.load(answer)}

    def command(self, job):
        if job.language not in self.versions:
            raise Unmeasured(f"it has no language for the job {job.name}")
        body = {"language": job.language, "version": self.versions[job.language],
                "files": [{"name": name, "content": text} for name, text in job.files.items()]}
        path = self.work / f"{job.name}.json"
        path.write_text(json.dumps(body))
        return path, f"{self.url}/api/v2/execute", '"code":0'


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url, server, log):
    for _ in range(100):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=5).read()
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise Unmeasured(f"it does not start: {log.read_text().strip()[-300:]}")


def all_peers(go_judge=None, piston=None, runs=5):
    return [Bubblewrap(), Nsjail(), Isolate(), Oci("crun"), Oci("runc"), Oci("runsc", *RUNSC), GoJudge(go_judge), Piston(piston),
            KilnDocker(runs), Docker("docker exec", warm=True), Docker("docker run"), Docker("docker gVisor", runtime="runsc")]


def as_option(name, how):
    """What `kiln bench` is told of a peer's job."""
    if isinstance(how, list):
        return ["--peer", f"{name}={shlex.join(map(str, how))}"]
    path, url, expected = how
    return ["--post", f"{name}={path}={url}", "--expect", expected]
