"""The bytes of a configuration file: a file only, of bounded size, and when it changes, twice the same."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reaper.config.problem import ConfigError, refusal
from reaper.config.syntax import SIZE_LIMIT_BYTES

_KINDS: Final = {"d": "a directory", "p": "a pipe", "s": "a socket", "c": "a device", "b": "a device"}


def read_bytes(path: str | Path) -> bytes:
    """What stands in the file, up to one byte more than may be parsed; ConfigError when it cannot be read."""
    try:
        # A pipe without a writer would be waited for until somebody opens it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            message = f"the file cannot be read: it is {_KINDS.get(stat.filemode(mode)[0], 'no file')}"
            raise refusal(str(path), (0, 0), message, "name a file that stays as it is")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(SIZE_LIMIT_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(descriptor)


def digest_of(content: bytes) -> str:
    """What two equal files have in common."""
    return hashlib.sha256(content).hexdigest()


@dataclass(slots=True)
class ConfigWatch:
    """Reports once what a file has come to hold: after two equal reads, `apart_s` or more between them.

    A file that is being written is different at the second read, so what stands half in it is never reported. `seen`
    is the digest of what was reported last.
    """

    path: Path
    seen: str
    apart_s: float
    _met: str = ""
    _met_at: float = 0.0

    @property
    def unsettled(self) -> bool:
        """Whether the last read found something that is not reported yet."""
        return bool(self._met)

    def settled(self, now: float) -> bytes | None:
        """The new content, read at monotonic `now`; None while there is none, ConfigError when it cannot be read."""
        found: bytes | ConfigError
        try:
            found = read_bytes(self.path)
            digest = digest_of(found)
        except ConfigError as error:
            found, digest = error, str(error)
        if digest == self.seen:
            self._met = ""
            return None
        if digest != self._met:
            self._met, self._met_at = digest, now
            return None
        if now - self._met_at < self.apart_s:
            return None
        self.seen, self._met = digest, ""
        if isinstance(found, ConfigError):
            raise found
        return found


def _unreadable(path: str | Path, error: OSError | ValueError) -> ConfigError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return refusal(str(path), (0, 0), f"the file cannot be read: {reason}", "check the path and its rights")
