"""The inhibition rules: they are about alerts that exist, on labels that both sides have, and hide no page."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml
from alert_files import ALERTS, FILE

INHIBIT = FILE.parent / "inhibit.yaml"
RULES: list[dict[str, Any]] = yaml.safe_load(INHIBIT.read_text())["inhibit_rules"]
OPERATORS = {
    "=": lambda name, value: name == value,
    "!=": lambda name, value: name != value,
    "=~": lambda name, value: re.fullmatch(value, name) is not None,
}
RELEASE = {"namespace", "release", "job"}


def matched(matchers: list[str]) -> set[str]:
    """The alerts that all matchers of one side catch; each is about the name of an alert."""
    split = [re.fullmatch(r'alertname (=~|!=|=) "?(.+?)"?', one) for one in matchers]
    assert all(split), matchers
    parts = [one.groups() for one in split if one]
    return {name for name in ALERTS if all(OPERATORS[operator](name, value) for operator, value in parts)}


def pairs() -> Iterator[tuple[str, str, set[str]]]:
    """Which alert silences which, and on what labels."""
    for rule in RULES:
        for source in matched(rule["source_matchers"]):
            for target in matched(rule["target_matchers"]):
                yield source, target, set(rule["equal"])


def labels_of(alert: str) -> set[str]:
    """The labels that tell the alerts of one rule apart, as what promtool plays for it shows."""
    case = yaml.safe_load((FILE.parents[3] / "monitoring" / "tests" / f"{alert}.yaml").read_text())["tests"][0]
    return set(case["alert_rule_test"][0]["exp_alerts"][0]["exp_labels"]) - {"severity"} | RELEASE


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["source_matchers"][0].split()[-1])
def test_an_inhibition_names_only_alerts_that_exist(rule: dict[str, Any]) -> None:
    written = " ".join([*rule["source_matchers"], *rule["target_matchers"]])
    for prefix, several in re.findall(r"(SessionReaper\w*)\(([^)]*)\)", written):
        assert {prefix + one for one in several.split("|")} <= set(ALERTS)
    assert set(re.findall(r"(SessionReaper\w+)(?![\w(.])", written)) <= set(ALERTS)
    assert len(matched(rule["source_matchers"])) == 1
    assert matched(rule["target_matchers"])


def test_both_sides_of_an_inhibition_have_the_labels_that_must_be_equal() -> None:
    for source, target, equal in pairs():
        assert equal <= labels_of(source), source
        assert equal <= labels_of(target), target


def test_an_inhibition_stays_within_one_release() -> None:
    assert all(equal >= RELEASE for _, _, equal in pairs())


def test_no_alert_silences_itself_also_not_by_way_of_others() -> None:
    causes = defaultdict(set)
    for source, target, _ in pairs():
        causes[target].add(source)
    assert len([*TopologicalSorter(causes).static_order()]) == len(ALERTS)


def test_a_page_is_silenced_by_nothing_but_the_page_that_all_is_down() -> None:
    critical = {name for name, rule in ALERTS.items() if rule["labels"]["severity"] == "critical"}
    assert critical == {"SessionReaperDown", "SessionReaperQuotaFull"}
    assert {(source, target) for source, target, _ in pairs() if target in critical} == {
        ("SessionReaperDown", "SessionReaperQuotaFull")
    }


def test_nothing_less_bad_silences_what_is_worse() -> None:
    worst = ["critical", "warning", "info"]
    for source, target, _ in pairs():
        bad, worse = (worst.index(ALERTS[name]["labels"]["severity"]) for name in (source, target))
        assert bad <= worse, (source, target)


def test_alertmanager_takes_the_inhibitions_as_they_ship(tmp_path: Path) -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        pytest.skip("inhibit.yaml was not checked: there is no amtool (Debian: prometheus-alertmanager)")
    config = tmp_path / "alertmanager.yaml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n" + INHIBIT.read_text())
    ran = subprocess.run([amtool, "check-config", str(config)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{len(RULES)} inhibit rules" in ran.stdout


def told(*firing: str) -> set[str]:
    """What Alertmanager tells of these alerts, each a name with its labels behind it, as in `Down release=eu`."""
    alerts = [(f"SessionReaper{one.split()[0]}", frozenset(one.split()[1:])) for one in firing]

    def same(one: frozenset[str], other: frozenset[str], equal: set[str]) -> bool:
        return all(
            {label for label in one if label.split("=")[0] == name}
            == {label for label in other if label.split("=")[0] == name}
            for name in equal
        )

    hushed = {
        (target, labels)
        for target, labels in alerts
        for source, others in alerts
        for cause, effect, equal in pairs()
        if (cause, effect) == (source, target) and same(labels, others, equal)
    }
    return {" ".join([name.removeprefix("SessionReaper"), *sorted(labels)]) for name, labels in {*alerts} - hushed}


@pytest.mark.parametrize(
    ("firing", "left"),
    [
        (
            ["Down release=eu", "QuotaFull release=eu quota=q", "QuotaFull release=us quota=q"],
            {"Down release=eu", "QuotaFull quota=q release=us"},
        ),
        (["StateAtFault", "NotSweeping", "AgentNotSwept project=p agent=a"], {"StateAtFault"}),
        (
            ["InventoryUntrusted project=p agent=a", "AgentNotSwept project=p agent=a", "MustSeeExpires project=p"],
            {"InventoryUntrusted agent=a project=p"},
        ),
        (
            ["InventoryUntrusted project=p agent=a", "AgentNotSwept project=p agent=b"],
            {"InventoryUntrusted agent=a project=p", "AgentNotSwept agent=b project=p"},
        ),
        (["InventoryShrank project=p", "Unwatched project=p"], {"InventoryShrank project=p"}),
        (
            ["PlanWithheld project=p agent=a", "DayUsedUp project=p agent=a", "BacklogGrows project=p agent=a"],
            {"PlanWithheld agent=a project=p"},
        ),
        (["QuotaFull quota=q", "QuotaExhaustionPredicted quota=q", "QuotaAlmostFull quota=q"], {"QuotaFull quota=q"}),
    ],
)
def test_of_what_one_cause_raises_one_message_is_left(firing: list[str], left: set[str]) -> None:
    assert told(*firing) == left
