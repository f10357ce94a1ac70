"""strongSwan as the guests' disk does not hold it: its version 6, and its load tester."""
import fcntl
import hashlib
import shutil

import plugin
from archive import OWN_SUITE, Archive
from image import CACHE, HERE, make_folders, unpack

# The suite with strongSwan 6, and what charon and swanctl need of it.
SUITE = "trixie"
PACKAGES = ["libcharon-extra-plugins", "libstrongswan-extra-plugins",
            "libstrongswan-standard-plugins", "strongswan-charon", "strongswan-swanctl"]


def version_6():
    """A folder to run strongSwan 6 with ML-KEM from; made when it is missing."""
    root = CACHE / "strongswan-6"

    def fill(archive):
        unpack(archive.binaries(PACKAGES), root)
        make_folders(root)
        # Debian's installer links these, no package does.
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        plugin.build(archive, "libstrongswan/plugins/ml",
                     root / "usr/lib/ipsec/plugins/libstrongswan-ml.so")
    once(root, SUITE, fill)
    return root


def load_tester():
    """The plugin that makes IKE SAs by the thousand, for the charon on the guests' disk."""
    folder = CACHE / "load-tester"
    target = folder / "libstrongswan-load-tester.so"
    once(folder, OWN_SUITE, lambda archive: plugin.build(
        archive, "libcharon/plugins/load_tester", target, without=["load_tester.c"]))
    return target


def once(folder, suite, fill):
    """Have a folder of the cache filled from a suite's archive, unless it is up to date."""
    CACHE.mkdir(parents=True, exist_ok=True)
    stamp = CACHE / f"{folder.name}.stamp"
    with open(CACHE / f"{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        want = recipe()
        if stamp.exists() and stamp.read_text() == want:
            return
        stamp.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        archive = Archive(CACHE / f"{folder.name}.archive", suite)
        fill(archive)
        shutil.rmtree(archive.folder)
        stamp.write_text(want)


def recipe():
    """What the folders are made from; the packages are whatever the archive had at the time."""
    digest = hashlib.sha256()
    for name in ("archive.py", "plugin.py", "strongswan.py"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()
