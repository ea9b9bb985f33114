"""What sweeps leave in the record beside actions: configurations, modes, orphans given up, heads."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from audit_site import Site
from audit_world import NOW, Book, write_config

from reaper.config import load
from reaper.core.model import DAY_S, OutcomeKind
from reaper.core.policy import Mode
from reaper.core.settings import Settings
from reaper.engine.runner import Scope
from reaper.store.chained_tables import LEVELLED
from reaper.store.head_exports import exported
from tests.record import events


@pytest.fixture
def site(book: Book, tmp_path: Path) -> Site:
    return Site(book, load(write_config(tmp_path, book.path), {}).settings)


def event_names(site: Site) -> list[str]:
    """All but how many candidates there were: that is another matter."""
    return [event.intent.rule for event in events(site.book.journal) if event.intent.rule != LEVELLED]


def observing(settings: Settings) -> Settings:
    (policy,) = settings.policies
    calm = replace(policy, mode=Mode.OBSERVE)
    (project,) = settings.projects
    agents = tuple(replace(agent, policy=calm) for agent in project.agents)
    return replace(
        settings, policies=(calm,), projects=(replace(project, agents=agents),), fingerprint="another00000"
    )


def test_the_configuration_in_force_and_its_modes_are_noted_once(site: Site) -> None:
    site.sweep()
    site.sweep()
    assert event_names(site) == ["configuration", "mode"]
    first, mode, *_ = events(site.book.journal)
    assert (first.body["digest"], mode.body["mode"]) == (site.settings.fingerprint, "enforce")
    assert first.body["origin"]["version"]
    assert first.body["origin"]["by"]


def test_a_reload_and_a_change_of_mode_are_noted_and_so_is_the_way_back(site: Site) -> None:
    site.sweep()
    enforcing, site.settings = site.settings, observing(site.settings)
    site.sweep()
    site.settings = enforcing
    site.sweep()
    assert event_names(site) == ["configuration", "mode"] * 3
    assert [event.body["mode"] for event in events(site.book.journal, "mode")] == ["enforce", "observe", "enforce"]


def test_a_restart_with_the_same_configuration_adds_nothing(site: Site, book: Book) -> None:
    site.put("session-0001")
    site.sweep()
    site.sweep()
    head = book.journal.end().hash
    again = Site(book, site.settings)
    again.sweep()
    assert book.journal.end().hash == head


def test_a_rehearsal_leaves_no_trace(site: Site, book: Book) -> None:
    asyncio.run(site.sweeper.run(site.settings, Scope(rehearsal=True)))
    assert book.verify().rows == 0


def test_what_an_agent_that_is_gone_left_open_is_given_up_after_a_week_and_said(
    site: Site, book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = book.intend(at=NOW - 8 * DAY_S, agent="gone")
    fresh = book.intend(at=NOW - 6 * DAY_S, agent="gone")
    site.sweep()
    assert [entry.intent.id for entry in book.journal.open("prod", "gone")] == [fresh.id]
    assert lost.id != fresh.id
    printed = "".join(capsys.readouterr())
    assert printed.count("orphaned_action") == 1
    assert "session-0001" in printed
    assert book.verify().given_up == 1


def test_what_a_project_that_is_gone_from_the_configuration_left_open_is_given_up(site: Site, book: Book) -> None:
    book.intend(at=NOW - 8 * DAY_S)
    (project,) = site.settings.projects
    site.settings = replace(site.settings, projects=(replace(project, name="renamed"),))
    site.put("session-0002")
    site.sweep()
    assert book.journal.open("prod", "desk") == []
    assert book.verify().given_up == 1


def test_nothing_is_given_up_while_the_agents_of_its_project_cannot_be_found_out(site: Site, book: Book) -> None:
    book.intend(at=NOW - 8 * DAY_S, agent="gone")
    (project,) = site.settings.projects
    other = replace(project, name="other")
    site.settings = replace(site.settings, projects=(project, other))
    asyncio.run(site.sweeper.run(site.settings, Scope(project="other")))
    assert len(book.journal.open("prod", "gone")) == 1


def test_each_run_that_added_to_the_record_exports_its_head(site: Site, book: Book, tmp_path: Path) -> None:
    place = tmp_path / "heads"
    site.settings = replace(site.settings, audit=replace(site.settings.audit, export=str(place)))
    site.put("session-0001")
    ends = []
    for _ in range(4):
        site.sweep()
        ends.append(book.journal.end().hash)
    heads = [one.head.head for one in exported(str(place))]
    assert heads == list(dict.fromkeys(ends))
    assert len(heads) < len(ends)


def recorded_already(site: Site, book: Book) -> None:
    """A session that is there, and a record that somebody has deleted it."""
    site.put("session-0001")
    book.made = -1  # that incarnation, and no other
    book.conclude(book.intend("session-0001"), OutcomeKind.DONE, NOW, "")


def test_a_session_that_is_there_after_it_was_deleted_makes_that_unverified_and_is_deleted_again(
    site: Site, book: Book
) -> None:
    recorded_already(site, book)
    site.sweep()
    first, second = site.recorded()
    assert [entry.outcome for entry in first.outcomes] == ["done", "unverified"]
    assert second.outcome == "done"
    assert book.doubts() == ()


def test_a_sweep_that_observes_contradicts_nothing(site: Site, book: Book) -> None:
    site.settings = observing(site.settings)
    recorded_already(site, book)
    site.sweep()
    assert [action.outcome for action in site.recorded()] == ["done"]
