"""Plugins of strongSwan's that Debian's packages leave out, from Debian's source."""
from archive import run

# What strongSwan's configure script would find out here.
CONFIG = """\
#define CONFIG_H_INCLUDED
#define _GNU_SOURCE
#define HAVE_SIGWAITINFO
#define HAVE_EXPLICIT_BZERO
#define IPSEC_PIDDIR "/var/run"
"""


def build(archive, place, target, without=()):
    """Compile the folder `place` of strongSwan's source, as a suite has it, into a plugin."""
    source = archive.source("strongswan", "*/src/*.h", f"*/src/{place}/*.c") / "src"
    config = archive.folder / "config.h"
    config.write_text(CONFIG)
    files = [file for file in sorted((source / place).glob("*.c")) if file.name not in without]
    headers = [word for part in ("libstrongswan", "libcharon", "include")
               for word in ("-I", source / part)]
    target.parent.mkdir(parents=True, exist_ok=True)
    run("gcc", "-shared", "-fPIC", "-O2", "-w", "-include", config, "-include", "stdbool.h",
        *headers, "-o", target, *files)
