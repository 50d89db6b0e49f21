"""Images for the daemons of the tests, made with mmdebstrap: one of kiln, and some to run programs in.

Each is made once for a clone and kept as a tar in build/test-images. It is Debian's essential packages and those that are named,
of the release of this machine, whose libraries kiln was linked with.
"""

import fcntl
import hashlib
import io
import os
import platform
import re
import shutil
import subprocess
import tarfile

from kilntest.settings import KILN, ROOT, seconds

KEPT = ROOT / "build/test-images"
RUN = "bash busybox-static coreutils dash findutils grep procps python3-minimal sed util-linux".split()
COMPILERS = [*RUN, "gcc", "libc6-dev"]
SERVICES = "postgresql redis-server python3-psycopg2".split()
PACKAGES = {
    "run": RUN,
    "compilers": COMPILERS,
    # What the suite of the API asks for: languages, services of sessions, and what judges traffic lights.
    "languages": [*COMPILERS, *"diffutils g++ make ncurses-base nodejs perl python3 ruby".split(), *SERVICES],
    # As the Dockerfile has it; the packages of kiln's libraries are added.
    "kiln": "bash coreutils curl dash grep libcap2-bin mount passwd procps python3-minimal uidmap util-linux".split(),
}
KILN_USER = """chroot "$1" /bin/sh -eu -c '
useradd --uid 10001 --create-home kiln
echo kiln:100000:65536 >/etc/subuid && cp /etc/subuid /etc/subgid
chmod u-s /usr/bin/newuidmap /usr/bin/newgidmap
setcap cap_setuid+ep /usr/bin/newuidmap && setcap cap_setgid+ep /usr/bin/newgidmap'"""
# Nothing is installed in them any more, and every daemon of the tests unpacks them.
LEFT_OUT = 'rm -rf "$1"/var/lib/dpkg "$1"/var/lib/apt "$1"/var/cache/* "$1"/var/log/*'
SMALL = 'rm -rf "$1"/usr/lib/*/gconv "$1"/usr/lib/*/perl-base'
# An image to run programs in takes the place of the image `host`, and as there it is the programs that matter.
TO_RUN = """cd "$1" && rm -rf run/* var/lib/* && sed -i '/^root:/p;/^nobody:/p;d' etc/passwd && sed -i '/^root:/p;/^nogroup:/p;d' etc/group &&
find etc -mindepth 1 -maxdepth 1 ! -name alternatives ! -name 'ld.so.*' ! -name passwd ! -name group ! -name os-release -exec rm -rf {} +"""
CUSTOMIZE = {"run": [SMALL, TO_RUN], "compilers": [TO_RUN], "languages": [TO_RUN], "kiln": [KILN_USER, SMALL]}
EXCLUDED = "doc man locale info lintian i18n bash-completion".split()
# Settings of this machine's apt that say how Debian is reached from here.
HOST_SETTINGS = re.compile(r"(Acquire::https?::Proxy|Acquire::Check-Valid-Until|Acquire::Check-Date) ")
# In memory, where it takes half the time; all that it mounts goes with its namespaces.
IN_MEMORY = 'mount -t tmpfs -o mode=1777 tmpfs /var/tmp && export TMPDIR=/var/tmp && exec "$@"'
ISOLATED = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c", IN_MEMORY, "sh"]


def libraries_of(program):
    """The shared libraries that it is loaded with."""
    listing = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return {merged(path) for path in re.findall(r"=> (/\S+)", listing)}


def packages_of(libraries):
    """Those of this machine that have them."""
    patterns = ["*/" + os.path.basename(path) for path in libraries]
    owners = subprocess.run(["dpkg-query", "--search", *patterns], capture_output=True, text=True).stdout.splitlines()
    return sorted({owner.split(":")[0] for owner, _, path in (line.partition(" ") for line in owners) if merged(path) in libraries})


def merged(path):
    return re.sub(r"^/lib", "/usr/lib", path)


def command(name):
    """mmdebstrap's, which writes the tar of packages to stdout. The image's own are still to be named."""
    settings = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout.splitlines()
    return [
        *["mmdebstrap", "--mode=root", "--variant=essential", "--format=tar", "--skip=output/dev", "--include=usr-is-merged"],
        *["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr", '--aptopt=Acquire::Languages "none"', '--aptopt=Acquire::Retries "3"'],
        *["--aptopt=" + line for line in settings if HOST_SETTINGS.match(line)],
        *["--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in EXCLUDED)],
        # Some packages' scripts link into it.
        '--essential-hook=mkdir -p "$1/usr/share/man/man1"',
        *["--customize-hook=" + script for script in (*CUSTOMIZE[name], LEFT_OUT)],
        # It fails where a file of its own is gone; here all of these are.
        *(["--skip=cleanup"] if TO_RUN in CUSTOMIZE[name] else []),
        *[platform.freedesktop_os_release()["VERSION_CODENAME"], "-"],
    ]


def opened(name):
    """The packages' tar. Whoever asks first makes it, and others wait."""
    making, packages, libraries = command(name), PACKAGES[name], libraries_of(KILN) if name == "kiln" else []
    recipe = repr((making, packages, sorted(libraries)))
    path = KEPT / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.tar"
    KEPT.mkdir(parents=True, exist_ok=True)
    with open(KEPT / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            make([*making, "--include=" + ",".join([*packages, *(packages_of(libraries) if libraries else [])])], path)
            for other in set(KEPT.glob(f"{name}-*.tar")) - {path}:
                other.unlink()
        return open(path, "rb")


def make(making, path):
    unfinished = path.with_suffix(".unfinished")
    with open(unfinished, "wb") as tar:
        done = subprocess.run([*ISOLATED, *making], stdin=subprocess.DEVNULL, stdout=tar, stderr=subprocess.PIPE, timeout=seconds(900))
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode == 0, f"mmdebstrap could not make {path.name} (status {done.returncode}). The end of what it says:\n{said[-3000:]}"
    unfinished.rename(path)


def first_of_kiln(archive):
    """What the image of kiln has beside packages."""
    archive.add(KILN, "usr/bin/kiln", filter=as_root)
    archive.add(ROOT / "packaging/docker/entrypoint", "usr/lib/kiln/entrypoint", filter=as_root)
    for path in sorted((ROOT / "languages").glob("*.yaml")):
        archive.add(path, f"usr/share/kiln/languages/{path.name}", filter=as_root)


def as_root(info):
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mode = 0o755 if info.mode & 0o100 else 0o644
    return info


def write(stream, name, links=None):
    """The root file system as one tar. `links`: name to target, of more than the packages have."""
    first = io.BytesIO()
    archive = tarfile.open(fileobj=first, mode="w", format=tarfile.PAX_FORMAT)
    for link, target in (links or {}).items():
        info = tarfile.TarInfo(link)
        info.type, info.linkname = tarfile.SYMTYPE, target
        archive.addfile(info)
    if name == "kiln":
        first_of_kiln(archive)
    # Not closed: the packages follow, and with them the end.
    stream.write(first.getvalue())
    with opened(name) as tar:
        shutil.copyfileobj(tar, stream, 1 << 20)
