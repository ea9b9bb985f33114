"""How far the record had come, noted beside the state: what shows that an older copy was put back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from reaper.store.state_files import replace_private

_NOTE_MAX_BYTES: Final = 1_000


@dataclass(frozen=True, slots=True)
class NotedHead:
    """The last entry of the record: its number, which only grows, and its hash ('' when it was pruned)."""

    entries: int = 0
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """The furthest head seen; a person has accepted that everything up to `given_up` beyond it is lost."""

    head: NotedHead
    given_up: int = 0

    def overrules(self, known: NotedHead) -> bool:
        """Whether this counts, and not what a process knew before."""
        return known.entries <= max(self.head.entries, self.given_up)


def head_of(connection: Connection) -> NotedHead:
    """The head of the record in this file."""
    row = connection.exec_driver_sql("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1").first()
    if row is not None:
        return NotedHead(*row)
    given = connection.exec_driver_sql("SELECT max(seq) FROM sqlite_sequence WHERE name = 'journal'").scalar()
    return NotedHead(given or 0)


def why_behind(connection: Connection, known: NotedHead) -> str:
    """Why this file cannot be the one, or its successor, whose record had come to `known`; '' when it can."""
    entries = head_of(connection).entries
    if entries < known.entries:
        return f"an older copy was put back: its record has {entries} entries, {known.entries} were logged"
    logged = connection.exec_driver_sql("SELECT hash FROM journal WHERE seq = ?", (known.entries,)).scalar()
    if logged is not None and known.hash and logged != known.hash:
        return f"another copy was put in its place: its entry {known.entries} is not the one that was logged"
    return ""


def note_path(database: str) -> Path:
    """Where the note about this state file is."""
    return Path(f"{database}.head")


def read_note(database: str) -> Note | None:
    """The note, None when there is none; ValueError when it cannot be read as one."""
    try:
        with note_path(database).open("rb") as file:
            fields = json.loads(file.read(_NOTE_MAX_BYTES))
    except FileNotFoundError:
        return None
    match fields:
        case {"entries": int(entries), "hash": str(hash_), "given_up": int(given_up)}:
            return Note(NotedHead(entries, hash_), given_up)
    raise ValueError("not a note of a head")


def write_note(database: str, note: Note) -> None:
    """Put the note beside the state, on disk; OSError when that fails."""
    fields = {"entries": note.head.entries, "hash": note.head.hash, "given_up": note.given_up}
    replace_private(str(note_path(database)), json.dumps(fields) + "\n")


def note_known_head(database: str, known: NotedHead) -> None:
    """Note a head that the file at this path may lack, unless a person has accepted that; OSError when that fails."""
    try:
        before = read_note(database)
    except ValueError:
        return
    if before is None or not before.overrules(known):
        write_note(database, Note(known))
