"""Each guard of the tools that act, and of the door to them, is needed: without it, its test fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import test_mcp_action_lock as caps
import test_mcp_attacks as attacks
import test_mcp_http_access as strangers
from inside import ENDPOINT, Inside, deleting
from test_mcp_guards import KEPT

from reaper.core.model import ACTIVE, CREATING, FAILED, IDLE, UPDATING, Action
from reaper.core.policy import Policy
from reaper.core.settings import Project
from reaper.engine.discovery import first_match
from reaper.mcp import action_tools, allowance, guards, http_access
from reaper.mcp.action_tools import _Attempt
from reaper.mcp.allowance import Allowance, Proposals
from reaper.mcp.guards import Subject
from reaper.store.store import Store, opened
from reaper.web import access
from tests.sim.switches import Patch, Unguarded, around, put


def refused_with_its_words(inside: Inside, session: str) -> None:
    words = attacks.refused(inside, session)
    assert [part for part in KEPT[session] if part not in words] == []


def refused_for_strange_fields(inside: Inside) -> None:
    inside.fault(attacks.Fault(operation="get", lie="add_field", field="legal_hold", value=True))
    assert "legal_hold" in attacks.refused(inside)


def fifteen_at_once_delete_no_more_than_the_cap(inside: Inside) -> None:
    done = inside.talk(deleting(ENDPOINT, attacks.CROWD[:15], "crowded"))["done"]
    assert done == attacks.DELETES.client


def _any_policy(project: Project, _: str) -> Policy:
    return project.agents[0].policy


def _any_mode(project: Project, agent: str) -> Policy:
    pattern = first_match(project, agent)
    assert pattern is not None
    return pattern.policy


def _only(words: str) -> Any:
    """Of what keeps a session, only what says this is left."""

    def make(kept: Any) -> Any:
        return lambda *given: (told for told in kept(*given) if words in told)

    return make


async def _believes(*_: object) -> str:
    return ""


async def _without_waiting(_: object, refusal: Any) -> Any:
    return refusal


_IN_WORK = frozenset({IDLE, FAILED, ACTIVE, CREATING, UPDATING})

ACTIONS = [
    Unguarded(
        "a policy must manage the agent",
        put(action_tools, "managed", _any_policy),
        attacks.test_an_agent_that_no_policy_manages_is_left_alone,
        ("session_delete",),
    ),
    Unguarded(
        "the policy must enforce",
        put(action_tools, "managed", _any_mode),
        attacks.test_a_policy_that_observes_lets_no_assistant_act,
        ("session_delete",),
    ),
    Unguarded("keep rules", around(Subject, "_kept", _only("must_see")), refused_with_its_words, ("vip-00000001",)),
    Unguarded(
        "keep rules again at the last look",
        put(guards, "takewhile", lambda *_: ()),
        attacks.test_a_keep_rule_that_begins_to_hold_by_the_last_look_keeps,
    ),
    Unguarded(
        "what must be seen stays",
        around(Subject, "_kept", _only("policy")),
        refused_with_its_words,
        ("canary-00000001",),
    ),
    Unguarded("floor of age", put(guards, "AGE_FLOOR_S", 0), refused_with_its_words, ("young-00000001",)),
    Unguarded(
        "what is at work is not deleted",
        put(guards, "_STATUSES", {Action.DELETE: _IN_WORK, Action.STOP: _IN_WORK}),
        refused_with_its_words,
        ("busy-00000001",),
    ),
    Unguarded("unknown fields keep", around(Subject, "_not_now", _only("must be")), refused_for_strange_fields),
    Unguarded(
        "an open breaker", put(Store, "breaker", lambda *_: None), attacks.test_an_open_breaker_stops_assistants_too
    ),
    Unguarded(
        "windows", put(Policy, "is_open", lambda *_: True), attacks.test_outside_every_window_nothing_is_deleted
    ),
    Unguarded(
        "the caps of assistants",
        put(Allowance, "_capped", lambda *_: ""),
        fifteen_at_once_delete_no_more_than_the_cap,
    ),
    Unguarded(
        "limits of zero",
        put(Allowance, "_limited", lambda *_: ""),
        attacks.test_limits_of_zero_allow_no_assistant_anything,
        (0, "per_sweep"),
    ),
    Unguarded(
        "what sweeps did counts",
        put(Allowance, "_limited", lambda *_: ""),
        attacks.test_sweeps_use_up_the_days_limit_that_assistants_have,
    ),
    Unguarded(
        "what assistants did since the last sweep counts",
        put(Allowance, "_is_here", lambda *_: False),
        attacks.test_between_two_sweeps_assistants_may_do_what_one_sweep_may,
    ),
    Unguarded(
        "a daemon's disbelief",
        put(action_tools, "disbelief", _believes),
        attacks.test_nothing_is_done_while_a_daemon_beside_does_not_believe_its_list,
        ("untrusted",),
    ),
    Unguarded(
        "a person agrees",
        put(_Attempt, "_is_approved", lambda *_: True),
        attacks.test_who_is_asked_and_does_not_accept_keeps_the_session,
        ("auto", "decline"),
    ),
    Unguarded(
        "where nobody can be asked, a person approves this one",
        put(_Attempt, "_is_approved", lambda *_: True),
        attacks.test_an_approval_ends_when_the_session_is_used,
    ),
    Unguarded(
        "a person's word is for the record as it was shown",
        put(Subject, "about", "whatever"),
        attacks.test_a_session_that_changed_while_the_person_thought_is_asked_about_anew,
        ("legacy",),
    ),
    Unguarded(
        "few proposals wait at a time",
        put(Proposals, "check", lambda *_: None),
        attacks.test_an_assistant_cannot_crowd_out_the_plans_that_wait_for_a_person,
    ),
    Unguarded(
        "a configuration that changes ends the action",
        put(_Attempt, "_changed", lambda _: ""),
        attacks.test_a_configuration_that_changes_between_the_judgement_and_the_action_stops_nothing,
    ),
]
COUNTED = [
    Unguarded(
        "one cap for all names together",
        put(allowance, "CAPS", {Action.DELETE: allowance.Cap(10, 99), Action.STOP: allowance.Cap(25, 99)}),
        caps.test_names_are_no_new_caps,
    ),
]
DOOR = [
    Unguarded(
        "pages of other origins are refused",
        put(http_access, "_is_local_origin", lambda _: True),
        strangers.test_a_foreign_page_is_refused_although_it_carries_the_token,
        ("https://evil.example",),
    ),
    Unguarded(
        "only pages, and no files, have an origin here",
        put(http_access, "_is_local_origin", lambda origin: http_access.is_loopback(http_access.host_of(origin))),
        strangers.test_a_foreign_page_is_refused_although_it_carries_the_token,
        ("file://localhost",),
    ),
    Unguarded(
        "names that were pointed here are refused",
        put(access, "is_loopback", lambda _: True),
        strangers.test_a_name_that_was_pointed_here_is_refused_although_it_carries_the_token,
        ("evil.example",),
    ),
    Unguarded(
        "the token",
        put(access, "carries", lambda *_: True),
        strangers.test_only_the_whole_token_opens,
        (strangers.TOKEN + "x",),
    ),
    Unguarded(
        "who guesses waits",
        put(http_access.HttpAccess, "_after_a_while", _without_waiting),
        strangers.test_a_refusal_is_told_after_a_while_and_who_has_the_token_does_not_wait,
    ),
    Unguarded(
        "few are kept waiting",
        put(http_access, "WAITING_MAX", 10_000),
        strangers.test_of_a_thousand_strangers_few_are_kept_waiting,
    ),
    Unguarded(
        "many refusals are one line",
        put(http_access, "LOG_EVERY_S", 0.0),
        strangers.test_many_refusals_are_one_line_in_the_log,
    ),
]


@pytest.mark.parametrize("mutant", ACTIONS, ids=[mutant.guard for mutant in ACTIONS])
def test_an_assistant_gets_further_without_the_guard(mutant: Unguarded, monkeypatch: Patch, tmp_path: Path) -> None:
    mutant.must_fail(monkeypatch, Inside(tmp_path))


@pytest.mark.parametrize("mutant", COUNTED, ids=[mutant.guard for mutant in COUNTED])
def test_a_cap_is_no_cap_without_the_guard(mutant: Unguarded, monkeypatch: Patch, tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path / 'state.db'}") as store:
        mutant.must_fail(monkeypatch, store)


@pytest.mark.parametrize("mutant", DOOR, ids=[mutant.guard for mutant in DOOR])
def test_a_stranger_gets_further_without_the_guard(mutant: Unguarded, monkeypatch: Patch) -> None:
    mutant.must_fail(monkeypatch)


@pytest.mark.parametrize("session", KEPT)
def test_what_is_kept_is_refused_with_its_words(tmp_path: Path, session: str) -> None:
    refused_with_its_words(Inside(tmp_path), session)


def test_of_fifteen_at_once_no_more_are_deleted_than_the_cap(tmp_path: Path) -> None:
    fifteen_at_once_delete_no_more_than_the_cap(Inside(tmp_path))


def test_what_has_fields_of_its_own_is_refused(tmp_path: Path) -> None:
    refused_for_strange_fields(Inside(tmp_path))
