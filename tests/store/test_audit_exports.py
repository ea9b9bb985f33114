"""Heads are appended elsewhere and compared; an address never shows its signature; what fails stops no sweep."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from audit_world import NOW, Book, write_config

from reaper.cli.audit_commands import run_verify
from reaper.cli.endings import CommandError
from reaper.cli.options import OutputFormat
from reaper.config import ConfigError, load
from reaper.config.show import show
from reaper.core.settings import Audit
from reaper.store.head_exports import ExportError, export, exported
from reaper.store.housekeeping import Housekeeping
from reaper.store.signing import Head, Key, UnusableKeyError

BLOB = "https://contoso.blob.core.windows.net/audit/heads?sv=2026&sig=hunter2"
HEAD = Head(NOW, 4, "ab" * 32)


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "heads.jsonl")


def end(book: Book, housekeeping: Housekeeping, audit: Audit) -> None:
    asyncio.run(housekeeping.end(book.journal, audit, NOW, set(), {"prod"}, believed=False))


def tended(book: Book, place: str, *, sign_with: str | None = None) -> Housekeeping:
    """The record of two runs that acted, each with its head exported."""
    housekeeping, audit = Housekeeping(), Audit(sign_with=sign_with, export=place)
    for number in range(2):
        book.act(f"session-000{number}")
        end(book, housekeeping, audit)
    return housekeeping


# Files


def test_each_run_that_acted_appends_the_head_to_the_file_and_one_that_did_not_adds_nothing(
    book: Book, place: str
) -> None:
    housekeeping = tended(book, place)
    end(book, housekeeping, Audit(export=place))
    heads = [one.head for one in exported(place)]
    assert [head.seq for head in heads] == [2, 4]
    assert heads[-1].head == book.journal.end().hash
    assert stat.S_IMODE(os.stat(place).st_mode) == 0o600


def test_exported_heads_that_fit_are_no_doubt(book: Book, place: str) -> None:
    tended(book, place)
    assert book.doubts(exported=list(exported(place))) == ()


def test_an_older_copy_put_back_is_found_by_the_exported_heads(book: Book, place: str) -> None:
    tended(book, place)
    book.tamper("DELETE FROM journal WHERE seq > 2; UPDATE sqlite_sequence SET seq = 2")
    (doubt,) = book.doubts(exported=list(exported(place)))
    assert doubt == f"line 2 of {place} has the head of entry 4, which is missing: the end was cut off"


def test_a_record_written_anew_is_found_by_the_exported_heads(book: Book, place: str) -> None:
    tended(book, place)
    book.begin_anew()
    book.act_many(4)
    assert len(book.doubts(exported=list(exported(place)))) == 2


def test_an_exported_line_that_was_altered_is_found(book: Book, place: str) -> None:
    tended(book, place)
    path = Path(place)
    path.write_text(path.read_text().replace('"seq": 2', '"seq": 3'))
    (doubt,) = book.doubts(exported=list(exported(place)))
    assert doubt.startswith(f"line 1 of {place} has another head of entry 3")


def test_a_line_that_is_no_head_is_an_error_that_says_which(place: str) -> None:
    Path(place).write_text('{"at": 1, "seq": 2, "head": "ab"}\n{"at": 1, "se')
    with pytest.raises(ExportError, match=r"line 2 of .* is no head"):
        list(exported(place))


def test_a_torn_line_spoils_none_after_it(place: str) -> None:
    Path(place).write_text('{"at": 1, "se')
    asyncio.run(export(place, HEAD))
    assert json.loads(Path(place).read_text().splitlines()[1]) == HEAD.as_json()


def test_heads_older_than_what_was_pruned_are_no_doubt(book: Book, place: str) -> None:
    tended(book, place)
    book.journal.prune(NOW + 1, NOW + 2)
    assert book.doubts(exported=list(exported(place))) == ()


def test_a_symlink_is_not_followed_to_append_to_another_file(tmp_path: Path, place: str) -> None:
    (tmp_path / "other").write_text("precious")
    os.symlink(tmp_path / "other", place)
    with pytest.raises(ExportError):
        asyncio.run(export(place, HEAD))
    assert (tmp_path / "other").read_text() == "precious"


def test_an_export_that_fails_is_said_loudly_and_stops_nothing(
    book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tended(book, str(tmp_path / "no-such-folder" / "heads"))
    assert "head_not_exported" in "".join(capsys.readouterr())
    assert book.verify().broken is None


# Blobs


class BlobStorage(ThreadingHTTPServer):
    """Gives these answers in turn, and keeps what it was asked."""

    def __init__(self, *answers: int) -> None:
        super().__init__(("127.0.0.1", 0), _Put)
        self.answers, self.asked = list(answers), []  # type: ignore[var-annotated]
        self.address = f"http://127.0.0.1:{self.server_port}/audit/heads?sv=2026&sig=hunter2"


class _Put(BaseHTTPRequestHandler):
    server: BlobStorage

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers, body))
        self.send_response(self.server.answers[len(self.server.asked) - 1])
        self.send_header("Location", self.server.address)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def blob(*answers: int) -> Iterator[BlobStorage]:
    with BlobStorage(*answers) as storage, pytest.MonkeyPatch.context() as environment:
        environment.setenv("NO_PROXY", "127.0.0.1")
        serving = Thread(target=storage.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield storage
        finally:
            storage.shutdown()
            serving.join()


def test_a_head_is_appended_to_a_blob_as_one_block() -> None:
    with blob(201) as storage:
        asyncio.run(export(storage.address, HEAD))
    ((path, _, body),) = storage.asked
    assert path == "/audit/heads?sv=2026&sig=hunter2&comp=appendblock"
    assert json.loads(body) == HEAD.as_json()


def test_a_blob_that_is_not_there_yet_is_made_as_append_only() -> None:
    with blob(404, 201, 201) as storage:
        asyncio.run(export(storage.address, HEAD))
    path, headers, body = storage.asked[1]
    assert (path, body) == ("/audit/heads?sv=2026&sig=hunter2", b"")
    assert headers["x-ms-blob-type"] == "AppendBlob"
    assert headers["If-None-Match"] == "*"


@pytest.mark.parametrize("answers", [[403], [302], [500], [404, 403, 404]])
def test_a_refused_block_is_an_error_without_the_signature(answers: list[int]) -> None:
    with blob(*answers) as storage, pytest.raises(ExportError, match="HTTP") as caught:
        asyncio.run(export(storage.address, HEAD))
    assert len(storage.asked) == len(answers)
    assert "hunter2" not in str(caught.value)


def test_a_blob_out_of_reach_is_an_error_without_the_signature() -> None:
    with blob() as storage:
        pass
    with pytest.raises(ExportError, match="ConnectError") as caught:
        asyncio.run(export(storage.address, HEAD))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


# Keys


def test_signed_heads_are_exported_with_their_signature(book: Book, place: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"k" * 32)
    key = Key.read(str(tmp_path / "key"))
    tended(book, place, sign_with=str(tmp_path / "key"))
    heads = [one.head for one in exported(place)]
    assert all(key.signed(head) for head in heads)
    assert book.doubts(key=key, exported=list(exported(place))) == ()
    assert "kkkk" not in repr(key)


def test_an_exported_head_whose_signature_was_altered_is_found(book: Book, place: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"k" * 32)
    tended(book, place, sign_with=str(tmp_path / "key"))
    path = Path(place)
    path.write_text(path.read_text().replace('"at": 1790000000.0', '"at": 1790000001.0'))
    doubts = book.doubts(key=Key.read(str(tmp_path / "key")), exported=list(exported(place)))
    assert [doubt.rpartition(" ")[0] for doubt in doubts] == [
        f"line {n} of {place} has a signature that is not by the" for n in (1, 2)
    ]


@pytest.mark.parametrize("secret", [b"", b"short", b"k" * 31 + b"\n"])
def test_a_key_that_is_too_short_is_refused_without_telling_it(tmp_path: Path, secret: bytes) -> None:
    (tmp_path / "key").write_bytes(secret)
    with pytest.raises(UnusableKeyError, match="32 or more"):
        Key.read(str(tmp_path / "key"))


def test_a_key_that_is_missing_is_said_loudly_and_stops_nothing(
    book: Book, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tended(book, place, sign_with=str(tmp_path / "no-such-key"))
    assert "head_not_signed" in "".join(capsys.readouterr())
    assert len(list(exported(place))) == 2


# The configuration and the command


def audit_config(tmp_path: Path, book: Book, text: str) -> Path:
    path = write_config(tmp_path, book.path)
    path.write_text(path.read_text() + f"audit: {text}\n")
    return path


def test_verify_compares_with_the_exported_heads_and_the_key(
    book: Book, tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_bytes(b"k" * 32)
    config = audit_config(tmp_path, book, f"{{sign_with: {tmp_path / 'key'}, export: {place}}}")
    tended(book, place, sign_with=str(tmp_path / "key"))
    assert run_verify(config, None, OutputFormat.TABLE) == 0
    printed = capsys.readouterr().out
    assert "compared with 2 exported heads" in printed
    assert "up to entry 5" in printed
    book.tamper("DELETE FROM journal WHERE seq > 2; UPDATE sqlite_sequence SET seq = 2")
    assert run_verify(config, None, OutputFormat.JSON) == 1
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["holds"], verdict["exported_heads"], len(verdict["doubts"])) == (False, 2, 3)


def test_verify_with_a_key_that_is_gone_is_a_wrong_configuration(book: Book, tmp_path: Path) -> None:
    config = audit_config(tmp_path, book, f"{{sign_with: {tmp_path / 'no-such-key'}}}")
    with pytest.raises(CommandError, match=r"audit\.sign_with"):
        run_verify(config, None, OutputFormat.TABLE)


def test_the_signature_of_an_address_is_neither_shown_nor_in_a_repr(book: Book, tmp_path: Path) -> None:
    settings = load(audit_config(tmp_path, book, f'{{export: "{BLOB}"}}'), {}).settings
    assert settings.audit.export == BLOB
    assert "hunter2" not in show(settings)
    assert "export: https://contoso.blob.core.windows.net/audit/heads?…" in show(settings)
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    "export_to",
    [
        '"http://contoso.blob.core.windows.net/audit/heads?sig=hunter2"',
        '"https://user:hunter2@contoso.blob.core.windows.net/audit/heads"',
        '"https://contoso.blob.core.windows.net/?sig=hunter2"',
        '"ftp://contoso.example/audit/heads?hunter2"',
        '""',
        "7",
    ],
)
def test_an_export_to_nowhere_is_refused_without_its_signature(book: Book, tmp_path: Path, export_to: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(audit_config(tmp_path, book, f"{{export: {export_to}}}"), {})
    problems = [str(problem) for problem in caught.value.problems]
    assert all("audit.export" in each and "hunter2" not in each for each in problems)
