"""A suite of Debian's, whichever this machine runs, from the archive that the machine asks."""
import platform
import re
import shutil
import subprocess
from pathlib import Path

OWN_SUITE = platform.freedesktop_os_release()["VERSION_CODENAME"]


class NotToBeHad(RuntimeError):
    """The archive does not have it, or cannot be reached."""


class Archive:
    """apt with lists and packages of its own in a folder, and with no package installed."""

    def __init__(self, folder, suite):
        self.folder, self.suite = folder, suite
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("lists/partial", "archives/partial", "sources"):
            (folder / name).mkdir(parents=True)
        (folder / "no-status").write_text("")
        for name, text in sources(suite):
            (folder / "sources" / name).write_text(text)
        self._apt("update")

    def binaries(self, names):
        """The packages and all their dependencies."""
        self._apt("install", "-y", "--download-only", *names)
        return sorted((self.folder / "archives").glob("*.deb"))

    def source(self, name, *files):
        """A tree of a package's source without Debian's changes, of it what matches the globs."""
        for part in ("", f"/{self.suite}-security"):
            try:
                self._apt("source", "--download-only", "--tar-only", name + part)
                break
            except RuntimeError:
                # A mirror may have the sources of one part of the suite and not of another.
                if part:
                    raise
        tree = self.folder / "source"
        tree.mkdir()
        for tar in self.folder.glob(f"{name}_*.orig.tar.*[!c]"):
            run("tar", "-C", tree, "-xf", tar, "--wildcards", *files)
        return next(tree.iterdir())

    def _apt(self, command, *words):
        options = {"Dir::Etc::SourceList": "/dev/null", "Dir::Cache": self.folder,
                   "Dir::Etc::SourceParts": self.folder / "sources",
                   "Dir::State::Lists": self.folder / "lists",
                   "Dir::State::status": self.folder / "no-status",
                   "APT::Install-Recommends": "false", "APT::Sandbox::User": "root",
                   "Acquire::Languages": "none", "Acquire::Retries": "3",
                   "APT::Update::Error-Mode": "any"}
        flags = [word for pair in options.items() for word in ("-o", "{}={}".format(*pair))]
        done = subprocess.run(["apt-get", "-q", *map(str, flags), command, *words], text=True,
                              cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise NotToBeHad(f"Debian's {self.suite} cannot be had: apt-get {command} "
                               f"{' '.join(words)}:\n{done.stdout}")


def sources(suite):
    """This machine's sources of Debian itself, for another suite: names and texts."""
    own = re.compile(rf"\b{OWN_SUITE}(?=-[a-z]+\b|\s)")
    folder = Path("/etc/apt")
    for file in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.list"))]:
        lines = file.read_text().splitlines() if file.exists() else []
        wanted = re.compile(rf"deb\s+(\[.*\]\s+)?\S+\s+{OWN_SUITE}(-\S+)?\s.*\bmain\b")
        lines = [own.sub(suite, line) for line in lines if wanted.match(line)]
        both = lines + ["deb-src" + line.removeprefix("deb") for line in lines]
        yield file.name, "\n".join(both) + "\n"
    for file in sorted((folder / "sources.list.d").glob("*.sources")):
        stanzas = re.split(r"\n\s*\n", file.read_text())
        wanted = re.compile(rf"^Suites:(.*\s)?{OWN_SUITE}\b", re.M)
        stanzas = [own.sub(suite, stanza + "\n") for stanza in stanzas
                   if wanted.search(stanza) and re.search(r"^Components:.*\bmain\b", stanza, re.M)]
        both = [re.sub(r"^Types:.*", "Types: deb deb-src", stanza, flags=re.M)
                for stanza in stanzas]
        yield file.name, "\n".join(both)


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, **options)
