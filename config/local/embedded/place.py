"""Choose where an embedded server keeps its files, and which user it runs as.

    <data>/postgres/lease/      locks of the processes that use the server (owned by their user)
    <data>/postgres/home/       cluster, sockets, log (owned by the server's user)

PostgreSQL refuses to run as root, so under root a server runs as an unprivileged user, who must be able to reach its
home and its programs. The modes of other people's directories are never changed for that. Where that user cannot
enter (a checkout below /root or in a private temporary directory), `home` is a link to a directory below
/var/lib/waypost, and the programs are copied there.

Socket addresses hold 103 bytes at most on some systems: an ordinary user whose data directory has a longer name gets
a private socket directory in /tmp.
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
from typing import Any

MACHINE_WIDE = Path("/var/lib/waypost")
SERVER_USER = "nobody"
LONGEST_SOCKET = 103  # sun_path: 104 bytes with the final NUL on macOS and BSD, 108 on Linux


class EmbeddedError(Exception):
    """An embedded server cannot run. The message is one line for the operator."""


@dataclass(frozen=True)
class Place:
    """The files of one embedded server (`kind`) of one data directory."""

    kind: str
    data: Path

    @property
    def lease(self) -> Path:
        """Return the directory of the locks."""
        return self.data / self.kind / "lease"

    @property
    def link(self) -> Path:
        """Return the path of the home, which may be a link."""
        return self.data / self.kind / "home"

    @property
    def home(self) -> Path:
        """Return the directory of the server's files, with the link resolved."""
        return self.link.resolve()

    @property
    def user(self) -> pwd.struct_passwd | None:
        """Return the user to run the server as; None: the current one. For root: the owner of an existing home."""
        if os.geteuid() != 0:
            return None
        owner = self.home.stat().st_uid if self.home.exists() else 0
        return pwd.getpwuid(owner) if owner else pwd.getpwnam(SERVER_USER)

    @property
    def sockets(self) -> Path:
        """Return the directory of the server's socket, short enough for a socket address."""
        here = self.home / "run"
        if len(bytes(here / ".s.PGSQL.5432")) <= LONGEST_SOCKET:
            return here
        digest = hashlib.sha256(bytes(self.home)).hexdigest()[:12]
        return Path("/tmp") / f"waypost-{os.geteuid()}-{digest}"  # noqa: S108 (checked in `prepare`)

    def prepare(self) -> None:
        """Create missing directories; several processes may do so at once.

        Raises EmbeddedError if no directory can be used.
        """
        try:
            self.lease.mkdir(mode=0o711, parents=True, exist_ok=True)
            if not self.link.exists():
                self._create_home()
            for directory in (self.home, self.sockets):
                self._make_private(directory)
        except OSError as error:
            raise EmbeddedError(f"cannot use the data directory {self.data}: {error}") from None

    def _create_home(self) -> None:
        """Create the home: inside the data directory if the server's user can enter it."""
        if self.link.is_symlink():
            raise EmbeddedError(f"{self.link} points to {self.home}, which does not exist; remove it to start anew")
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
        """Create a directory that belongs to the server's user and is closed to all others. Raises EmbeddedError."""
        directory.mkdir(mode=0o700, exist_ok=True)
        wanted = self.user.pw_uid if self.user else os.geteuid()
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (wanted, os.geteuid()):
            raise EmbeddedError(f"{directory} belongs to another user")
        if found.st_uid != wanted:
            os.chown(directory, wanted, -1, follow_symlinks=False)

    def remove(self) -> None:
        """Remove all files of the server."""
        shutil.rmtree(self.sockets, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.data / self.kind, ignore_errors=True)

    def programs(self, distribution: str, package: str, *subtrees: str) -> Path:
        """Return the directory of an installed package, or of a copy of these subtrees that the user can reach."""
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
        """Try whether the server's user can enter a directory."""
        if self.user is None:
            return True
        enter = ["/bin/sh", "-c", 'cd -- "$0"', str(directory)]
        done = subprocess.run(enter, **self.identity, cwd="/", stderr=subprocess.DEVNULL, check=False)  # noqa: S603
        return bool(done.returncode == 0)

    @property
    def identity(self) -> dict[str, Any]:
        """Return the arguments that make subprocess start a program as the server's user."""
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
