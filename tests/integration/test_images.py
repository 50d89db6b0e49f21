"""`kiln image` and runs in stored images: archives of every kind, hostile ones, what an image says about itself, languages."""

import json
import os
import signal
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from kilntest import host
from kilntest.images import SHELL, Registry, oci, rootfs
from kilntest.requests import command, member, tar, text
from kilntest.server import Home, Server, identity
from kilntest.settings import CANARY_FILE, KILN, runs_as_root, seconds

pytestmark = pytest.mark.skipif(not SHELL.exists(), reason="needs busybox-static")


@pytest.fixture
def home():
    home = Home()
    yield home
    home.cleanup()


def kiln(home, *words, status=0):
    done = subprocess.run(
        [KILN, *map(str, words)], env=home.environment(), cwd="/", capture_output=True, text=True,
        timeout=seconds(120), check=False, **identity(),
    )
    assert done.returncode == status, (done.stdout, done.stderr)
    return done


def archive(home, data, name="image.tar"):
    path = home.path / name
    path.write_bytes(data)
    path.chmod(0o644)
    return path


def run(home, image, script):
    return kiln(home, "run", "-i", image, "--", "sh", "-c", script).stdout


def test_the_tar_of_a_root_file_system_is_imported_run_listed_and_removed(home):
    kiln(home, "image", "import", archive(home, rootfs({"etc/made": b"by hand"})), "--name", "tiny")
    assert run(home, "tiny", "cat /etc/made") == "by hand"
    listed = json.loads(kiln(home, "image", "list", "--json").stdout)["images"]
    assert [image["name"] for image in listed] == ["tiny"]
    kiln(home, "image", "inspect", "tiny", "--verify")
    kiln(home, "image", "rm", "tiny")
    assert "there is no image 'tiny'" in kiln(home, "run", "-i", "tiny", "--", "sh", status=125).stderr


def test_what_an_oci_image_says_about_itself_is_honoured(home):
    layers = [rootfs({"old": b"x"}), tar({".wh.old": b"", "new": b"y"})]
    data = tar(oci(layers, Env=["FOO=bar"], WorkingDir="/work", Entrypoint=["/bin/busybox", "sh", "-c"]))
    kiln(home, "image", "import", archive(home, data), "--name", "said")
    done = kiln(home, "run", "-i", "said", "--", "echo $FOO; pwd; ls /").stdout.split("\n")
    assert done[:2] == ["bar", "/work"]
    assert "new" in done and "old" not in done


DEV = "fd full null random shm stderr stdin stdout urandom zero".split()


def test_what_an_image_has_in_its_dev_is_not_there(home):
    kiln(home, "image", "import", archive(home, rootfs({"dev/odd": b"x", "dev/null": b"y", "dev/zero/file": b"z"})), "--name", "odd")
    if runs_as_root():  # who unpacks cannot make any; who administers can
        (folder,) = [path.parent for path in (home.path / "state" / "images").rglob("dev/odd")]
        os.mknod(folder / "mem", stat.S_IFCHR | 0o666, os.makedev(1, 1))
    server = Server(home=home).start()
    try:
        for _ in range(5):
            script = "ls /dev; stat -c '%F %t %T' /dev/null; cat /dev/null /dev/mem /dev/odd; true"
            lines = text(server.run(command("sh", "-c", script, image="odd"))).splitlines()
            assert lines == [*DEV, "character special file 1 3"]
    finally:
        server.stop()


ACCOUNTS = {
    "etc/passwd": b"root:x:0:0::/root:/bin/sh\napp:x:1234:2345::/home/app:/bin/sh\nbig:x:2147483648:1::/:\n",
    "etc/group": b"root:x:0:\napp:x:2345:\nweb:x:33:app\n",
    "home/app/.profile": b"mine",
}


