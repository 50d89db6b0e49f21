"""Images as cyber-dojo's, made of this machine's own programs, and the calls of its clients."""

import json
import re
import subprocess
import tarfile
from pathlib import Path

from kilntest.requests import member, tar
from kilntest.server import ENGINE_DAEMON, identity
from kilntest.settings import KILN, seconds

# What the Dockerfiles of its images install, and what the recorded cases use.
PROGRAMS = """
bash cat chmod cp cut date dd echo env expr false file find grep gzip head iconv id kill ln ls mkdir mkfifo mktemp mv od printf ps
pwd rm sed seq sh sleep sort stat tail tar tee touch tr true truncate tty uname wc whoami xargs yes
""".split()
SHELL = ["bash", "cat"]
DATA = ["/usr/share/misc/magic.mgc", "/usr/lib/file/magic.mgc"]
PASSWD = "root:x:0:0:root:/root:/bin/sh\nsandbox:x:41966:51966::/home/sandbox:/bin/bash\n"
GROUP = "root:x:0:\nsandbox:x:51966:\n"
LAMBDA = "usr/local/bin/red_amber_green.rb"


def libraries_of(path):
    listing = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(/\S+) \(0x", listing)


def program_files(programs):
    """{name in the image: path here}, with the libraries that they are loaded with."""
    found = {}
    places = [Path(folder, name) for name in programs for folder in ("/usr/bin", "/bin")]
    paths = [place for place in places if place.exists()]
    if "file" in programs:
        gconv = [*Path("/usr/lib").glob("*/gconv/UTF-16.so"), *Path("/usr/lib").glob("*/gconv/gconv-modules*")]
        paths += [*map(Path, DATA), *(one for one in gconv if one.is_file())]
    for path in paths:
        if not path.exists():
            continue
        found[str(path)[1:]] = path.resolve()
        for library in libraries_of(path):
            found[library[1:]] = Path(library).resolve()
    return {re.sub(r"^(bin|lib|lib64)/", r"usr/\1/", name): path for name, path in found.items()}


def rootfs(light, programs):
    """The tar of an image whose traffic light is `light` (None: it has none)."""
    links = {name: member(name, tarfile.SYMTYPE, f"usr/{name}") for name in ("bin", "lib", "lib64")}
    members = {"usr": member("usr", tarfile.DIRTYPE, mode=0o755), **links}
    for name, path in sorted(program_files(programs).items()):
        members[name] = (member(name, mode=0o755), path.read_bytes())
    members["etc/passwd"] = PASSWD.encode()
    members["etc/group"] = GROUP.encode()
    if light is not None:
        members[LAMBDA] = light.encode()
    return tar(members)


def import_images(home, lights, full=("green",), bashless=()):
    """Stores one image for each name of `lights`, in the state folder of `home` or the engine's daemon; those in `full` have all PROGRAMS."""
    for name, light in lights.items():
        path = home.path / f"{name}.tar"
        path.write_bytes(rootfs(light, PROGRAMS if name in full else ["cat"] if name in bashless else SHELL))
        path.chmod(0o644)
        if ENGINE_DAEMON:
            ENGINE_DAEMON[0].run(f"docker import {path} {name}")
            path.unlink()
            continue
        command = [KILN, "image", "import", path, "--name", name]
        subprocess.run(
            command, env=home.environment(), cwd="/", check=True, capture_output=True, timeout=seconds(120), **identity()
        )
        path.unlink()


class Dojo:
    """A client of the runner: every call is a GET with a body, as its own clients send."""

    def __init__(self, server, prefix=""):
        self.server = server
        self.prefix = prefix

    def raw(self, path, body, method="GET", timeout=60):
        body = body.encode() if isinstance(body, str) else body
        return self.server.request(method, self.prefix + path, body, {"Content-Type": "application/json"}, timeout)

    def call(self, name, **arguments):
        answer = self.raw(f"/{name}", json.dumps(arguments))
        assert answer.status == 200, answer
        return answer.json()[name]

    def run(self, script=None, files=None, image="green", **manifest):
        """The result of a cyber-dojo.sh."""
        files = dict(files or {})
        if script is not None:
            files["cyber-dojo.sh"] = script
        manifest = {"image_name": image, "max_seconds": 10, **manifest}
        return self.call("run_cyber_dojo_sh", id="34de2W", files=files, manifest=manifest)
