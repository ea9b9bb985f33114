"""The persistent home of one session: files by path, directories implied by them."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from reaper.emulator.platform_error import PlatformError

UPLOAD_LIMIT_BYTES = 50 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HomeEntry:
    """One line of a directory listing; directories have size 0."""

    name: str
    size: int
    is_directory: bool
    modified_time: int


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    modified_time: int


def clean_path(path: str) -> str:
    """The path relative to the home, without empty and `.` parts; `..` is refused."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in path:
        raise PlatformError(400, "invalid_path", f"{path!r} leaves the session's home", "path")
    return "/".join(parts)


class Home:
    """What a person keeps in a session, and loses when it is deleted."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def __len__(self) -> int:
        return len(self._files)

    def write(self, path: str, content: bytes, now: float) -> str:
        """Store a file, replacing an older one; returns its path as kept."""
        name = clean_path(path)
        if not name:
            raise PlatformError(400, "invalid_path", "a file needs a name", "path")
        if len(content) > UPLOAD_LIMIT_BYTES:
            raise PlatformError(413, "file_too_large", "an upload holds at most 50 MB", "path")
        parents = (name.rsplit("/", depth)[0] for depth in range(1, name.count("/") + 1))
        if self._is_directory(name) or any(parent in self._files for parent in parents):
            raise PlatformError(409, "path_conflict", f"{name!r} is a directory, or below a file", "path")
        self._files[name] = _File(content, int(now))
        return name

    def read(self, path: str) -> bytes:
        name = clean_path(path)
        if name not in self._files:
            raise PlatformError(404, "file_not_found", f"no file {name!r}", "path")
        return self._files[name].content

    def entries(self, path: str) -> list[HomeEntry]:
        """The immediate children of a directory, by name."""
        name = clean_path(path)
        if name and not self._is_directory(name):
            raise PlatformError(404, "directory_not_found", f"no directory {name!r}", "path")
        prefix = f"{name}/" if name else ""
        found: dict[str, HomeEntry] = {}
        for full, file in self._files.items():
            if full.startswith(prefix):
                child = _child(full[len(prefix) :], file)
                known = found.get(child.name)
                found[child.name] = child if known is None else max(known, child, key=attrgetter("modified_time"))
        return [found[key] for key in sorted(found)]

    def remove(self, path: str, *, recursive: bool) -> None:
        """Delete a file, or a directory when `recursive`."""
        name = clean_path(path)
        if name in self._files:
            del self._files[name]
            return
        if not name or not self._is_directory(name):
            raise PlatformError(404, "file_not_found", f"no file or directory {name!r}", "path")
        if not recursive:
            raise PlatformError(409, "directory_not_empty", f"{name!r} is not empty", "path")
        self._files = {full: file for full, file in self._files.items() if not full.startswith(f"{name}/")}

    def _is_directory(self, name: str) -> bool:
        return any(full.startswith(f"{name}/") for full in self._files)


def _child(rest: str, file: _File) -> HomeEntry:
    name, slash, _ = rest.partition("/")
    return HomeEntry(name, 0 if slash else len(file.content), bool(slash), file.modified_time)
