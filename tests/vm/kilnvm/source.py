"""The second disk: the work tree, the built programs and the plan, as a tar archive."""

import io
import subprocess
import tarfile

# Of a build folder the guest needs programs, not what they were made from.
NOT_NEEDED = (".o", ".a", ".d", ".ninja", ".json", ".dat", ".txt", ".ninja_log", ".ninja_deps")


def tree_files(top):
    """The work tree as it is: tracked files and new ones that git does not ignore."""
    command = ["git", "-C", str(top), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True).stdout.decode().split("\0")
    return sorted(name for name in set(names) if name and (top / name).is_file())


def is_program(path):
    return path.is_file() and (path.stat().st_mode & 0o111 or ".so" in path.name)


def built_files(build):
    """The programs and shared libraries in a build folder, kiln's own and those of its tests."""
    for path in sorted(build.rglob("*")):
        if "meson-private" in path.parts or path.name.endswith(NOT_NEEDED):
            continue
        if is_program(path):
            yield path


def owned_by_root(info):
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mode |= 0o444 | (0o111 if info.mode & 0o100 else 0)
    return info


def pack(top, build, plan, disk):
    """Writes everything below kiln/ to `disk`; the build folder is kiln/build there, whatever it is called here.

    Returns the names of the programs that went in.
    """
    programs = [str(path.relative_to(build)) for path in built_files(build)] if build.is_dir() else []
    with tarfile.open(disk, "w") as tar:
        for name in tree_files(top):
            tar.add(top / name, f"kiln/{name}", recursive=False, filter=owned_by_root)
        for name in programs:
            tar.add(build / name, f"kiln/build/{name}", recursive=False, filter=owned_by_root)
        info = tarfile.TarInfo("kiln/vm-plan")
        data = plan.encode()
        info.size = len(data)
        tar.addfile(owned_by_root(info), io.BytesIO(data))
    return programs
