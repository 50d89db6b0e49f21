"""Images of a test's own making, and registries to get them from."""

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
from kilntest.server import free_port
from kilntest.settings import seconds

SHELL = Path("/bin/busybox")


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


class Registry:
    """A registry of our own (Debian's docker-registry) on loopback. Used as a context."""

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
            self.process = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log)
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
        name, port = self.address.split(":")
        try:
            socket.create_connection((name, int(port)), timeout=1).close()
        except OSError:
            return False
        return True

    def push(self, name, files):
        image = self.home.path / "pushed.tar"
        image.write_bytes(tar(files))
        subprocess.run(
            ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", f"oci-archive:{image}",
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

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.server.shutdown()
        self.server.server_close()
