"""A `kiln serve` under test, from start to a clean end."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from kilntest import host, http
from kilntest.settings import CANARY, KILN, runs_as_root, seconds, test_user

# Sandboxes of one kind that a server under test holds ready: a stock that grows with its use is no leak, but looks so.
STOCK = 2

# The service notices the death of its front and has a new one within this.
RESTART_S = 15


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clean_environment(home, runtime):
    """What kiln is started with: nothing of the tester's own but the path, and a canary that must never be seen."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_RUNTIME_DIR": str(runtime),
        "LANG": "C.UTF-8",
        "BOXTEST_CANARY": CANARY,
    }


# Settings that every server under test has besides its own: those of the engine that is tested.
ENGINE_SETTINGS = {}
# The daemon behind it, if it has one (kilntest.docker).
ENGINE_DAEMON = []


class Home:
    """A folder with home, state and run-time folders that belong to whom kiln runs as."""

    def __init__(self):
        self.keep = tempfile.TemporaryDirectory(prefix="kiln-test-")
        self.path = Path(self.keep.name)
        os.chmod(self.path, 0o755)
        self.home = self.path / "home"
        self.runtime = self.path / "run"
        user = test_user()
        for folder in (self.home, self.runtime):
            folder.mkdir(mode=0o700)
            if user:
                os.chown(folder, user.pw_uid, user.pw_gid)

    def environment(self):
        environment = clean_environment(self.home, self.runtime)
        if runs_as_root():
            environment["KILN_STATE_DIR"] = str(self.path / "state")  # not the machine's own /var/lib/kiln
        return environment

    def write(self, name, text):
        path = self.path / name
        path.write_text(text)
        os.chmod(path, 0o644)
        return path

    def cleanup(self):
        self.keep.cleanup()


