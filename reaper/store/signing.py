"""Heads of the chain, signed with a key that only a file holds: who can write the state cannot forge them."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, select

from reaper.store import chain
from reaper.store.chain import EVENT, Place
from reaper.store.tables import journal

SIGNED: Final = "signed"
KEY_MIN_BYTES: Final = 32
_KEY_MAX_BYTES: Final = 64 * 1024


class UnusableKeyError(Exception):
    """The file of the signing key cannot be used; the message says why, and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain at some time: the number of the last row and its hash, with or without a signature."""

    at: float
    seq: int
    head: str
    key: str = ""
    hmac: str = ""

    def as_json(self) -> dict[str, Any]:
        """The same as an object."""
        fields: dict[str, Any] = {"at": self.at, "seq": self.seq, "head": self.head}
        return fields | ({"key": self.key, "hmac": self.hmac} if self.hmac else {})


@dataclass(frozen=True, slots=True)
class Exported:
    """A head that was noted elsewhere, and where: `line 3 of /mnt/worm/heads`."""

    where: str
    head: Head


@dataclass(frozen=True, slots=True)
class Key:
    """A secret to sign with. `id` names it without telling it."""

    secret: bytes = field(repr=False)

    @classmethod
    def read(cls, path: str) -> Key:
        """The key in a file, its last newline aside; UnusableKeyError when there is none of at least 32 bytes."""
        try:
            with Path(path).open("rb") as file:
                secret = file.read(_KEY_MAX_BYTES).removesuffix(b"\n").removesuffix(b"\r")
        except OSError as error:
            raise UnusableKeyError(f"audit.sign_with: {path}: {error.strerror}") from error
        if len(secret) < KEY_MIN_BYTES:
            raise UnusableKeyError(
                f"audit.sign_with: {path} holds {len(secret)} bytes, a key has {KEY_MIN_BYTES} or more: "
                "make one with `openssl rand -hex 32`"
            )
        return cls(secret)

    @property
    def id(self) -> str:
        return self._digest("session-reaper key")[:16]

    def sign(self, at: float, place: Place) -> Head:
        """The head at this place, signed."""
        return Head(at, place.count, place.hash, self.id, self._digest([at, place.count, place.hash]))

    def signed(self, head: Head) -> bool:
        """Whether this key, and nobody without it, signed the head as it is."""
        return hmac.compare_digest(self._digest([head.at, head.seq, head.head]), head.hmac)

    def _digest(self, signed: object) -> str:
        return hmac.new(self.secret, json.dumps(signed).encode(), hashlib.sha256).hexdigest()


def read_head(fields: object) -> Head:
    """A head from an object; ValueError when it is none."""
    fields = fields if isinstance(fields, Mapping) else {}
    at, seq, head = fields.get("at"), fields.get("seq"), fields.get("head")
    key, signature = fields.get("key", ""), fields.get("hmac", "")
    if isinstance(at, bool) or not isinstance(at, int | float) or type(seq) is not int or not isinstance(head, str):
        raise ValueError("no head")
    if not isinstance(key, str) or not isinstance(signature, str) or not signature.isascii():
        raise ValueError("no signature")
    return Head(at, seq, head, key, signature)


def sign(connection: Connection, key: Key, at: float) -> None:
    """Add a signature of the chain's end to the chain, unless the last row is one by this key."""
    chain.lock(connection)
    last = connection.execute(select(journal).order_by(journal.c.seq.desc()).limit(1)).one_or_none()
    if last is not None and last.kind == EVENT and last.rule == SIGNED and json.loads(last.body).get("key") == key.id:
        return
    chain.note(connection, SIGNED, "", "", at, key.sign(at, chain.last(connection)).as_json())
