"""Where an embedded server keeps its files, and which user it runs as.

    <data>/postgres/lease/      locks of those who use the server (theirs)
    <data>/postgres/home/       everything the server touches (the server's user's): cluster, sockets, log

PostgreSQL refuses to run as root, and rightly: so under root a server runs as `nobody`, who must be able to
reach its home and its programs. Directories that are not ours are never opened up for that. Where the way is
barred (a checkout below /root or in a private temporary directory), `home` is a link to a directory of its own
below /var/lib/waypost, and the programs are copied there.

Socket addresses hold 103 bytes at most on some systems: an ordinary user whose data directory has a longer
name gets a private socket directory in /tmp.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

MACHINE_WIDE = Path("/var/lib/waypost")
SERVER_USER = "nobody"
LONGEST_SOCKET = 103  # sun_path: 104 bytes with the final NUL on macOS and BSD, 108 on Linux


class EmbeddedError(Exception):
    """An embedded server cannot run; the message is one line for the operator."""


@dataclass(frozen=True)
class Place:
    """The files of one embedded server (`kind`) of one data directory."""

    kind: str
    data: Path

    @property
    def lease(self) -> Path:
        return self.data / self.kind / "lease"

    @property
    def link(self) -> Path:
        return self.data / self.kind / "home"

    @property
    def home(self) -> Path:
        """Where the server lives: here, or where the link points."""
        return self.link.resolve()

    @property
    def user(self) -> pwd.struct_passwd | None:
        """Whom to run the server as; None: as ourselves. Root takes the owner of the home there is."""
        if os.geteuid() != 0:
            return None
        owner = self.home.stat().st_uid if self.home.exists() else 0
        return pwd.getpwuid(owner) if owner else pwd.getpwnam(SERVER_USER)

    @property
    def sockets(self) -> Path:
        """The directory of the server's socket, short enough for a socket address."""
        here = self.home / "run"
        if len(bytes(here / ".s.PGSQL.5432")) <= LONGEST_SOCKET:
            return here
        digest = hashlib.sha256(bytes(self.home)).hexdigest()[:12]
        return Path("/tmp") / f"waypost-{os.geteuid()}-{digest}"  # noqa: S108 (checked in `prepare`)

    def prepare(self) -> None:
        """Make what is missing; several processes may come at once.

        Raises EmbeddedError if there is no place that the server may use.
        """
        try:
            self.lease.mkdir(mode=0o711, parents=True, exist_ok=True)
            if not self.link.exists():
                self._settle()
            for directory in (self.home, self.sockets):
                self._make_private(directory)
        except OSError as error:
            raise EmbeddedError(f"cannot use the data directory {self.data}: {error}") from None

    def _settle(self) -> None:
        """Choose the home: inside the data directory if the server's user can get there."""
        if self.link.is_symlink():
            raise EmbeddedError(f"{self.link} points to {self.home}, which is gone; remove the link to begin anew")
        if self.reaches(self.link.parent):
            self.link.mkdir(mode=0o700, exist_ok=True)
            return
        MACHINE_WIDE.mkdir(mode=0o755, parents=True, exist_ok=True)
        elsewhere = Path(tempfile.mkdtemp(prefix=f"{self.kind}-", dir=MACHINE_WIDE))
        try:
            self.link.symlink_to(elsewhere)
        except FileExistsError:  # another process was quicker
            elsewhere.rmdir()

    def _make_private(self, directory: Path) -> None:
        """The directory exists, belongs to the server's user, and is closed to everybody else."""
        directory.mkdir(mode=0o700, exist_ok=True)
        wanted = self.user.pw_uid if self.user else os.geteuid()
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (wanted, os.geteuid()):
            raise EmbeddedError(f"{directory} belongs to somebody else")
        if found.st_uid != wanted:
            os.chown(directory, wanted, -1, follow_symlinks=False)

    def remove(self) -> None:
        """Forget everything the server kept, wherever it lies."""
        shutil.rmtree(self.sockets, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.data / self.kind, ignore_errors=True)

    def programs(self, distribution: str, package: str, *subtrees: str) -> Path:
        """The directory of an installed package, or of a copy of these parts of it that the user can reach."""
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise EmbeddedError(f"the package {package} is not installed")
        installed = Path(next(iter(spec.submodule_search_locations)))
        if self.reaches(installed):
            return installed
        copy = self.home / "programs" / version(distribution)
        if not copy.exists():
            draft = Path(tempfile.mkdtemp(dir=self.home))
            draft.chmod(0o755)
            for subtree in subtrees:
                source = (installed.parent / subtree).resolve()
                skip = shutil.ignore_patterns("*.a", "include")
                shutil.copytree(source, draft / subtree, symlinks=True, ignore=skip)
            shutil.rmtree(copy.parent, ignore_errors=True)
            copy.parent.mkdir()
            draft.rename(copy)
        return copy / package

    def reaches(self, directory: Path) -> bool:
        """Whether the server's user can enter this directory: asked of the kernel, by trying."""
        if self.user is None:
            return True
        enter = ["/bin/sh", "-c", 'cd -- "$0"', str(directory)]
        return subprocess.run(enter, **self.identity, cwd="/", stderr=subprocess.DEVNULL).returncode == 0  # noqa: S603

    @property
    def identity(self) -> dict[str, object]:
        """The arguments that make subprocess start a program as the server's user."""
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
