"""Heads of the record, appended where who writes the state cannot change them: a file, or an append-only blob."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2

from reaper.store.signing import Exported, Head, read_head

TIMEOUT_S: Final = 10
_API: Final = {"x-ms-version": "2021-12-02"}
_MISSING: Final = 404


class ExportError(Exception):
    """A head could not be appended, or exported ones not be read. No message holds the query of an address."""


def is_address(place: str) -> bool:
    """Whether heads go to a blob and not to a file."""
    return "://" in place


async def export(place: str, head: Head, transport: httpx2.AsyncBaseTransport | None = None) -> None:
    """Append a head, durably; ExportError when that fails."""
    line = json.dumps(head.as_json()).encode() + b"\n"
    if is_address(place):
        await _append_to_blob(place, line, transport)
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


async def _append_to_blob(place: str, line: bytes, transport: httpx2.AsyncBaseTransport | None) -> None:
    """One more block on the blob, which is made when it is not there yet."""
    shown = place.partition("?")[0]
    try:
        async with httpx2.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, transport=transport) as client:
            answer = await _put_block(client, place, line)
            if answer.status_code == _MISSING:
                headers = {**_API, "x-ms-blob-type": "AppendBlob", "If-None-Match": "*"}
                await client.put(place, content=b"", headers=headers)
                answer = await _put_block(client, place, line)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        # The error's own text may hold the address, and with it the signature.
        raise ExportError(f"{shown}: {type(error).__name__}") from None
    if not answer.is_success:
        raise ExportError(f"{shown}: HTTP {answer.status_code}")


async def _put_block(client: httpx2.AsyncClient, place: str, line: bytes) -> httpx2.Response:
    separator = "&" if "?" in place else "?"
    return await client.put(f"{place}{separator}comp=appendblock", content=line, headers=_API)
