"""Each action leaves what it was decided on: the platform's record as it came, and the values compared."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from audit_site import Site
from audit_world import NOW, Book, write_config

from reaper.config import load
from reaper.core.model import DAY_S
from reaper.core.settings import Audit
from reaper.emulator import Fault
from reaper.store.evidence import RECEIVED_MAX_BYTES, policy_digest
from tests.record import events

INDICATOR = {"type": "version_ref", "agent_version": "1", "shard": {"zone": "west-7"}}


@pytest.fixture
def site(book: Book, tmp_path: Path) -> Site:
    settings = load(write_config(tmp_path, book.path), {}).settings
    return Site(book, settings)


def test_the_evidence_holds_the_record_as_it_came_with_fields_nobody_here_knows(site: Site) -> None:
    site.put("session-0001")
    site.emulator.faults.add(Fault(lie="bad_field", field="version_indicator", value=INDICATOR))
    site.sweep()
    (action,) = site.recorded()
    assert action.outcome == "done"
    came = json.loads(action.intent.body["received"])
    assert came["agent_session_id"] == "session-0001"
    assert came["version_indicator"] == INDICATOR
    assert action.intent.body["received_bytes"] == len(action.intent.body["received"])


def test_the_evidence_names_the_time_the_rule_the_values_the_policy_the_plan_and_the_sweep(site: Site) -> None:
    site.put("session-0001")
    (report,) = site.sweep().reports
    (action,) = site.recorded()
    body = action.intent.body
    assert action.intent.intent.rule == "stale"
    assert body["platform_time"] == action.intent.at == NOW
    assert {"condition": "idle", "wanted": "at least 7d", "actual": "8d"} in body["compared"]
    assert (body["plan"], body["sweep"]) == (report.plan and report.plan.id, report.sweep_id)
    assert body["policy_digest"] == policy_digest(report.policy)
    assert body["record"]["last_accessed_at"] == int(NOW) - 8 * DAY_S


def test_a_record_too_large_to_keep_is_cut_and_says_how_large_it_was(site: Site) -> None:
    site.put("session-0001")
    huge = {**INDICATOR, "padding": "x" * 2 * RECEIVED_MAX_BYTES}
    site.emulator.faults.add(Fault(operation="get", lie="bad_field", field="version_indicator", value=huge))
    site.sweep()
    (action,) = site.recorded()
    assert len(action.intent.body["received"]) == RECEIVED_MAX_BYTES
    assert action.intent.body["received_bytes"] > 2 * RECEIVED_MAX_BYTES


def test_intents_and_outcomes_of_a_sweep_form_one_chain(site: Site) -> None:
    site.put(*(f"session-{number:04d}" for number in range(20)))
    site.sweep()
    verdict = site.book.verify()
    noted = len(events(site.book.journal))
    assert (verdict.rows - noted, verdict.unresolved, verdict.broken) == (40, 0, None)


def test_the_window_that_no_guard_covers_is_measured_and_recorded(site: Site) -> None:
    site.put("session-0001", "session-0002")
    site.sweep()
    assert site.metric("action_window_seconds_count", project="prod", agent="desk") == 2
    assert all(action.outcomes[-1].body["window_seconds"] >= 0 for action in site.recorded())


def test_a_sweep_prunes_what_is_older_than_the_configuration_keeps(site: Site) -> None:
    site.book.act("older-0001", at=NOW - 401 * DAY_S)
    site.book.act("newer-0001", at=NOW - 399 * DAY_S)
    site.sweep()
    assert [action.intent.intent.session for action in site.recorded()] == ["newer-0001"]
    site.settings = replace(site.settings, audit=Audit(7 * DAY_S))
    site.sweep()
    assert site.recorded() == []
    assert (site.book.verify().pruned, site.book.verify().broken) == (4, None)


def test_a_local_clock_that_runs_ahead_prunes_nothing(site: Site) -> None:
    site.book.act("newer-0001", at=NOW - 399 * DAY_S)
    site.clock.passed += 30 * DAY_S
    site.emulator.advance(-30 * DAY_S)
    site.sweep()
    assert len(site.recorded()) == 1


def test_the_digest_of_a_policy_changes_with_a_rule_or_a_guard_only(site: Site) -> None:
    (policy,) = site.settings.policies
    assert policy_digest(replace(policy, name="other")) == policy_digest(policy)
    (rule,) = policy.rules
    changes: Sequence[Any] = (
        replace(policy, grace_s=60),
        replace(policy, rules=(replace(rule, name="other"),)),
        replace(policy, rules=(replace(rule, when=rule.when[:1]),)),
        replace(policy, limits=replace(policy.limits, at_least=7)),
    )
    assert len({policy_digest(policy), *map(policy_digest, changes)}) == 1 + len(changes)


def test_the_digest_of_a_policy_is_the_same_in_every_process(tmp_path: Path, book: Book) -> None:
    program = (
        "import sys; from reaper.config import load; from reaper.store.evidence import policy_digest;"
        "print(policy_digest(load(sys.argv[1], {}).settings.policies[0]))"
    )
    config = str(write_config(tmp_path, book.path))
    command = [sys.executable, "-c", program, config]
    digests = {
        subprocess.run(command, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2", "3", "4")
    }
    assert len(digests) == 1
