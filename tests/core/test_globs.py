"""Which globs match everything that another one does."""

from __future__ import annotations

from reaper.core.globs import covers


def test_globs_cover_what_they_provably_match() -> None:
    assert covers(["*"], "a?b*")
    assert covers(["ab*"], "ab[cd]*")
    assert covers(["?bc"], "abc")
    assert not covers(["ab*c"], "ab*")
    assert not covers(["[ab]*"], "a*")
