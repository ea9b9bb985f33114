"""One sweeping process at a time: a lock beside the state file, which the kernel lets go when its holder dies."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from sqlalchemy.engine import make_url

from reaper.store.database import StateError


class ClaimedElsewhereError(Exception):
    """Another process holds the claim to sweep on this state."""


class Claim:
    """The right to sweep on one state; `release` or the end of the process gives it back."""

    def __init__(self, url: str) -> None:
        """Take the claim; raises ClaimedElsewhereError naming the holder, or StateError."""
        database = make_url(url).database
        if not database:
            raise StateError(f"state {url}: there is no file to claim")
        path = Path(f"{database}.lock")
        try:
            self._file = path.open("a+")
        except OSError as error:
            raise StateError(f"state {url}: {path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read(200).strip() or "unknown"
            self._file.close()
            raise ClaimedElsewhereError(f"another process sweeps on {path.with_suffix('')}: {holder}") from error
        self._file.seek(0)
        self._file.truncate()
        self._file.write(f"pid {os.getpid()} on {socket.gethostname()}\n")
        self._file.flush()

    def release(self) -> None:
        """Let another process sweep."""
        self._file.close()
