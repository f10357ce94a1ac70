"""The guest's kernel, first stage and disk, made from Debian's packages and cached."""
import fcntl
import gzip
import hashlib
import io
import lzma
import os
import re
import shutil
import struct
import subprocess
import time
import zlib
from pathlib import Path

from archive import run

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastgw-peer-lab"
KERNEL = "linux-image-amd64"
# What the first stage loads to reach the disk.
FIRST_STAGE = ["virtio_pci", "virtio_blk", "ext4", "crc32c_generic", "overlay"]
# Dependencies that only matter while Debian installs packages; the guest never does.
SKIP_DEB = re.compile(r"(perl|initramfs-tools|klibc|libklibc|debconf|dpkg|cron|cpio|linux-base|"
                      r"udev|usrmerge|logrotate|libsemanage|adduser|lsof)[-_0-9a-z.]*_")
SKIP_DIR = ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info",
            "usr/share/lintian", "usr/share/perl5", "usr/share/zoneinfo",
            "usr/share/bash-completion", "usr/lib/udev", "lib/udev", "lib/systemd",
            "usr/lib/systemd"]


def build(force=False):
    """Make vmlinux, initrd.gz, disk.ext4 and root in the cache, unless they are up to date."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, want = CACHE / "stamp", recipe()
        if not force and stamp.exists() and stamp.read_text() == want:
            return
        began = time.time()
        stamp.unlink(missing_ok=True)
        root, kernel = CACHE / "root", CACHE / "kernel"
        debs = sorted(download().glob("*.deb"))
        is_kernel = [deb.name.startswith("linux-image-") for deb in debs]
        unpack([deb for deb, of_it in zip(debs, is_kernel) if of_it], kernel)
        unpack([deb for deb, of_it in zip(debs, is_kernel) if not of_it], root)
        deps = install_modules(root, kernel)
        install_guest(root)
        make_initrd(root, kernel, deps)
        size = make_disk(root)
        for tree in (kernel, CACHE / "debs"):
            shutil.rmtree(tree)
        stamp.write_text(want)
    print(f"peer-lab: a {size} MiB image, built in {time.time() - began:.0f} s, in {CACHE}")


def recipe():
    """What the image is made from; the kernel is whatever the archive had at the time."""
    digest = hashlib.sha256()
    for file in [HERE / "image.py", HERE / "packages.txt", HERE / "modules.txt",
                 *sorted((HERE / "guest").iterdir())]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def download():
    """The packages and all their dependencies, whatever this machine has installed."""
    debs = CACHE / "debs"
    shutil.rmtree(debs, ignore_errors=True)
    (debs / "partial").mkdir(parents=True)
    (CACHE / "no-status").write_text("")
    options = ["-y", "-q", "-o", f"Dir::State::status={CACHE}/no-status",
               "-o", f"Dir::Cache::archives={debs}", "-o", "APT::Install-Recommends=false",
               "-o", "APT::Sandbox::User=root"]
    for attempt in ("with the lists that are here", "with fresh ones"):
        if attempt == "with fresh ones":
            run("apt-get", "-q", "update", stdout=subprocess.DEVNULL)
        try:
            for names in sets("packages.txt"):
                run("apt-get", *options, "--download-only", "install", *names,
                    stdout=subprocess.DEVNULL)
            run("apt-get", *options, "download", kernel_package(), cwd=debs,
                stdout=subprocess.DEVNULL)
            return debs
        except (subprocess.CalledProcessError, LookupError):
            if attempt == "with fresh ones":
                raise


def kernel_package():
    """The package that the kernel's metapackage stands for today."""
    depends = output("apt-cache", "depends", KERNEL)
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if not found:
        raise LookupError(f"apt knows no {KERNEL}")
    return found.group(1)


def unpack(debs, tree):
    """Unpack what is wanted of packages into a tree of their own."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    for deb in debs:
        if not SKIP_DEB.match(deb.name):
            run("dpkg-deb", "-x", deb, tree)
    for name in SKIP_DIR:
        shutil.rmtree(tree / name, ignore_errors=True)


def install_modules(root, kernel):
    """Copy the selected modules into the guest; returns the whole tree's dependencies."""
    version = kernel_version(kernel)
    whole = root / "usr/lib/modules-all/lib/modules" / version
    shutil.copytree(kernel / "lib/modules" / version, whole)
    # depmod runs inside the image, so that this machine needs no kmod.
    run("chroot", root, "/sbin/depmod", "-b", "/usr/lib/modules-all", version)
    deps = {}
    for line in (whole / "modules.dep").read_text().splitlines():
        module, _, needs = line.partition(":")
        deps[module] = needs.split()
    target = root / "lib/modules" / version
    for module in closure(deps, words("modules.txt")):
        (target / module).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(whole / module, target / module)
    for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
        shutil.copy(whole / name, target / name)
    run("chroot", root, "/sbin/depmod", version)
    shutil.rmtree(root / "usr/lib/modules-all")
    return deps


