"""Whatever is written in a configuration, the answer is settings that are safe, or problems; never a crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reaper.config import ConfigError, Loaded, parse, show
from reaper.config.duration_texts import read_duration_or_zero
from reaper.core.conditions import Age, ExpiresWithin, Idle, StatusIn
from reaper.core.durations import exact_duration, parse_duration, show_duration
from reaper.core.model import ELIGIBLE, Action

EXAMPLE = (Path(__file__).parents[2] / "config" / "reaper.yaml").read_text(encoding="utf-8")
TREE = yaml.safe_load(EXAMPLE)
_PROJECT = next(iter(TREE["projects"]))
TREE["policies"]["standard"]["windows"][0]["except"] = ["2026-12-24..2027-01-02", "2027-05-01"]
TREE["projects"][_PROJECT]["known_fields"] = ["legal_hold"]
TREE["holds"] = [
    {
        "project": _PROJECT,
        "agent": "support-eu",
        "session": "sess-0000001",
        "until": "2099-01-31",
        "reason": "thesis",
    },
    {"project": _PROJECT, "agent": "support-eu", "session": "sess-0000001", "legal": "ABC-1", "by": "ops"},
]
WORDS = [
    "idle", "7d", "7", "0s", "delete", "enforce", "*", "vip-*", "active", "10%", "101%", "22:00", "UTC", "main",
    "keep_newest", "at_most", "version",
    "${X}", "${", "when", "status", "standard", "spread", "sqlite:///x",
    "2026-12-25", "2026-12-24..2027-01-02", "legal_hold", "\x1b[31m", "\ud800", "é",
    "https://a.services.ai.azure.com/api/projects/b",
]  # fmt: skip
SCALARS = st.one_of(
    st.sampled_from(WORDS), st.text(max_size=8), st.integers(), st.floats(), st.booleans(), st.none(), st.dates()
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(SCALARS, inner, max_size=3)),
    max_leaves=8,
)
QUICK = settings(max_examples=150, deadline=None, derandomize=True)


def load_or_refuse(text: str | bytes) -> Loaded | None:
    """Load; a refusal must have problems, each a printable line with a place."""
    try:
        loaded = parse(text, "t.yaml", {"X": "y"})
    except ConfigError as error:
        assert_explained(error)
        return None
    assert_safe(loaded)
    return loaded


def assert_explained(refusal: ConfigError) -> None:
    assert refusal.problems
    for problem in refusal.problems:
        assert str(problem).isprintable()
        assert problem.line >= 1
        assert problem.column >= 1


def assert_safe(loaded: Loaded) -> None:
    for policy in loaded.settings.policies:
        for rule in policy.rules:
            assert rule.when
            if rule.action is Action.KEEP:
                continue
            assert any(isinstance(condition, Idle | Age | ExpiresWithin) for condition in rule.when)
            (statuses,) = [condition.words for condition in rule.when if isinstance(condition, StatusIn)]
            assert statuses
            assert statuses <= ELIGIBLE[rule.action]
            floor = 300 if rule.action is Action.DELETE else 60
            assert all(c.seconds >= floor for c in rule.when if isinstance(c, Idle | Age))
    for policy in loaded.settings.policies:
        assert policy.at_most is None or policy.at_most >= 1
        assert policy.keep_newest is None or policy.keep_newest.count >= 1
    shown = parse(show(loaded.settings, headers=True), "shown", {})
    assert shown.settings == loaded.settings


def dumped(tree: Any) -> str:
    return yaml.dump(tree, allow_unicode=True, sort_keys=False)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(found for key, item in below for found in places(item, (*path, key)))]


def changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = tree.copy()
    copy[path[0]] = changed(tree[path[0]], path[1:], value)
    return copy


@given(st.text(max_size=200))
@QUICK
def test_any_text_is_refused_or_safe(text: str) -> None:
    load_or_refuse(text)


@given(st.text(alphabet="[]{}:,-&*!|>'\"%@`#?\\ \n\tab1~<", max_size=60))
@QUICK
def test_any_punctuation_is_refused_or_safe(text: str) -> None:
    load_or_refuse(text)


@given(st.binary(max_size=100))
@QUICK
def test_any_bytes_are_refused_or_safe(raw: bytes) -> None:
    load_or_refuse(raw)


@given(TREES)
@QUICK
def test_any_tree_is_refused_or_safe(tree: Any) -> None:
    load_or_refuse(dumped(tree))


@given(st.lists(st.tuples(st.sampled_from(places(TREE)), TREES), min_size=1, max_size=3))
@QUICK
def test_the_example_with_other_values_in_places_is_refused_or_safe(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    tree = TREE
    for path, value in changes:
        if path in places(tree):
            tree = changed(tree, path, value)
    load_or_refuse(dumped(tree))


@given(st.data())
@QUICK
def test_the_example_with_a_piece_cut_out_or_put_in_is_refused_or_safe(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(EXAMPLE)))
    end = data.draw(st.integers(start, min(start + 40, len(EXAMPLE))))
    piece = data.draw(st.one_of(st.just(""), st.sampled_from(WORDS), st.text(max_size=5)))
    load_or_refuse(EXAMPLE[:start] + piece + EXAMPLE[end:])


@given(st.integers(0, len(EXAMPLE)))
@QUICK
def test_the_example_cut_off_anywhere_is_refused_or_safe(length: int) -> None:
    load_or_refuse(EXAMPLE[:length])


@given(st.integers(0, 3_650 * 86_400))
@QUICK
def test_a_duration_that_is_written_out_reads_back_exactly(seconds: int) -> None:
    text = exact_duration(seconds)
    assert parse_duration(text) == seconds
    assert read_duration_or_zero(text) == text


@given(st.integers(0, 10**9), st.sampled_from([86_400, 3_600, 60, 1]))
@QUICK
def test_a_duration_shown_to_people_is_exact_in_two_units_and_never_too_long(count: int, unit: int) -> None:
    shown = parse_duration(show_duration(count))
    assert shown <= count
    assert count - shown < max(60, count // 24)
    assert parse_duration(show_duration((count % 24) * unit)) == (count % 24) * unit
