"""Somebody is accountable: who acted, where, as whom, with what; and never with what secret."""

from __future__ import annotations

import base64
import json
import os
import pwd

import pytest
from audit_world import NOW, Book
from hypothesis import given
from hypothesis import strategies as st

from reaper import __version__
from reaper.core.model import OutcomeKind
from reaper.foundry.token_claims import CLAIM_MAX_CHARS, claims_of
from reaper.store.origin import Origin
from tests.record import entries

CLAIMS = {"tid": "tenant-1", "oid": "object-1", "appid": "app-1", "upn": "ada@contoso.example", "exp": 7}


def token(claims: object, signature: str = "c2VjcmV0") -> str:
    def part(fields: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part(claims)}.{signature}"


def test_a_local_origin_names_user_pod_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAME", "reaper-0")
    monkeypatch.setenv("HOSTNAME", "other")
    monkeypatch.setenv("USER", "mallory")
    origin = Origin.local(configuration="abc", endpoint="https://x.example", identity={"tenant": "t"})
    assert origin.as_json() == {
        "by": pwd.getpwuid(os.getuid()).pw_name,
        "host": "reaper-0",
        "version": __version__,
        "endpoint": "https://x.example",
        "configuration": "abc",
        "identity": {"tenant": "t"},
    }


def test_a_user_without_a_name_is_known_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    assert Origin.local().by == "uid 3999999999"


def test_a_name_that_a_person_gives_stands_instead_and_is_made_harmless() -> None:
    origin = Origin.local("ada\x1b[31m", reason="thesis\nis done", client="inspector")
    assert (origin.by, origin.reason, origin.client) == ("ada\\x1b[31m", "thesis\\nis done", "inspector")


def test_what_is_not_known_is_not_told() -> None:
    assert Origin(by="ada").as_json() == {"by": "ada"}


def test_a_token_tells_tenant_object_and_application_and_nothing_else() -> None:
    assert claims_of(token(CLAIMS)) == {"tenant": "tenant-1", "oid": "object-1", "appid": "app-1"}
    assert claims_of(token({"azp": "app-2"})) == {"appid": "app-2"}


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "opaque",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "..",
        f"x.{'A' * 200_000}.y",
        token([1]),
        token("text"),
        token(None),
        token({"tid": 7, "oid": None, "appid": ["x"]}),
        token("[" * 5000),
        "é.ü.ö",
        "a.\udcff.c",
        f"x.{base64.urlsafe_b64encode(b'[' * 30_000).decode()}.y",
        f"x.{base64.urlsafe_b64encode(bytes(range(256))).decode()}.y",
    ],
)
def test_what_is_no_token_tells_nothing(garbage: str) -> None:
    assert claims_of(garbage) == {}


def test_claims_are_bounded_and_harmless() -> None:
    tenant = claims_of(token({"tid": "t\x1b" * 500}))["tenant"]
    assert len(tenant) <= CLAIM_MAX_CHARS
    assert tenant.isprintable()


@given(st.text())
def test_no_text_is_a_traceback(text: str) -> None:
    assert isinstance(claims_of(text), dict)
    assert isinstance(claims_of(f"a.{text}.b"), dict)


def test_an_outcome_keeps_the_platforms_name_of_the_answer(book: Book) -> None:
    import asyncio

    intent = book.intend()
    conclusion = book.journal.conclude(intent, OutcomeKind.DONE, NOW, "", None, "req-7f3a")
    asyncio.run(conclusion)
    assert entries(book.journal)[-1].body == {"request_id": "req-7f3a"}
