"""What the guest's root file system is made of. Its hash names the cached image: a change here makes a new one."""

import re
import subprocess

SUITE = "bookworm"
IMAGE_BYTES = 6 << 30
USER = "kiln-test"

# Beyond kiln's own packages: the system, and what the tests are run with. The kernel is the one Debian ships for
# virtual machines: cgroup v2, systemd's way.
SYSTEM = """systemd systemd-sysv dbus dbus-user-session libpam-systemd udev linux-image-cloud-amd64 initramfs-tools
    iproute2 procps util-linux kmod"""
TESTS = "gcc libc6-dev python3-pytest python3-yaml python3-jsonschema"

# A small initrd: what the root disk needs and nothing else.
INITRD = {
    "etc/initramfs-tools/conf.d/kiln": "MODULES=list\nCOMPRESS=gzip\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\n",
}

# Unpacks the second disk and runs what it brings; powers off when that ends, however it ends.
SERVICE = """[Unit]
Description=the tests of kiln
ConditionKernelCommandLine=vm.tests
After=multi-user.target user@1000.service
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=oneshot
Delegate=yes
TimeoutStartSec=infinity
TasksMax=infinity
WorkingDirectory=/srv
ExecStart=/bin/sh -c 'tar -xf /dev/disk/by-id/virtio-kiln-source -C /srv && exec /srv/kiln/tests/vm/guest.sh'

[Install]
WantedBy=graphical.target
"""

FILES = {
    "etc/hostname": "kiln-vm\n",
    "etc/hosts": "127.0.0.1 localhost kiln-vm\n::1 localhost\n",
    "etc/fstab": "",
    "etc/systemd/system/vm-tests.service": SERVICE,
    "etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf": "[Service]\nExecStart=\n"
    "ExecStart=-/sbin/agetty --autologin root --noclear %I $TERM\n",
    "etc/subuid": f"{USER}:100000:65536\n",
    "etc/subgid": f"{USER}:100000:65536\n",
    f"var/lib/systemd/linger/{USER}": "",
}

# In the finished root; $1 is its folder. What a test machine without a network has no use for is switched off.
COMMANDS = [
    f'chroot "$1" useradd -m -u 1000 -s /bin/bash {USER}',
    'chroot "$1" passwd -d root',
    'chroot "$1" systemctl enable vm-tests.service',
    'chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer '
    "fstrim.timer systemd-tmpfiles-clean.timer",
    'chroot "$1" systemctl set-default graphical.target',
]

LEFT_OUT = ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*"]


def runtime_libraries(development):
    """The libraries that programs built with these -dev packages are linked against."""
    query = ["dpkg-query", "-W", "-f", "${Depends},", *development]
    depends = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    names = {re.split(r"[ :(|]", one.strip())[0] for one in depends.split(",")}
    return {name for name in names if name.startswith("lib") and not name.endswith("-dev")}


def packages(top):
    """Every package asked for; packages.txt says what kiln is built from and what its host image runs."""

    def section(name):
        command = [top / "tools" / "packages", "list", name]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    development = [name for name in section("build") if name.startswith("lib") and name.endswith("-dev")]
    wanted = {*SYSTEM.split(), *TESTS.split(), *section("run"), *runtime_libraries(development)}
    return sorted(wanted)


def writes(files):
    """mmdebstrap hooks are shell commands: one that writes each file."""

    def quote(text):
        return "'" + text.replace("'", "'\\''") + "'"

    for name, text in files.items():
        yield f'mkdir -p "$(dirname "$1"/{name})" && printf %s {quote(text)} >"$1"/{name}'


def mmdebstrap(top, tar):
    """The command that makes the root file system as a tar archive."""
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--skip=output/dev", '--aptopt=Acquire::Retries "3"']
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    command += [f"--essential-hook={hook}" for hook in writes(INITRD)]
    command += [f"--include={','.join(packages(top))}"]
    command += [f"--customize-hook={hook}" for hook in [*COMMANDS[:1], *writes(FILES), *COMMANDS[1:]]]
    return [*command, SUITE, str(tar)]
