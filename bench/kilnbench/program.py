"""The program kiln: asking it, measuring with it, and servers of it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
RESULTS = TOP / "bench" / "results"
START_S, STOP_S = 60, 60

# The control group below which everything measured makes its own, as priority.first() says; "": wherever it likes.
parent_group = ""


def group_flags():
    return [f"--cgroup={parent_group}"] if parent_group else []


class Unmeasured(Exception):
    """Why something could not be measured here."""


def kiln():
    return os.environ.get("KILN_BIN", str(TOP / "build" / "kiln"))


def environment():
    """Without settings of the caller's, so that a result depends on what stands in it; state apart from the machine's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KILN_")}
    return {**kept, "KILN_STATE_DIR": os.environ.get("KILN_STATE_DIR", "/tmp/kiln-bench-state"), "LC_ALL": "C.UTF-8"}


def setting_exists(name):
    """True when `kiln help serve` lists the setting, given as a flag without its dashes."""
    done = subprocess.run([kiln(), "help", "serve"], capture_output=True, text=True, check=True)
    return re.search(rf"^ *--{re.escape(name)}\b", done.stdout, re.M) is not None


def measure(*args, timeout=3600):
    """The report of `kiln bench` with these arguments. Unmeasured, with its sentence, when it could not make one."""
    command = [kiln(), "bench", "--json", *map(str, args), *group_flags()]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=timeout)
    if done.returncode != 0:
        raise Unmeasured((done.stderr.strip() or f"exit code {done.returncode}").removeprefix("kiln: "))
    return json.loads(done.stdout)


def subject(report, name):
    """One of a report's subjects, which did not fail."""
    found = next((one for one in report["subjects"] if one["name"] == name), None)
    if found is None:
        raise Unmeasured(f"{name} is not in the report")
    if "failed" in found:
        raise Unmeasured(found["failed"])
    return found


def languages():
    done = subprocess.run([kiln(), "languages", "--json"], capture_output=True, text=True, check=True, env=environment())
    return json.loads(done.stdout)["languages"]


class Server:
    """A `kiln serve` on a free port of the loopback. Settings as keyword arguments, named as in kiln.conf; `state` is a folder
    for its state alone."""

    def __init__(self, cpus=None, state=None, **settings):
        self.flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()] + group_flags()
        self.cpus = cpus
        self.environment = {**environment(), **({"KILN_STATE_DIR": state} if state else {})}
        self.log = tempfile.TemporaryFile("w+")
        self.process = None
        self.url = None

    def __enter__(self):
        pinned = ["taskset", "-c", self.cpus] if self.cpus else []
        self.process = subprocess.Popen([*pinned, kiln(), "serve", "--listen=127.0.0.1:0", *self.flags], env=self.environment,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd="/")
        end = time.monotonic() + START_S
        while not self.url:
            found = re.search(r"listening on (http://[0-9.:]+)", self.text())
            if found:
                self.url = found[1]
            elif self.process.poll() is not None or time.monotonic() > end:
                text = self.text().strip()
                self.__exit__()
                raise Unmeasured(f"kiln serve {' '.join(self.flags)} did not start: {text[-300:]}")
            else:
                time.sleep(0.02)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_S)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()

    @property
    def pid(self):
        """The keeper's: the main process of the service."""
        return self.process.pid

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.loads(answer.read())

    def status(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def post(self, document):
        request = urllib.request.Request(self.url + "/v1/runs", json.dumps(document).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.loads(answer.read())

    def ready(self):
        """How many waiting sandboxes the node says that it has."""
        return sum(pool.get("ready", 0) for pool in self.get("/v1/node")["pools"])

    def wait_ready(self, count, timeout=120):
        end = time.monotonic() + timeout
        while (ready := self.ready()) < count:
            if time.monotonic() > end:
                raise Unmeasured(f"the pool holds {ready} sandboxes after {timeout} s, not {count}")
            time.sleep(0.1)


@contextlib.contextmanager
def request_file(document):
    """The document in a file, for --request and --post."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", prefix="kiln-bench-") as file:
        json.dump(document, file)
        file.flush()
        yield file.name


def command_request(*command, **fields):
    return {"image": "host", "steps": [{"name": "run", "command": list(command)}], **fields}
