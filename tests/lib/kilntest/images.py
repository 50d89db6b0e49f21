"""Images of a test's own making, and registries to get them from."""

import ctypes
import hashlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

from kilntest import host
from kilntest.requests import member, tar
from kilntest.server import ENGINE_DAEMON, free_port
from kilntest.settings import seconds

SHELL = Path("/bin/busybox")
CLONE_NEWNET = 0x40000000


def rootfs(more=None):
    """The tar of a root file system with a shell."""
    program = tarfile.TarInfo("bin/busybox")
    program.mode = 0o755
    links = {f"bin/{name}": member(f"bin/{name}", tarfile.SYMTYPE, "busybox") for name in ("sh", "ls", "cat", "id", "env", "stat")}
    return tar({"bin/busybox": (program, SHELL.read_bytes()), **links, **(more or {})})


def oci(layers, **config):
    """An OCI archive."""
    blobs = {}

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    document = {"architecture": machine, "os": "linux", "config": config, "rootfs": {"type": "layers", "diff_ids": [
        "sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]}}
    manifest = {"schemaVersion": 2, "config": blob(json.dumps(document).encode(), "config.v1+json"),
                "layers": [blob(layer, "layer.v1.tar") for layer in layers]}
    index = {"schemaVersion": 2, "manifests": [blob(json.dumps(manifest).encode(), "manifest.v1+json")]}
    return {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode(), **blobs}


def beside_engine():
    """The words before a command that is to stand where what is under test pulls from: beside a daemon, if one is the engine."""
    return ["nsenter", "--net", "--target", str(ENGINE_DAEMON[0].first_process()[0])] if ENGINE_DAEMON else []


def listen_beside_engine():
    """A socket on a free port of the loopback interface there."""
    made = []

    def make():
        if ENGINE_DAEMON:
            # Of this thread alone.
            with open(f"/proc/{ENGINE_DAEMON[0].first_process()[0]}/ns/net", "rb") as net:
                assert ctypes.CDLL(None, use_errno=True).setns(net.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        made.append(socket.create_server(("127.0.0.1", 0)))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


class Registry:
    """A registry of our own (Debian's docker-registry) on loopback, beside the engine. Used as a context."""

    def __init__(self, home):
        if not shutil.which("docker-registry") or not shutil.which("skopeo"):
            pytest.skip("needs docker-registry and skopeo")
        self.home = home
        self.address = f"127.0.0.1:{free_port()}"
        self.process = None

    def __enter__(self):
        storage = {"filesystem": {"rootdirectory": str(self.home.path / "registry")}}
        settings = {"version": 0.1, "storage": storage, "http": {"addr": self.address}}
        config = self.home.write("registry.yml", json.dumps(settings))
        with open(self.home.path / "registry.log", "wb") as log:
            self.process = subprocess.Popen([*beside_engine(), "docker-registry", "serve", config], stdout=log, stderr=log)
        try:
            host.wait_until(self.answers, 20, "the registry does not answer")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def answers(self):
        probe = f": </dev/tcp/{self.address.replace(':', '/')}"
        return subprocess.run([*beside_engine(), "bash", "-c", probe], stderr=subprocess.DEVNULL, check=False).returncode == 0

    def push(self, name, files):
        image = self.home.path / "pushed.tar"
        image.write_bytes(tar(files))
        subprocess.run(
            [*beside_engine(), "skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", f"oci-archive:{image}",
             f"docker://{self.address}/{name}"], check=True, timeout=seconds(60),
        )


class Tarpit:
    """A registry that takes every request and never answers one for an image. Used as a context."""

    def __enter__(self):
        self.asked, self.end = threading.Event(), threading.Event()
        tarpit = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path != "/v2/":
                    tarpit.asked.set()
                    tarpit.end.wait()
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        listener = listen_beside_engine()
        self.server = http.server.ThreadingHTTPServer(listener.getsockname(), Handler, bind_and_activate=False)
        self.server.socket.close()
        self.server.socket = listener
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.server.shutdown()
        self.server.server_close()
