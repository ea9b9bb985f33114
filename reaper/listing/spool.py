"""What a sweep may not keep in memory: a file without a name, which is gone with the process however that ends."""

from __future__ import annotations

import asyncio
import gc
import marshal
import os
import tempfile
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

IN_MEMORY_MAX: Final = 25_000
"""So many candidates of all agents together are kept in memory."""
RUN_MIN: Final = 1_000
"""Fewer of one agent are not worth a write."""
RUN_MAX: Final = 1_000
"""So many are written at once, before others may have their turn."""
BLOCK: Final = 32
"""So many values are read at once."""
_FORMAT: Final = 2
"""The one that does not look for values that it has written already."""


class SpoolError(Exception):
    """What does not fit into memory cannot be written or read; the sweep cannot go on without it."""


@dataclass(frozen=True, slots=True)
class Block:
    """So many values, and where they are."""

    at: int
    size: int
    count: int


@dataclass(slots=True, weakref_slot=True)
class Spool:
    """One run's file for all of its agents, made when it is first needed, in `folder` or where temporary files go.

    `held` is how much its users keep in memory now; there is room while that is at most `in_memory_max`. Who takes
    a `turn` may read long stretches of it, one agent after another.
    """

    folder: str = ""
    in_memory_max: int = IN_MEMORY_MAX
    run_min: int = RUN_MIN
    held: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _file: int = -1
    _end: int = 0

    @property
    def is_full(self) -> bool:
        """Whether something should go to disk."""
        return self.held > self.in_memory_max

    def write(self, values: Sequence[Any]) -> list[Block]:
        """Put plain values on disk, in blocks; SpoolError when that fails."""
        parts, blocks, at = [], [], self._end
        for first in range(0, len(values), BLOCK):
            block = list(values[first : first + BLOCK])
            parts.append(marshal.dumps(block, _FORMAT))
            blocks.append(Block(at, len(parts[-1]), len(block)))
            at += len(parts[-1])
        self._append(b"".join(parts))
        # As much is let go of now as has come, so the collector of cycles counts nothing new. What it does not look
        # at as it comes, it looks at all at once some day.
        gc.collect(0)
        return blocks

    def read(self, block: Block) -> list[Any]:
        """The values of a block; SpoolError when they cannot be read."""
        try:
            data = os.pread(self._file, block.size, block.at)
            # Nobody else has ever had a name for this file.
            values: list[Any] = marshal.loads(data)  # noqa: S302
        except (OSError, EOFError, ValueError, TypeError) as error:
            raise SpoolError(f"what a sweep had put on disk in {self._where} cannot be read: {error}") from error
        return values

    def _append(self, data: bytes) -> None:
        try:
            if self._file < 0:
                with tempfile.TemporaryFile(dir=self.folder or None, buffering=0) as file:
                    self._file = os.dup(file.fileno())
                # A process that ends lets go of it by itself.
                weakref.finalize(self, _let_go, self._file).atexit = False
            left = memoryview(data)
            while left:
                written = os.pwrite(self._file, left, self._end)
                self._end, left = self._end + written, left[written:]
        except OSError as error:
            why = f"candidates that do not fit into memory cannot be put on disk in {self._where}: {error.strerror}"
            raise SpoolError(why) from error

    @property
    def _where(self) -> str:
        return self.folder or tempfile.gettempdir()


def _let_go(file: int) -> None:
    """Close it, and keep nobody waiting: that gives back every page of a file that nothing names."""
    try:
        threading.Thread(target=os.close, args=(file,)).start()
    except RuntimeError:
        os.close(file)
