"""The virtual machine: qemu's command line, and its life under a watch."""

import os
import queue
import signal
import subprocess
import threading
import time
from pathlib import Path

CPUS = 2
MEMORY_MIB = 3072
# A kernel that boots at all under KVM says so within this.
PROBE_S = 15
BOOT_S = 300


def kvm_boots(image):
    """Whether the guest's kernel comes up under KVM: that /dev/kvm can be opened does not say so."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    command = ["qemu-system-x86_64", "-accel", "kvm", "-m", "512", "-display", "none", "-nodefaults", "-nic", "none"]
    command += ["-no-reboot", "-serial", "stdio", "-kernel", str(image / "kernel"), "-initrd", str(image / "initrd")]
    command += ["-append", "console=ttyS0 panic=-1 rdinit=/bin/false"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as qemu:
        timer = threading.Timer(PROBE_S, qemu.kill)
        timer.start()
        found = any(b"as init process" in line for line in qemu.stdout)
        timer.cancel()
        qemu.kill()
    return found


def accelerator(image):
    """kvm or tcg. The answer of the probe holds for one boot of this host."""
    wanted = os.environ.get("KILN_VM_ACCEL", "auto")
    if wanted != "auto":
        return wanted
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    known = image / f"accelerator-{boot}"
    if not known.exists():
        known.write_text("kvm" if kvm_boots(image) else "tcg")
    return known.read_text()


def disk(path, name, options):
    """In the guest: /dev/disk/by-id/virtio-kiln-NAME."""
    drive = f"file={path},format=raw,if=none,id={name},{options}"
    return ["-drive", drive, "-device", f"virtio-blk-pci,drive={name},serial=kiln-{name}"]


def command_line(image, accel, append):
    fast = accel == "kvm"
    # Whatever way this program ends, the machine does not outlive it.
    command = ["setpriv", "--pdeathsig", "KILL", "nice", "qemu-system-x86_64"]
    command += ["-accel", "kvm" if fast else "tcg,thread=multi"]
    command += ["-cpu", "host" if fast else "max", "-smp", str(CPUS), "-m", str(MEMORY_MIB)]
    command += ["-display", "none", "-nodefaults", "-nic", "none", "-no-reboot", "-device", "virtio-rng-pci"]
    command += ["-kernel", str(image / "kernel"), "-initrd", str(image / "initrd")]
    command += ["-append", f"console=ttyS0 root=LABEL=kiln-root rw panic=-1 mitigations=off {append}"]
    # Written to, but what is written is thrown away.
    return command + disk(image / "root.ext4", "root", "snapshot=on,cache=unsafe")


def shell(image, accel, source):
    """A root shell on the terminal; C-a x ends it."""
    command = [*command_line(image, accel, "quiet"), *disk(source, "source", "readonly=on"), "-serial", "mon:stdio"]
    return subprocess.run(command, check=False).returncode


class Watched:
    """A machine that runs the tests. Its lines come from lines(), until it ends or a limit is passed."""

    def __init__(self, image, accel, source, console):
        self.console = console
        self.command = [*command_line(image, accel, "quiet vm.tests"), *disk(source, "source", "readonly=on")]
        self.command += ["-serial", f"file:{console}", "-device", "virtio-serial-pci"]
        self.command += ["-chardev", "file,id=results,path=/dev/stdout"]
        self.command += ["-device", "virtserialport,chardev=results,name=kiln.results"]
        self.why = None

    def pump(self, stream, lines):
        for line in stream:
            lines.put(line)
        lines.put(None)

    def lines(self, report, total_s, silent_s):
        """Yields lines as the guest prints them. Afterwards `why` says what was wrong, or is None."""
        # A group of its own: Ctrl-C ends it through stop(), after the last lines were read.
        with subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        ) as qemu:
            lines = queue.Queue()
            threading.Thread(target=self.pump, args=(qemu.stdout, lines), daemon=True).start()
            try:
                yield from self.until_done(qemu, lines, report, total_s, silent_s)
            finally:
                self.stop(qemu, report)

    def until_done(self, qemu, lines, report, total_s, silent_s):
        begun = last = time.monotonic()
        while not report.done:
            try:
                line = lines.get(timeout=1)
            except queue.Empty:
                self.why = self.overdue(report, time.monotonic() - begun, time.monotonic() - last, total_s, silent_s)
                if self.why:
                    return
                continue
            if line is None:
                self.why = f"qemu ended with code {qemu.wait()} before the tests were done"
                return
            last = time.monotonic()
            yield line.decode("utf-8", "replace").rstrip("\r\n")
            if last - begun > total_s:
                self.why = f"the tests took longer than {total_s} s"
                return

    def overdue(self, report, running, silent, total_s, silent_s):
        if not report.ready and running > BOOT_S:
            return f"the machine did not come up within {BOOT_S} s"
        if running > total_s:
            return f"the tests took longer than {total_s} s"
        if silent > silent_s:
            return f"the machine printed nothing for {silent_s} s"
        return None

    def stop(self, qemu, report):
        try:
            qemu.wait(20 if report.done else 0)
        except subprocess.TimeoutExpired:
            os.killpg(qemu.pid, signal.SIGKILL)

    def console_tail(self):
        if not self.console.exists():
            return []
        return self.console.read_text("utf-8", "replace").splitlines()[-40:]