def identity():
    """Popen arguments that make the child the ordinary user, when one was asked for."""
    user = test_user()
    if not user:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class Server:
    """One server. Settings are keyword arguments with the names of kiln.conf; `tokens` is a list of secrets."""

    spawned = []  # all of them

    def __init__(self, listen=None, tokens=(), flags=(), home=None, **settings):
        self.own_home = home is None
        self.home = home or Home()
        self.port = free_port()
        self.token = tokens[0] if tokens else None
        self.settings = {"pool_max": STOCK, **ENGINE_SETTINGS, **settings}
        self.flags = list(flags)
        self.listen = listen or f"127.0.0.1:{self.port}"
        self.config = None
        self.tokens = tokens
        self.process = None
        self.log_path = self.home.path / f"log-{self.port}"

    def config_text(self):
        document = dict(self.settings)
        if self.tokens:
            document["tokens"] = {f"tenant{i}": token for i, token in enumerate(self.tokens)}
        return json.dumps(document) + "\n"  # JSON is YAML

    def command(self):
        self.config = self.home.write(f"kiln-{self.port}.conf", self.config_text())
        return [str(KILN), "serve", "--config", str(self.config), "--listen", self.listen, *self.flags]

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                env=self.home.environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **identity(),
            )
        self.spawned.append(self)
        return self

    def start(self):
        self.spawn()
        self.wait_ready(20 if not ENGINE_SETTINGS else 60)
        return self

    def wait_ready(self, timeout):
        host.wait_until(self.is_ready_or_dead, timeout, lambda: f"the server is not ready:\n{self.log()[-4000:]}")
        assert self.process.poll() is None, f"the server ended by itself:\n{self.log()[-4000:]}"

    def is_ready_or_dead(self):
        return self.process.poll() is not None or self.is_ready()

    def is_ready(self):
        try:
            return http.request(self.port, "GET", "/ready", timeout=2).status == 200
        except OSError:
            return False

    def log(self):
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    @property
    def pid(self):
        return self.process.pid

    def front_pid(self):
        """The process that speaks HTTP: below the main one, in the host's pid namespace."""
        inodes = host.listening_inodes(self.port)
        outside = [pid for pid in host.descendants(self.pid) if not host.in_nested_namespace(host.status_of(pid))]
        holders = [pid for pid in outside if host.holds_socket(pid, inodes)]
        # An ordinary user sees no descriptors of the front, which may not be dumped, and those of all others.
        hidden = [pid for pid in outside if not host.shows_descriptors(pid)]
        candidates = holders or hidden or outside
        assert candidates, f"{self.pid} has no front below it"
        return candidates[0]

    def kill_front(self, unseen=False):
        """`unseen`: while the keeper stands still, so that it hears of the closed socket and of the death at the same moment."""
        front = self.front_pid()
        if unseen:
            os.kill(self.pid, signal.SIGSTOP)
        os.kill(front, signal.SIGKILL)
        host.wait_until(lambda: not host.is_alive(front), 10, "the front does not die")
        if unseen:
            os.kill(self.pid, signal.SIGCONT)

    def sandboxed(self):
        """Processes in sandboxes; with containers in those of all servers, for they are their daemon's children."""
        if ENGINE_DAEMON:
            return host.contained_below(ENGINE_DAEMON[0].outer.pid)
        return host.sandboxed_below(self.pid)

    def own_processes(self):
        """The processes of kiln itself: the main one and those below that are not in a sandbox."""
        below = host.descendants(self.pid)
        return [self.pid] + [pid for pid in below if not host.in_nested_namespace(host.status_of(pid))]

    def request(self, method, path, body=None, headers=None, timeout=60):
        headers = dict(headers or {})
        if self.token and "Authorization" not in headers:
            headers["Authorization"] = f"Bearer {self.token}"
        return http.request(self.port, method, path, body, headers, timeout)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, document, timeout=60):
        body = document if isinstance(document, (bytes, str)) else json.dumps(document)
        body = body.encode() if isinstance(body, str) else body
        return self.request("POST", "/v1/runs", body, {"Content-Type": "application/json"}, timeout)

    def run(self, document, timeout=60):
        """The result of a run that must be accepted."""
        answer = self.post(document, timeout)
        assert answer.status == 200, answer
        result = answer.json()
        assert result["outcome"] != "engine_error", result
        return result

    def refuse(self, document, status, field=None):
        """The error of a request that must be refused with this status, naming this field."""
        answer = self.post(document)
        assert answer.status == status, answer
        error = answer.error()
        if field is not None:
            assert error.get("field") == field, error
        return error

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout=30):
        return self.process.wait(seconds(timeout))

    def stop(self):
        """SIGTERM, exit code 0, and nothing of it left. Where that fails, it is over all the same."""
        everything = [self.pid, *host.descendants(self.pid)]
        self.terminate()
        try:
            code = self.wait()
            assert code == 0, f"exit code {code} after SIGTERM:\n{self.log()[-4000:]}"
            host.wait_until(lambda: not [p for p in everything if host.is_alive(p)], 5, "processes are left after the end")
        finally:
            self.kill()

    def end(self):
        """What a fixture does behind its tests: one that did not start, or that they have ended, has nothing to show any more."""
        if self.process and self.process.poll() is None:
            self.stop()

    def kill(self, everything=True):
        """For tests whose server is meant to die, and for cleaning up after a failed one."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if everything:
            self.close()

    def close(self):
        if self.own_home:
            self.home.cleanup()


def settle(server, before, allowed, timeout=6):
    """Waits until a snapshot() of the server is within `allowed` of `before`."""
    end = time.monotonic() + seconds(timeout)
    while True:
        now = snapshot(server)
        grown = {key: now[key] - before[key] for key in allowed if now[key] - before[key] > allowed[key]}
        if not grown:
            return now
        if time.monotonic() > end:
            raise AssertionError(f"grown beyond {allowed}: {grown} (from {before} to {now})")
        time.sleep(0.1)


def is_stocked(server):
    return all(kind["ready"] >= kind["target"] and not kind["making"] for kind in server.get("/v1/node").json()["pools"])


def snapshot(server):
    """What kiln holds now, all its processes together, when its stock of sandboxes is complete."""
    host.wait_until(lambda: is_stocked(server), 20, "the pool does not come to rest")
    own = server.own_processes()
    return {
        "memory": sum(map(host.memory_bytes, own)),
        "descriptors": sum(map(host.descriptors, own)),
        "threads": sum(map(host.threads, own)),
        "processes": len(host.descendants(server.pid)),
        "mounts": host.mounts() + sum(map(host.mounts, own)),
        "cgroups": len(host.cgroups_of(server.pid)),
    }