def install_guest(root):
    """The guest's own files, and busybox for every command that no package brought."""
    lib = root / "usr/lib/peer-lab"
    lib.mkdir(parents=True)
    for source, target in (("command-server", lib / "command-server"),
                           ("peer-init", root / "sbin/peer-init")):
        shutil.copy(HERE / "guest" / source, target)
        target.chmod(0o755)
    # Static, so that it does not matter whose C library this machine has.
    run("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", root / "sbin/tunnel-socket",
        HERE / "guest/tunnel-socket.c")
    make_folders(root)
    users = [("root", 0, "/", "/bin/bash"), ("tcpdump", 103, "/nonexistent", "/bin/false"),
             ("nobody", 65534, "/nonexistent", "/bin/false")]
    (root / "etc/passwd").write_text(
        "".join(f"{name}:x:{i}:{i}::{home}:{shell}\n" for name, i, home, shell in users))
    (root / "etc/group").write_text("".join(f"{name}:x:{i}:\n" for name, i, _, _ in users))
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root / "bin/sh").unlink(missing_ok=True)
    (root / "bin/sh").symlink_to("bash")
    for applet in output("chroot", root, "/bin/busybox", "--list").split():
        if not any((root / d / applet).exists() for d in ("bin", "sbin", "usr/bin", "usr/sbin")):
            (root / "bin" / applet).symlink_to("busybox")


def make_folders(root):
    """The folders that a running system expects."""
    for name in ("proc", "sys", "dev", "run", "tmp", "root", "var"):
        (root / name).mkdir(parents=True, exist_ok=True)
    run_folder = root / "var/run"
    if not run_folder.is_symlink():
        shutil.rmtree(run_folder, ignore_errors=True)
        run_folder.symlink_to("/run")


def make_initrd(root, kernel, deps):
    """The kernel, and a first stage with busybox and the disk's drivers."""
    version = kernel_version(kernel)
    (CACHE / "vmlinux").write_bytes(unpack_kernel(kernel / f"boot/vmlinuz-{version}"))
    names = {Path(m).name.split(".ko")[0].replace("-", "_"): m for m in deps}
    order = []
    for name in FIRST_STAGE:
        for module in closure(deps, [names[name][len("kernel/"):]]):
            if module not in order:
                order.append(module)
    entries = [("bin", 0o40755, b""), ("m", 0o40755, b""), ("dev", 0o40755, b""),
               ("bin/busybox", 0o100755, (root / "bin/busybox").read_bytes()),
               ("init", 0o100755, (HERE / "guest/initramfs-init").read_bytes())]
    for module in order:
        data = (kernel / "lib/modules" / version / module).read_bytes()
        entries.append((f"m/{Path(module).name}", 0o100644, data))
    listing = "".join(Path(m).name + "\n" for m in order).encode()
    entries.append(("m/order", 0o100644, listing))
    (CACHE / "initrd.gz").write_bytes(gzip.compress(cpio(entries), 6, mtime=0))


def make_disk(root):
    """The guest's root as an ext4 image; returns its content's size in MiB."""
    size = int(output("du", "-sm", root).split()[0])
    image = CACHE / "disk.ext4"
    image.unlink(missing_ok=True)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-m", "0",
        "-d", root, image, f"{size + size // 8 + 16}M", stdout=subprocess.DEVNULL)
    return size


def unpack_kernel(image):
    """The ELF kernel inside a bzImage, or the bzImage itself when its packing is unknown.

    QEMU boots the ELF directly (PVH), which saves the guest from unpacking it under emulation.
    """
    data = image.read_bytes()
    setup = data[0x1F1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    payload = data[(setup + 1) * 512 + offset:(setup + 1) * 512 + offset + length]
    if payload.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(payload)
    return data


def cpio(entries):
    """A newc cpio archive of (name, mode, data)."""
    archive = io.BytesIO()

    def pad():
        archive.write(b"\0" * (-archive.tell() % 4))
    for inode, (name, mode, data) in enumerate(entries + [("TRAILER!!!", 0, b"")], 1):
        name = name.encode() + b"\0"
        fields = [inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        archive.write(b"070701" + b"".join(b"%08X" % field for field in fields) + name)
        pad()
        archive.write(data)
        pad()
    return archive.getvalue()


def closure(deps, prefixes):
    """Modules whose path begins with one of the prefixes and all they need, needed first."""
    order, seen = [], set()

    def add(module):
        if module not in seen:
            seen.add(module)
            for needed in deps[module]:
                add(needed)
            order.append(module)
    for module in sorted(deps):
        if any(module.startswith("kernel/" + prefix) for prefix in prefixes):
            add(module)
    return order


def kernel_version(kernel):
    return next((kernel / "lib/modules").iterdir()).name


def words(name):
    lines = (HERE / name).read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def sets(name):
    """The words of a file, apart where a blank line is."""
    lines = [line for line in (HERE / name).read_text().splitlines() if not line.startswith("#")]
    return [block.split() for block in "\n".join(lines).split("\n\n")]


def output(*command):
    return run(*command, stdout=subprocess.PIPE, text=True).stdout