@pytest.mark.parametrize(
    "user, ids, name, at_home",
    [
        ("app", "1234:2345", "app", "/home/app"), ("1234", "1234:2345", "app", "/home/app"), ("app:web", "1234:33", "app", "/home/app"),
        ("app:0", "1234:0", "app", "/home/app"), ("5000", "5000:0", "sandbox", "/home/sandbox"), ("5000:6000", "5000:6000", "sandbox", "/home/sandbox"),
        ("65534:65534", "65534:65534", "nobody", "/nonexistent"), ("2147483647:1", "2147483647:1", "sandbox", "/home/sandbox"),
        ("", "1000:1000", "sandbox", "/home/sandbox"), ("root", "1000:1000", "sandbox", "/home/sandbox"), ("0:0", "1000:1000", "sandbox", "/home/sandbox"),
    ],
)
def test_the_user_of_an_oci_image_is_who_runs_in_it(home, user, ids, name, at_home):
    kiln(home, "image", "import", archive(home, tar(oci([rootfs(ACCOUNTS)], User=user))), "--name", "accounts")
    script = """
        echo $(id -u):$(id -g) $(id -un) $USER $LOGNAME $HOME
        for folder in /sandbox /tmp /home/sandbox /var/tmp /dev/shm; do echo x > $folder/mine && stat -c %u:%g $folder/mine; done
        stat -c %u:%g /sandbox; echo y > /etc/theirs || echo "read only"
    """
    out = run(home, "accounts", script).split("\n")
    assert out[0] == f"{ids} {name} {name} {name} {at_home}"
    assert out[1:7] == [ids] * 6
    assert out[7] == "read only"


def test_what_an_image_says_of_home_goes_before_that_of_its_user(home):
    data = tar(oci([rootfs(ACCOUNTS)], User="app", Env=["HOME=/opt", "USER=other"]))
    kiln(home, "image", "import", archive(home, data), "--name", "accounts")
    assert run(home, "accounts", "echo $HOME $USER $LOGNAME") == "/opt other app\n"
    described = json.loads(kiln(home, "image", "inspect", "accounts", "--json").stdout)
    assert described["account"] == {"uid": 1234, "gid": 2345, "name": "app", "home": "/home/app"}


@pytest.mark.parametrize("user, says", [("ghost", "'ghost', who is not in its /etc/passwd"), ("app:ghosts", "'ghosts', a group that is not in its /etc/group"),
                                        ("big", "end at 2147483647"), ("4294967296", "end at 2147483647"), ("a\nb", "'a?b'")])
def test_a_user_who_is_nobody_in_the_image_is_a_clear_error(home, user, says):
    done = kiln(home, "image", "import", archive(home, tar(oci([rootfs(ACCOUNTS)], User=user))), "--name", "nobodys", status=1)
    assert says in done.stderr
    assert json.loads(kiln(home, "image", "list", "--json").stdout)["images"] == []


def test_a_server_keeps_images_of_several_users_apart(home):
    """Also those that wait in the pool, and steps of one run in several images."""
    users = {"app": "1234:2345", "5000:6000": "5000:6000", "": "1000:1000"}
    for number, user in enumerate(users):
        data = tar(oci([rootfs(ACCOUNTS)], User=user))
        kiln(home, "image", "import", archive(home, data), "--name", f"image{number}")
    server = Server(home=home).start()
    try:
        step = {"command": ["sh", "-c", "echo $(id -u):$(id -g); cat seen; stat -c %u:%g . > seen"]}
        for _ in range(4):
            for number, ids in enumerate(users.values()):
                result = server.run({"image": f"image{number}", "steps": [{"name": "who", **step}]})
                assert result["steps"][0]["stdout"] == f"{ids}\n"
        steps = [{"name": f"in {number}", "image": f"image{number}", "keep": ["seen"], **step} for number in range(3)]
        result = server.run({"image": "image0", "steps": steps})
        assert [step["stdout"] for step in result["steps"]] == ["1234:2345\n", "5000:6000\n1234:2345\n", "1000:1000\n5000:6000\n"]
        server.stop()
    finally:
        server.kill()


def program(path, text):
    """A member of a tar, and its name: a shell script that stands for a toolchain."""
    return {path: (member(path, mode=0o755), b"#!/bin/sh\n" + text)}


