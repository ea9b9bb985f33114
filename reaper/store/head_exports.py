"""Heads of the record, appended where who writes the state cannot change them: a file, or an append-only blob."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reaper.fetch import FetchError, fetch
from reaper.store.signing import Exported, Head, read_head

TIMEOUT_S: Final = 10
_API: Final = {"x-ms-version": "2021-12-02"}
_NEW_BLOB: Final = {"x-ms-blob-type": "AppendBlob", "If-None-Match": "*"}
_MISSING: Final = 404


class ExportError(Exception):
    """A head could not be appended, or exported ones not be read. No message holds the query of an address."""


def is_address(place: str) -> bool:
    """Whether heads go to a blob and not to a file."""
    return "://" in place


async def export(place: str, head: Head) -> None:
    """Append a head, durably; ExportError when that fails."""
    line = json.dumps(head.told()).encode() + b"\n"
    if is_address(place):
        await _append_to_blob(place, line)
    else:
        _append_to_file(place, line)


def exported(place: str) -> Iterator[Exported]:
    """The heads in a file in order; ExportError at a line that is none, or when the file cannot be read."""
    try:
        with Path(place).open("rb") as file:
            for number, line in enumerate(file, start=1):
                where = f"line {number} of {place}"
                try:
                    yield Exported(where, read_head(json.loads(line)))
                except (ValueError, RecursionError) as error:
                    raise ExportError(f"{where} is no head: it was altered, or not wholly written") from error
    except FileNotFoundError:
        return
    except OSError as error:
        raise ExportError(f"{place}: {error.strerror}") from error


def _append_to_file(place: str, line: bytes) -> None:
    try:
        descriptor = os.open(place, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            # What a crash left half written stays one bad line, and spoils no good one.
            is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            whole = b"\n" * is_torn + line
            if os.write(descriptor, whole) != len(whole):
                raise ExportError(f"{place}: the disk is full")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ExportError(f"{place}: {error.strerror}") from error


async def _append_to_blob(place: str, line: bytes) -> None:
    """One more block on the blob, which is made when it is not there yet."""
    shown = place.partition("?")[0]
    block = f"{place}{'&' if '?' in place else '?'}comp=appendblock"
    try:
        status = await _put(block, line)
        if status == _MISSING:
            await _put(place, b"", **_NEW_BLOB)
            status = await _put(block, line)
    except FetchError as error:
        raise ExportError(f"{shown}: {error}") from None
    if not 200 <= status < 300:
        raise ExportError(f"{shown}: HTTP {status}")


async def _put(url: str, body: bytes, **headers: str) -> int:
    status, _ = await fetch("PUT", url, _API | headers, TIMEOUT_S, body=body)
    return status
