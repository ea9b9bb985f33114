"""One sweeping process at a time: a lock beside the state file, which the kernel lets go when its holder dies."""

from __future__ import annotations

import fcntl
import os
import socket
from typing import Final

from reaper.store.database import StateError, path_of
from reaper.store.state_files import identity, open_mine

_HOLDER_MAX_BYTES: Final = 200


class ClaimedElsewhereError(Exception):
    """Another process holds the claim to sweep on this state."""


class Claim:
    """The right to sweep on one state; `release` or the end of the process gives it back.

    The lock lies beside the file that a link leads to, and is of this user alone: who can open it could hold it.
    """

    def __init__(self, url: str) -> None:
        """Take the claim; raises ClaimedElsewhereError naming the holder, or StateError."""
        database = path_of(url)
        if not database:
            raise StateError(f"state {url}: there is no file to claim")
        self._named = os.path.abspath(database)
        self._database = os.path.realpath(database)
        self._path = f"{self._database}.lock"
        try:
            self._descriptor = open_mine(self._path)
        except OSError as error:
            raise StateError(f"state {url}: the lock {self._path}: {error.strerror}") from error
        try:
            self._take(url)
        except BaseException:
            self.release()
            raise

    def _take(self, url: str) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ClaimedElsewhereError(
                f"another process sweeps on {self._database}: {self._holder() or 'unknown'}"
            ) from error
        except OSError as error:
            raise StateError(
                f"state {url}: {self._path} cannot be locked ({error.strerror}): this file system has no working "
                "locks. Keep the state on a disk of this machine, or on a volume that only one pod mounts"
            ) from error
        lost = self.lost()
        if lost:
            raise StateError(f"state {url}: {lost}")
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"pid {os.getpid()} on {socket.gethostname()}\n".encode(), 0)

    def _holder(self) -> str:
        return os.pread(self._descriptor, _HOLDER_MAX_BYTES, 0).decode(errors="replace").strip()

    def lost(self) -> str:
        """Why this claim keeps nobody else out any more, '' while it does."""
        if self._descriptor < 0:
            return f"the lock {self._path} was let go"
        held = os.fstat(self._descriptor)
        try:
            leads_to, found = os.path.realpath(self._named), identity(self._path)
        except OSError as error:
            return f"the lock {self._path}: {error.strerror}"
        if leads_to != self._database:
            return f"{self._named} leads to another file than {self._database}, which was claimed"
        if found is None:
            return f"the lock {self._path} is not there any more"
        if found != (held.st_dev, held.st_ino):
            return f"the lock {self._path} is not the file that is held: it was replaced"
        return ""

    def release(self) -> None:
        """Let another process sweep."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