# Of languages that no package has: where their images have the toolchain, and what stands for it here.
REGISTRY = {
    "dart": ("docker.io/library/dart:stable", "main.dart", {
        **program("usr/lib/dart/bin/dart", b'[ "$2" = run ] || { echo "Dart SDK version: 3.9"; exit; }\necho "$(cat "$3") by dart"\n')}),
    "zig": ("zig", "main.zig", {
        **program("usr/local/bin/zig", b'[ "$1" = build-exe ] || { echo 0.15.1; exit; }\nfor last; do :; done\n'
                                     b'printf "#!/bin/sh\\necho %s by zig\\n" "$(cat "$last")" >main; chmod 755 main\n')}),
    "vbnet": ("mcr.microsoft.com/dotnet/sdk:8.0", "main.vb", {
        **program("usr/bin/dotnet", b'case $1 in\n*/vbc.dll) for word; do case $word in *.vb) cp "$word" main.dll ;; esac; done ;;\nmain.dll) echo "$(cat main.dll) by vbnet" ;;\n'
                                  b'*) echo 8.0.100 ;;\nesac\n'),
        "usr/share/dotnet/sdk/8.0.100/Roslyn/bincore/vbc.dll": b"",
        "usr/share/dotnet/packs/Microsoft.NETCore.App.Ref/8.0.0/ref/net8.0/System.Runtime.dll": b""}),
}


@pytest.mark.parametrize("language", REGISTRY)
def test_a_language_from_a_registry_runs_in_the_image_that_is_imported_under_its_name(home, language):
    name, source, toolchain = REGISTRY[language]
    file = archive(home, b"made", source)
    assert f"needs image '{name}'" in kiln(home, "run", "-l", language, file, status=125).stderr
    links = {f"bin/{word}": member(f"bin/{word}", tarfile.SYMTYPE, "busybox") for word in ("chmod", "cp")}
    data = tar(oci([rootfs({**toolchain, **links})], Env=["PATH=/usr/local/bin:/usr/bin:/bin"]))
    kiln(home, "image", "import", archive(home, data), "--name", name)
    assert kiln(home, "run", "-l", language, file).stdout == f"made by {language}\n"


def test_a_run_that_brings_files_starts_where_they_are(home):
    kiln(home, "image", "import", archive(home, tar(oci([rootfs()], WorkingDir="/work"))), "--name", "said")
    script = archive(home, b"pwd; ls", "main.sh")
    assert kiln(home, "run", "-i", "said", script, "--", "sh", "main.sh").stdout.split() == ["/sandbox", "main.sh"]


def test_a_blob_that_is_not_what_its_digest_says_is_refused(home):
    files = oci([rootfs()])
    blob = max((name for name in files if name.startswith("blobs/")), key=lambda name: len(files[name]))
    files[blob] = files[blob][:-1] + b"\x01"
    done = kiln(home, "image", "import", archive(home, tar(files)), "--name", "bad", status=1)
    assert "damaged" in done.stderr


