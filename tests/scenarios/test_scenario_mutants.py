"""Each guard around the configuration file and the list of agents is needed: without it, its scenario fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reaper.config.config_file import ConfigWatch, digest_of, read_bytes
from reaper.engine import discovery
from reaper.foundry import parsing
from tests.scenarios import test_lists_that_lie as lists
from tests.scenarios import test_reload as reloads
from tests.sim.switches import Patch, Unguarded, around, put


def _one_read(kept: Any) -> Any:
    def settled(self: ConfigWatch, now: float) -> bytes | None:
        first: bytes | None = kept(self, now)
        if first is None and self.unsettled:
            first = kept(self, now + self.apart_s)
        return first

    return settled


def _any_two_reads(kept: Any) -> Any:
    def settled(self: ConfigWatch, now: float) -> Any:
        if self.unsettled:
            self._met = digest_of(read_bytes(self.path))
        return kept(self, now)

    return settled


def _two_reads_at_once(kept: Any) -> Any:
    def settled(self: ConfigWatch, now: float) -> Any:
        self.apart_s = 0.0
        return kept(self, now)

    return settled


def _digest_of_what_stands_there(kept: Any) -> Any:
    def begun(self: ConfigWatch, path: Path, _: str, apart_s: float) -> None:
        kept(self, path, digest_of(read_bytes(path)), apart_s)

    return begun


async def _nothing_is_missing(*_: Any) -> str:
    return ""


def _only_the_first_is_asked_for(kept: Any) -> Any:
    async def miss(missing: Any, *given: Any) -> Any:
        return await kept(list(missing)[: discovery.ASKED_MAX], *given)

    return miss


def _every_404_is_the_platforms(patch: Patch) -> None:
    patch.setattr(parsing, "is_error", lambda _: True)
    patch.setattr(parsing, "parse_error", lambda *_: ("not_found", "no such agent", None))


RELOADS = [
    Unguarded(
        "a change is read twice before it counts",
        around(ConfigWatch, "settled", _one_read),
        reloads.test_a_file_that_is_half_written_never_comes_into_force_although_it_is_valid,
    ),
    Unguarded(
        "a file that is gone is looked for twice before it is an error",
        around(ConfigWatch, "settled", _one_read),
        reloads.test_a_file_that_is_gone_for_a_moment_is_no_change,
    ),
    Unguarded(
        "both reads are equal",
        around(ConfigWatch, "settled", _any_two_reads),
        reloads.test_a_file_that_is_half_written_never_comes_into_force_although_it_is_valid,
    ),
    Unguarded(
        "the reads are an interval apart",
        around(ConfigWatch, "settled", _two_reads_at_once),
        reloads.test_a_hang_up_reads_at_once_and_the_change_still_has_to_settle,
    ),
    Unguarded(
        "the digest in force is that of what was parsed",
        around(ConfigWatch, "__init__", _digest_of_what_stands_there),
        reloads.test_a_file_that_changes_between_its_reading_and_the_start_is_noticed,
    ),
]
LISTS = [
    Unguarded(
        "agents that a list lacks are asked for",
        put(discovery, "_miss", _nothing_is_missing),
        lists.test_agents_missing_from_a_list_of_agents_that_the_platform_still_knows_make_it_unbelieved,
    ),
    Unguarded(
        "a new process asks for the agents that an earlier one swept",
        put(discovery, "_miss", _nothing_is_missing),
        lists.test_a_new_process_remembers_the_agents_that_a_list_of_agents_lacks,
    ),
    Unguarded(
        "only the platform's own 404 says that an agent is gone",
        _every_404_is_the_platforms,
        lists.test_an_agent_that_cannot_be_asked_for_counts_as_one_that_is_still_there,
    ),
    Unguarded(
        "a list is not believed before all that it lacks were asked for",
        around(discovery, "_miss", _only_the_first_is_asked_for),
        lists.test_of_many_vanished_agents_some_are_asked_for_at_once_and_the_list_is_believed_after_all_were,
    ),
]


@pytest.mark.parametrize("mutant", RELOADS, ids=[mutant.guard for mutant in RELOADS])
def test_a_reload_goes_wrong_without_the_guard(mutant: Unguarded, monkeypatch: Patch, tmp_path: Path) -> None:
    mutant.must_fail(monkeypatch, tmp_path)


@pytest.mark.parametrize("mutant", LISTS, ids=[mutant.guard for mutant in LISTS])
def test_a_short_list_of_agents_is_believed_without_the_guard(mutant: Unguarded, monkeypatch: Patch) -> None:
    mutant.must_fail(monkeypatch)
