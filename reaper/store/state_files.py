"""Files that must stay the ones that were opened, and that nobody else may plant, hold or read.

Everything here raises OSError; whoever calls says what the file was for.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from glob import escape, glob
from typing import Final

PRIVATE: Final = 0o600
_OTHERS_WRITE: Final = 0o002
_ORPHAN: Final = ".left"

Identity = tuple[int, int]


def identity(path: str) -> Identity | None:
    """The device and inode that a path leads to, None when nothing is there."""
    try:
        info = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return info.st_dev, info.st_ino


def check_plain(path: str, info: os.stat_result) -> None:
    """Refuse what is no regular file of one name, or can be written by everybody."""
    if not stat.S_ISREG(info.st_mode):
        raise OSError(errno.EINVAL, "is not a regular file", path)
    if info.st_nlink > 1:
        raise OSError(errno.EMLINK, f"has {info.st_nlink} names (hard links), it must have one", path)
    if info.st_mode & _OTHERS_WRITE:
        raise OSError(errno.EPERM, "can be written by everybody: chmod o-w it", path)


def check_mine(path: str, info: os.stat_result) -> None:
    """Refuse a file that another user owns."""
    if info.st_uid != os.geteuid():
        what = f"is owned by uid {info.st_uid}, this process is uid {os.geteuid()}: whoever owns it must remove it"
        raise OSError(errno.EPERM, what, path)


def open_mine(path: str) -> int:
    """A descriptor of a private file of ours, made if it is missing; its content is left as it is."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, PRIVATE)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "is a symbolic link: remove it", path) from error
        raise
    try:
        info = os.fstat(descriptor)
        check_mine(path, info)
        check_plain(path, info)
        if info.st_mode & 0o077:
            # Who can open a lock, if only to read, can hold it. Some volumes know no modes: there it has no effect.
            with suppress(OSError):
                os.fchmod(descriptor, PRIVATE)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write_private(path: str, text: Iterable[str]) -> None:
    """Write a file that only its owner can read; links of strangers are not followed."""
    with suppress(FileNotFoundError):
        info = os.lstat(path)
        if stat.S_ISLNK(info.st_mode) and info.st_uid not in {0, os.geteuid()}:
            raise OSError(errno.ELOOP, f"is a symbolic link of uid {info.st_uid}", path)
    with open(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE), "w", encoding="utf-8"
    ) as file:
        file.writelines(text)


def replace_private(path: str, text: str) -> None:
    """Put a private file in the place of another, whole or not at all, on disk when this returns."""
    fresh = f"{path}.{os.getpid()}.new"
    try:
        with open(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE), "w", encoding="utf-8"
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(fresh, path)
    except OSError:
        with suppress(OSError):
            os.unlink(fresh)
        raise


@contextmanager
def making_in(folder: str) -> Iterator[None]:
    """The only process that makes a file in this folder; raises OSError when another is at it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(errno.EBUSY, "another process is making a state here: try again", folder) from error
        except OSError:
            pass  # a file system without locks: the claim says so before anything is swept
        yield
    finally:
        os.close(descriptor)


class OpenedFile:
    """The state file and SQLite's own two beside it, as they were when opened."""

    def __init__(self, named: str) -> None:
        self.named = os.path.abspath(named)
        self.real = os.path.realpath(named)
        self.log = f"{self.real}-wal"
        self._opened: dict[str, Identity] = {}
        self._log_seen: tuple[int, int] | None = None

    def check(self) -> None:
        """Refuse a state file that is not plain; none at all is fine."""
        with suppress(FileNotFoundError):
            check_plain(self.real, os.stat(self.real))

    def expect(self) -> None:
        """The state file that is there now is the one that is opened."""
        self._expect(self.named)

    def opened(self) -> None:
        """So are the files that SQLite has made beside it, as long as one connection stays open."""
        self._expect(self.log, f"{self.real}-shm")
        self._log_seen = self._log_now()

    def _expect(self, *paths: str) -> None:
        self._opened |= {path: known for path in paths if (known := identity(path)) is not None}

    def changed(self) -> str:
        """Which of them is not the one that was opened, '' while all are."""
        for path, was in self._opened.items():
            try:
                now = identity(path)
            except OSError as error:
                return f"{path}: {error.strerror}"
            if now is None:
                return f"{path} is not there any more"
            if now != was:
                return f"{path} is not the file that was opened: it was replaced"
        with suppress(OSError):
            if os.stat(self.real).st_size == 0:
                return f"{self.real} was emptied"
        return ""

    def settled(self) -> str:
        """As `changed`, after something was written."""
        self._log_seen = self._log_now()
        return self.changed()

    def owns_log(self) -> bool:
        """Whether the log at its path is the one that was opened, and nobody else wrote it."""
        with suppress(OSError):
            return identity(self.log) == self._opened.get(self.log) and self._log_now() == self._log_seen
        return False

    def _log_now(self) -> tuple[int, int] | None:
        try:
            info = os.stat(self.log)
        except OSError:
            return None
        return info.st_size, info.st_mtime_ns


def set_aside(database: str) -> None:
    """Move what a state that is gone left beside it, which SQLite would take for a part of the next one."""
    for left in ("-wal", "-journal"):
        with suppress(FileNotFoundError):
            os.rename(f"{database}{left}", f"{database}{left}{_ORPHAN}")
    with suppress(FileNotFoundError):
        os.unlink(f"{database}-shm")


def copy_name(real: str, version: int | None, at: float) -> str:
    """What a copy beside this state is called, by the version that wrote it and the time."""
    return f"{real}.v{'' if version is None else version}-{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%SZ}"


def copies_of(real: str) -> list[str]:
    """The copies that lie beside this state, by version and time."""
    return sorted(glob(f"{escape(real)}.v*-*Z")) if real else []