HOSTILE = {
    "a name that climbs": {"../../escaped": b"x"},
    "a name that climbs from a folder": {"a/../../../escaped": b"x"},
    "a hard link out": {"passwd": member("passwd", tarfile.LNKTYPE, "../../../../etc/passwd")},
    "a hard link to the host's": {"passwd": member("passwd", tarfile.LNKTYPE, "/etc/passwd")},
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_layer_is_refused_and_leaves_nothing(home, members):
    done = kiln(home, "image", "import", archive(home, tar(oci([rootfs(), tar(members)]))), "--name", "bad", status=1)
    assert "layer 2" in done.stderr
    assert json.loads(kiln(home, "image", "list", "--json").stdout)["images"] == []
    state = next(path for path in (home.path / "state", home.home / "state/kiln") if path.exists())
    assert not any((state / "images" / "work").iterdir()) and not list(home.path.rglob("escaped"))


def test_a_layer_whose_links_stand_where_sandboxes_mount_is_harmless(home):
    traps = {name: member(name, tarfile.SYMTYPE, "/etc") for name in ("proc", "dev", "sandbox", "tmp", "sys", "run", "home")}
    su = tarfile.TarInfo("bin/su")
    su.mode = 0o6755
    more = {"etc/own": b"x", **traps, "bin/su": (su, b"x"), "disk": member("disk", tarfile.BLKTYPE)}
    kiln(home, "image", "import", archive(home, tar(oci([rootfs(more)]))), "--name", "traps")
    out = run(home, "traps", "ls -d /disk; stat -c %a /bin/su; cat /proc/self/comm; echo x > /tmp/a; ls /etc /tmp; id -u")
    lines = out.split()
    assert lines[:2] == ["755", "cat"] and lines[-2:] == ["a", "1000"] and "own" in lines
    assert not Path("/etc/a").exists()


def test_links_of_a_layer_lead_nowhere_but_within_the_image(home):
    layers = [
        rootfs({"etc/own": b"x", "out": member("out", tarfile.SYMTYPE, "/etc"), "up": member("up", tarfile.SYMTYPE, "../../../../etc"),
                "secret": member("secret", tarfile.SYMTYPE, str(CANARY_FILE)), "loop": member("loop", tarfile.SYMTYPE, "loop")}),
        tar({"out/planted": b"1", "up/grown": b"2"}),
        tar({"planted": member("planted", tarfile.LNKTYPE, "out/planted")}),
    ]
    kiln(home, "image", "import", archive(home, tar(oci(layers))), "--name", "links")
    assert run(home, "links", "cat /etc/planted /etc/grown /planted; cat /secret || echo no").split() == ["121no"]
    assert not Path("/etc/planted").exists() and not Path("/etc/grown").exists()


def test_whiteouts_of_nothing_and_of_everything_are_harmless(home):
    layers = [
        rootfs({"data/old": b"x", "data/deep/older": b"x", "kept": b"k"}),
        tar({".wh.nothing": b"", "no/where/.wh.none": b"", "data/.wh..wh..opq": b"", "data/new": b"n"}),
        tar({".wh.data": b"", ".wh.kept": b"", "kept": b"again"}),
    ]
    kiln(home, "image", "import", archive(home, tar(oci(layers))), "--name", "whiteouts")
    assert run(home, "whiteouts", "ls /data /no/where 2>&1 | sort; cat /kept").splitlines()[-1] == "again"
    assert "new" not in run(home, "whiteouts", "ls /data 2>/dev/null; true")


def test_a_file_that_is_larger_than_images_may_be_is_refused(home):
    data = tar(oci([rootfs({"big": bytes(8 << 20)})]))
    done = kiln(home, "image", "import", archive(home, data), "--name", "big", "--image-bytes", "4MiB", status=1)
    assert "bytes" in done.stderr
    assert json.loads(kiln(home, "image", "list", "--json").stdout)["images"] == []


def test_an_image_that_a_run_uses_is_not_removed(home):
    kiln(home, "image", "import", archive(home, rootfs()), "--name", "tiny")
    program = subprocess.Popen(
        [KILN, "run", "-i", "tiny", "--", "sh", "-c", "echo here; cat"], env=home.environment(), cwd="/",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, **identity(),
    )
    assert program.stdout.readline() == b"here\n"
    assert "is being used" in kiln(home, "image", "rm", "tiny", status=1).stderr
    program.communicate(timeout=seconds(20))
    kiln(home, "image", "rm", "tiny")


def test_a_server_runs_in_an_image_that_came_after_its_start(home):
    server = Server(home=home).start()
    try:
        kiln(home, "image", "import", archive(home, rootfs()), "--name", "late")
        result = server.run({"image": "late", "steps": [{"name": "run", "command": ["sh", "-c", "echo $((6 * 7))"]}]})
        assert result["steps"][0]["stdout"] == "42\n"
        assert result["image"].startswith("late@sha256:")
        names = [image["name"] for image in server.get("/v1/images").json()["images"]]
        assert names[0] == "host" and "late" in names
        server.stop()
    finally:
        server.kill()


def test_what_a_stranger_wrote_into_an_image_does_not_drive_the_terminal(home):
    evil = "\x1b]0;owned\x07\u202e\x9b2J"
    data = tar(oci([rootfs()], Env=[f"A={evil}"], Entrypoint=["sh", evil], Labels={"note": evil}))
    kiln(home, "image", "import", archive(home, data), "--name", "tiny")
    shown = kiln(home, "image", "inspect", "tiny").stdout
    assert "\\x1b]0;owned\\x07\\u202e\\x9b2J" in shown
    assert not {c for c in shown if (c < " " and c != "\n") or "\x7f" <= c <= "\x9f" or c == "\u202e"}
    assert f"A={evil}" in json.loads(kiln(home, "image", "inspect", "tiny", "--json").stdout)["env"]


# What mmdebstrap does when it is ended, at its worst: it heeds no signal, and others go on working on what it has mounted.
MMDEBSTRAP = """#!/bin/sh
trap '' TERM INT HUP
mkdir "$TMPDIR/root" && mount -t tmpfs none "$TMPDIR/root" && mount --bind /tmp "$TMPDIR/root" || exit 3
setsid sh -c "trap '' TERM INT HUP; exec -a kiln-orphan sleep 300" &
while :; do sleep 1; done
"""


@pytest.fixture
def building(home, root_only):
    """`kiln image build` while its mmdebstrap is at work."""
    tools = home.path / "tools"
    tools.mkdir()
    (tools / "mmdebstrap").write_text(MMDEBSTRAP.replace("sh -c", "bash -c"))
    (tools / "mmdebstrap").chmod(0o755)
    recipe = home.write("slow.yaml", "name: slow\ndescription: never done\nsuite: trixie\npackages: []\n")
    environment = {**home.environment(), "PATH": f"{tools}:{home.environment()['PATH']}"}
    process = subprocess.Popen(
        [KILN, "image", "build", recipe], env=environment, cwd="/", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    host.wait_until(lambda: host.processes_with("kiln-orphan") or process.poll() is not None, 20, "nothing is built")
    assert process.poll() is None, process.stdout.read()
    yield process
    process.kill()
    process.wait()


def build_folders():
    return set(Path("/var/tmp").glob("kiln-build-*"))


def nothing_is_built(mounts):
    host.wait_until(lambda: not host.processes_with("kiln-orphan"), 20, "what was building lives on")
    assert host.mounts() == mounts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_a_build_that_is_ended_by_a_signal_leaves_nothing(home, number, request):
    mounts, folders = host.mounts(), build_folders()
    process = request.getfixturevalue("building")
    assert host.mounts() == mounts, "what a build mounts is seen outside of it"
    process.send_signal(number)
    said = process.communicate(timeout=seconds(30))[0]
    assert process.returncode == 128 + number and "was given up" in said, said
    nothing_is_built(mounts)
    assert build_folders() <= folders


def test_a_build_goes_on_where_a_signal_is_ignored(home, request):
    """As below nohup, and in the background of a script."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = request.getfixturevalue("building")
    finally:
        signal.signal(signal.SIGHUP, before)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.terminate()
    assert process.wait(seconds(30)) == 128 + signal.SIGTERM


def test_a_build_that_is_killed_takes_its_programs_and_mounts_along(home, request):
    mounts, folders = host.mounts(), build_folders()
    process = request.getfixturevalue("building")
    process.kill()
    process.wait()
    nothing_is_built(mounts)
    kiln(home, "image", "gc")
    assert build_folders() <= folders


@pytest.fixture
def registry(home):
    with Registry(home) as registry:
        files = oci([rootfs(), tar({"etc/made": b"pushed"})], Env=["FROM=registry"], WorkingDir="/made/for/it", User="33:33",
                    Entrypoint=["/bin/busybox", "sh", "-c"])
        registry.push("lessons/tiny:1", files)
        yield registry.address


def test_an_image_is_pulled_from_a_registry(home, registry):
    kiln(home, "image", "pull", f"{registry}/lessons/tiny:1", "--name", "tiny")
    said = kiln(home, "run", "-i", "tiny", "--", "echo $FROM; pwd; cat /etc/made").stdout
    assert said.split() == ["registry", "/made/for/it", "pushed"]
    assert json.loads(kiln(home, "image", "inspect", "tiny", "--json").stdout)["user"] == "33:33"
    done = kiln(home, "image", "pull", f"{registry}/lessons/none:1", status=1)
    assert "manifest unknown" in done.stderr


def test_a_pull_that_is_killed_leaves_nothing_and_completes_the_next_time(home, registry):
    program = subprocess.Popen(
        [KILN, "image", "pull", f"{registry}/lessons/tiny:1", "--name", "tiny"], env=home.environment(), cwd="/",
        stdout=subprocess.DEVNULL, **identity(),
    )
    state = home.path / "state" / "images" if "KILN_STATE_DIR" in home.environment() else home.home / "state/kiln/images"
    host.wait_until(lambda: (state / "download").exists() and any((state / "download").iterdir()), 20, "no download begins")
    program.send_signal(signal.SIGKILL)
    program.wait()
    assert not any(state.glob("sha256-*")) and not any((state / "names").iterdir())
    kiln(home, "image", "pull", f"{registry}/lessons/tiny:1", "--name", "tiny")
    assert kiln(home, "run", "-i", "tiny", "--", "cat /etc/made").stdout == "pushed"
    assert not any((state / "download").iterdir()) and not any((state / "work").iterdir())
