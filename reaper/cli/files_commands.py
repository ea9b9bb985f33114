"""sessions files: what a session keeps in its home, listed, fetched, written and deleted."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reaper.cli.all_pages import broken_off
from reaper.cli.delete_choice import ask, must_be_asked
from reaper.cli.endings import CommandError, Exit
from reaper.cli.explain_command import checked
from reaper.cli.options import OutputFormat
from reaper.cli.printed import console, safe, table
from reaper.cli.session_commands import SessionCommands, unknown_when_interrupted
from reaper.core.provider import FileEntry, Gone, Provider
from reaper.core.text import clean
from reaper.foundry import requests

PAGES_MAX: Final = 1_000
_ROOTS: Final = frozenset({"", ".", "/", "./"})


@dataclass(frozen=True, slots=True)
class FileCommands:
    """The files of one session. Each operation may wake its sandbox."""

    commands: SessionCommands
    session: str

    async def show(self, path: str) -> None:
        """Show one directory, whole."""
        checked(requests.list_files, self.commands.agent, self.session, path)
        async with self.commands.client() as client:
            with self._must_exist(path):
                entries = sorted(await self._entries(client, path), key=lambda entry: entry.name)
        if self.commands.output is OutputFormat.JSON:
            data = [{"name": e.name, "size": e.size, "is_directory": e.is_directory} for e in entries]
            print(json.dumps({"path": path, "data": data}, indent=2))
            return
        rows = table("name", "bytes#")
        for entry in entries:
            rows.add_row(safe(entry.name) + ("/" if entry.is_directory else ""), str(entry.size))
        console().print(rows)

    async def _entries(self, client: Provider, path: str) -> list[FileEntry]:
        """All entries of a directory; a listing that loops or does not end is an error."""
        entries: list[FileEntry] = []
        cursors: set[str | None] = {None}
        cursor: str | None = None
        for count in range(1, PAGES_MAX + 1):
            page = (await client.list_files(self.commands.agent, self.session, path, after=cursor)).value
            entries += page.entries
            if not page.has_more or not page.entries:
                return entries
            cursor = page.last_id
            if cursor in cursors:
                raise broken_off(count, "the cursor repeats, or is missing")
            cursors.add(cursor)
        raise broken_off(PAGES_MAX, "the directory does not end")

    async def get(self, path: str, out: Path | None, *, force: bool) -> None:
        """Fetch one file, whole or not at all; onto an existing file only with `force`."""
        checked(requests.download_file, self.commands.agent, self.session, path)
        _check_target(out, force=force)
        async with self.commands.client() as client:
            with self._must_exist(path):
                content = (await client.download_file(self.commands.agent, self.session, path)).value
        if out is None:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
            return
        _write(out, content, force=force)
        print(f"{len(content)} bytes in {clean(out)}", file=sys.stderr)

    async def put(self, local: Path, path: str | None, *, force: bool) -> None:
        """Write one file into the session; onto one that is there only with `force`."""
        target = path or local.name
        checked(requests.download_file, self.commands.agent, self.session, target)
        content = _read(local)
        async with self.commands.client() as client:
            if not force and await self._is_there(client, target):
                problem = f"{target} is in the session already: --force replaces it; nothing was written"
                raise CommandError(problem, Exit.FAILED)
            unknown = f"whether {target} was written is not known"
            with self._must_exist(target), unknown_when_interrupted(unknown):
                await client.upload_file(self.commands.agent, self.session, target, content)
        self._print_outcome(target, "written", f"{len(content)} bytes written to {target}")

    async def _is_there(self, client: Provider, path: str) -> bool:
        parent, _, name = path.rstrip("/").rpartition("/")
        try:
            entries = await self._entries(client, parent or ("/" if path.startswith("/") else "."))
        except Gone:
            return False
        return any(entry.name == clean(name, 1024) for entry in entries)

    async def delete(self, path: str, *, recursive: bool, yes: bool) -> None:
        """Delete one file, or with `recursive` a directory and all in it."""
        checked(requests.delete_file, self.commands.agent, self.session, path, recursive=recursive)
        if path in _ROOTS:
            raise CommandError("the home itself is not deleted: name a file or a directory in it")
        must_be_asked(yes=yes)
        if not yes:
            ask(f"Delete {clean(path)}{' and all in it' if recursive else ''} from {self.session} for ever?")
        async with self.commands.client() as client:
            unknown = f"whether {path} was deleted is not known"
            with self._must_exist(path), unknown_when_interrupted(unknown):
                await client.delete_file(self.commands.agent, self.session, path, recursive=recursive)
        self._print_outcome(path, "deleted", f"{path} deleted")

    def _print_outcome(self, path: str, outcome: str, text: str) -> None:
        if self.commands.output is OutputFormat.JSON:
            print(json.dumps({"session": self.session, "path": path, "outcome": outcome}))
        else:
            console().print(safe(text), soft_wrap=True)

    @contextmanager
    def _must_exist(self, path: str) -> Iterator[None]:
        try:
            yield
        except Gone as error:
            where = f"session {self.session} of {self.commands.agent}"
            problem = f"{where} has no {path}, or is gone itself: {error.message}"
            raise CommandError(problem, Exit.FAILED) from error


def _check_target(out: Path | None, *, force: bool) -> None:
    """Refuse before anything is sent to write where nothing may be written."""
    if out is None:
        if sys.stdout.isatty():
            raise CommandError("a file may hold anything, so none is shown at a terminal: give -o FILE")
    elif out.is_dir():
        raise CommandError(f"{out} is a directory: name the file to write")
    elif not force and os.path.lexists(out):
        raise CommandError(f"{out} exists: --force overwrites it")


def _write(out: Path, content: bytes, *, force: bool) -> None:
    """The whole file under its name, or nothing there."""
    number, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name[:60]}-")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        if force:
            Path(name).replace(out)
        else:
            os.link(name, out)
    except FileExistsError:
        raise CommandError(f"{out} exists: --force overwrites it") from None
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


def _read(local: Path) -> bytes:
    """What to write, its size checked before it is read."""
    if not local.is_file():
        raise CommandError(f"{local} is no file")
    size = local.stat().st_size
    if size > requests.UPLOAD_MAX_BYTES:
        raise CommandError(f"{local} has {size} bytes; the platform takes {requests.UPLOAD_MAX_BYTES}")
    return local.read_bytes()
