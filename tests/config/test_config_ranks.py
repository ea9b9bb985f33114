"""`keep_newest` and `at_most` mean what is written, and are shown so that they load again."""

from __future__ import annotations

from typing import Any

import pytest
from test_config_warnings import HEAD, OLD

from reaper.config import parse, show
from reaper.core.policy import KeepNewest


def text(ranks: str) -> str:
    return HEAD.replace("AGENTS", '[{name: "*", policy: weekly}]') + f"      - {OLD}\n{ranks}"


@pytest.mark.parametrize(
    ("ranks", "newest", "at_most"),
    [
        ("", None, None),
        ("    keep_newest: 3\n", KeepNewest(3), None),
        ("    keep_newest: {count: 3}\n", KeepNewest(3), None),
        ("    keep_newest: {count: 3, per: agent}\n", KeepNewest(3), None),
        ("    keep_newest: {count: 10000, per: version}\n    at_most: 100000\n", KeepNewest(10_000, True), 100_000),
    ],
)
def test_ranks_are_read_and_shown_so_that_they_load_again(ranks: str, newest: Any, at_most: int | None) -> None:
    loaded = parse(text(ranks), "t", {}).settings
    assert (loaded.policies[0].keep_newest, loaded.policies[0].at_most) == (newest, at_most)
    assert loaded.policies[0].ranks == bool(newest or at_most)
    again = parse(show(loaded, headers=True), "shown", {}).settings
    assert again == loaded


def test_a_change_of_ranks_is_another_configuration() -> None:
    prints = {parse(text(f"    at_most: {n}\n"), "t", {}).settings.fingerprint for n in (4, 5)}
    prints |= {parse(text(f"    keep_newest: {n}\n"), "t", {}).settings.fingerprint for n in (4, 5)}
    prints.add(parse(text("    keep_newest: {count: 4, per: version}\n"), "t", {}).settings.fingerprint)
    assert len(prints) == 5
