"""A running guest: QEMU on TAP devices, driven over virtio-serial and not over the network."""
import base64
import ctypes
import fcntl
import hashlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

from image import CACHE

STATE = Path("/run/fastgw-peer-lab")
CHANNELS = 2                    # commands that can run at a time in one guest
MEMORY_MIB = 256
BOOT_SECONDS = 120
TUNSETIFF, IFF_TAP, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 0x0002, 0x1000, 0x40000000
# Quick to boot, and no self-test of each cipher, which takes seconds under emulation.
KERNEL_COMMAND_LINE = ("console=ttyS0 quiet panic=1 net.ifnames=0 mitigations=off nokaslr "
                       "tsc=reliable random.trust_cpu=on ipv6.disable_ipv6=1 no_timer_check "
                       "cryptomgr.notests=1 audit=0 apparmor=0")
# No offloads: what is on the TAP is what a wire would carry.
NIC_OPTIONS = ("csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,"
               "guest_ufo=off,host_tso4=off,host_tso6=off,host_ufo=off,romfile=")


def run(name, taps):
    """Boot a guest with a NIC on each TAP device (IF[:NETNS]); returns when it is up."""
    if pid_of(name):
        raise RuntimeError(f"guest {name} is running already")
    folder = folder_of(name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    fds = [open_tap(*tap.partition(":")[::2]) for tap in taps]
    with open(folder / "qemu.log", "wb") as log:
        qemu = subprocess.Popen(command_line(name, fds), stdin=subprocess.DEVNULL, stdout=log,
                                stderr=log, pass_fds=fds, start_new_session=True)
    for fd in fds:
        os.close(fd)
    (folder / "pid").write_text(str(qemu.pid))
    deadline = time.time() + BOOT_SECONDS
    while b"peer-lab: up" not in console(name):
        if qemu.poll() is not None:
            said = (folder / "qemu.log").read_text() + console(name).decode(errors="replace")
            raise RuntimeError(f"guest {name} ended: {said.strip()}")
        if time.time() > deadline:
            stop(name)
            raise TimeoutError(f"guest {name} is not up after {BOOT_SECONDS} s")
        time.sleep(0.05)


def execute(name, script, timeout):
    """Run a shell script in a guest; returns its exit status and its output in bytes."""
    if not pid_of(name):
        raise RuntimeError(f"guest {name} is not running")
    deadline = time.time() + timeout
    lock, channel = open_channel(name, deadline)
    with lock, channel:
        ident = f"{os.getpid()}-{time.time_ns()}"
        channel.sendall(f"{ident} {base64.b64encode(script.encode()).decode()}\n".encode())
        rest, body, began = b"", [], False
        while True:
            channel.settimeout(max(0.05, deadline - time.time()))
            try:
                data = channel.recv(65536)
            except socket.timeout:
                raise TimeoutError(f"guest {name}: no answer in {timeout:g} s: {script}") from None
            if not data:
                raise ConnectionError(f"guest {name} went away")
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line == f"B {ident}".encode():
                    began = True
                elif began and line.startswith(f"E {ident} ".encode()):
                    return int(line.split()[2]), base64.b64decode(b"".join(body))
                elif began:
                    body.append(line)


def stop(name):
    """End a guest; its TAP devices go with it."""
    pid = pid_of(name)
    if pid:
        os.kill(pid, signal.SIGTERM)
        deadline = time.time() + 5
        while pid_of(name):
            if time.time() > deadline:
                os.kill(pid, signal.SIGKILL)
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass                        # not ours: init or a subreaper collects it
            time.sleep(0.05)
    shutil.rmtree(folder_of(name), ignore_errors=True)


def names():
    """The guests that are running."""
    return sorted(p.name for p in STATE.iterdir() if pid_of(p.name)) if STATE.is_dir() else []


def console(name):
    """What the guest's kernel and init have said, in bytes."""
    file = folder_of(name) / "console.log"
    return file.read_bytes() if file.exists() else b""


def command_line(name, fds):
    folder = folder_of(name)
    # Software emulation is slow, but the same everywhere: KVM inside a rented VM often is not.
    command = ["qemu-system-x86_64", "-name", f"peer-lab-{name}",
               "-machine", "q35,accel=tcg,usb=off", "-cpu", "max,la57=off",
               "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config", "-no-reboot",
               "-display", "none", "-append", KERNEL_COMMAND_LINE,
               "-kernel", str(CACHE / "vmlinux"), "-initrd", str(CACHE / "initrd.gz"),
               "-serial", f"file:{folder}/console.log",
               "-drive", f"if=none,format=raw,file={CACHE}/disk.ext4,id=disk,readonly=on",
               "-device", "virtio-blk-pci,drive=disk",
               "-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]
    for i in range(CHANNELS):
        command += ["-chardev", f"socket,id=c{i},path={folder}/channel{i},server=on,wait=off",
                    "-device", f"virtserialport,chardev=c{i},name=peerlab.{i}"]
    for i, fd in enumerate(fds):
        digest = hashlib.sha256(f"{name}/{i}".encode()).digest()
        mac = "52:54:" + ":".join(f"{byte:02x}" for byte in digest[:4])
        command += ["-netdev", f"tap,id=n{i},fd={fd}",
                    "-device", f"virtio-net-pci,netdev=n{i},mac={mac},{NIC_OPTIONS}"]
    return command


def open_tap(device, netns):
    """Open a TAP device, made if it is not there, in a network namespace; returns its fd."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{netns}", os.O_RDONLY) if netns else None
    try:
        if netns:
            enter(there)
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TAP | IFF_NO_PI))
        subprocess.run(["ip", "link", "set", device, "up"], check=True)
    finally:
        if netns:
            enter(home)
            os.close(there)
        os.close(home)
    return fd


def enter(netns_fd):
    if ctypes.CDLL(None, use_errno=True).setns(netns_fd, CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def open_channel(name, deadline):
    """Lock and open a free command channel of a guest."""
    while time.time() < deadline:
        for i in range(CHANNELS):
            lock = open(folder_of(name) / f"channel{i}.lock", "w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                channel = socket.socket(socket.AF_UNIX)
                channel.connect(str(folder_of(name) / f"channel{i}"))
                return lock, channel
            except OSError:
                lock.close()
        time.sleep(0.05)
    raise TimeoutError(f"guest {name} has no free command channel")


def folder_of(name):
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError(f"bad guest name: {name}")
    return STATE / name


def pid_of(name):
    """The process of a running guest, or None."""
    try:
        pid = int((folder_of(name) / "pid").read_text())
        ours = f"peer-lab-{name}".encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        return pid if ours else None
    except (OSError, ValueError):
        return None
