"""The guest's root file system: made once, then taken from the cache."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import recipe

KEPT = 3


def cache_folder():
    if "KILN_VM_CACHE" in os.environ:
        return Path(os.environ["KILN_VM_CACHE"])
    if os.geteuid() == 0:
        return Path("/var/cache/kiln-vm")
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kiln-vm"


@contextmanager
def locked(cache):
    """One builder at a time; the lock dies with its holder."""
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def as_root_of_the_files(command):
    """An ordinary user extracts and reads the tree in the user namespace that mmdebstrap made it in."""
    if os.geteuid() == 0:
        return command
    return ["mmdebstrap", "--unshare-helper", *command]


# $1 archive, $2 folder to work in, $3 size of the image
MAKE_IMAGE = """set -e
umask 022
mkdir "$2/tree"
tar -C "$2/tree" --numeric-owner -xf "$1"
mkdir -p "$2/tree/dev"
cp "$2"/tree/boot/vmlinuz-* "$2/kernel"
cp "$2"/tree/boot/initrd.img-* "$2/initrd"
chmod 644 "$2/kernel" "$2/initrd"
mke2fs -q -t ext4 -L kiln-root -m 0 -O ^has_journal -E root_owner=0:0 -d "$2/tree" "$2/root.ext4" "$3"
rm -rf "$2/tree"
"""


def build(top, folder):
    tar = folder / "root.tar"
    subprocess.run(["nice", *recipe.mmdebstrap(top, tar)], check=True)
    command = ["sh", "-c", MAKE_IMAGE, "sh", str(tar), str(folder), f"{recipe.IMAGE_BYTES >> 10}k"]
    subprocess.run(["nice", *as_root_of_the_files(command)], check=True)
    tar.unlink()


def forget_old(cache, current):
    """Keeps the images used last; one that another machine has open lives on until it ends."""
    os.utime(current)
    images = [path for path in cache.iterdir() if (path / "root.ext4").exists()]
    images.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in images[KEPT:]:
        shutil.rmtree(path)


def provide(top, fresh, say):
    """The folder with `kernel`, `initrd` and `root.ext4`, which nobody may write to.

    An image appears under its name only when complete: it is made in a folder of its own and renamed. What an
    interrupted build left is removed by the next one.
    """
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    text = repr(recipe.mmdebstrap(top, "tar")) + MAKE_IMAGE + str(recipe.IMAGE_BYTES)
    image = cache / hashlib.sha256(text.encode()).hexdigest()[:16]
    with locked(cache):
        if fresh and image.exists():
            shutil.rmtree(image)
        if not image.exists():
            for left in cache.glob("part-*"):
                shutil.rmtree(left)
            say(f"making the root file system {image} (a minute or two)")
            part = Path(tempfile.mkdtemp(prefix="part-", dir=cache))
            part.chmod(0o755 if os.geteuid() == 0 else 0o777)
            build(top, part)
            part.rename(image)
        forget_old(cache, image)
    return image
