"""Which versions of an agent traffic reaches, and since when others were seen without any. Pure.

An agent's endpoint may hold a version selector, which spreads new sessions over versions: a canary, a switch, a
rollback. What of it is not understood cannot be judged, and what cannot be judged is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

FIXED_RATIO: Final = "FixedRatio"
"""The only type of rule that this version knows. The platform's enumeration is open: others may appear."""
WHOLE_PERCENT: Final = 100


class SelectionRule(NamedTuple):
    """One rule of a selector as it was read: None stands for what is no type, no version, no whole number."""

    type: str | None
    version: str | None
    percent: int | None


@dataclass(frozen=True, slots=True)
class Selector:
    """How an endpoint gives new sessions their version; `unclear` is why it cannot be read, or not be believed."""

    rules: tuple[SelectionRule, ...] = ()
    unclear: str = ""


@dataclass(frozen=True, slots=True)
class Serving:
    """The versions that traffic reaches with their shares in percent, or why that cannot be judged."""

    shares: tuple[tuple[str, int], ...] = ()
    unclear: str = ""

    @property
    def versions(self) -> frozenset[str]:
        """Those that traffic reaches, as far as that can be judged."""
        return frozenset(version for version, _ in self.shares)

    def reaches(self, version: str) -> bool | None:
        """Whether traffic reaches this version; None when that cannot be judged."""
        return None if self.unclear else any(version == served for served, _ in self.shares)


def serving_by(latest: str | None, selector: Selector | None) -> Serving:
    """What a selector says; without one all traffic reaches the latest version."""
    if selector is None:
        return (
            Serving(unclear="the newest version could not be read") if latest is None else Serving(((latest, 100),))
        )
    unclear = selector.unclear or _unclear(selector.rules)
    if unclear:
        return Serving(unclear=unclear)
    return Serving(tuple((rule.version or "", rule.percent) for rule in selector.rules if rule.percent))


def _unclear(rules: tuple[SelectionRule, ...]) -> str:
    """Why these rules cannot be judged, '' when they can."""
    if not rules:
        return "the version selector has no rules"
    for rule in rules:
        if rule.type != FIXED_RATIO:
            return f"the version selector has a rule of type {rule.type or 'unreadable'}, which is not known"
        if rule.version is None:
            return "the version selector has a rule without a readable version"
        if rule.percent is None or not 0 <= rule.percent <= WHOLE_PERCENT:
            return f"the version selector gives version {rule.version} no share from 0 to 100"
    if len({rule.version for rule in rules}) < len(rules):
        return "the version selector names a version twice"
    total = sum(rule.percent or 0 for rule in rules)
    return "" if total == WHOLE_PERCENT else f"the shares of the version selector come to {total} %, not 100"


def show_routing(latest: str | None, selector: Selector | None) -> str:
    """Where traffic goes, in a few words: `1: 90 %, 2: 10 %, latest 2`; without a selector `latest 2`."""
    newest = f"latest {'unreadable' if latest is None else latest}"
    if selector is None:
        return newest
    serving = serving_by(latest, selector)
    split = ", ".join(f"{version}: {percent} %" for version, percent in serving.shares)
    return f"{split or f'traffic cannot be judged ({serving.unclear})'}, {newest}"


@dataclass(frozen=True, slots=True)
class Unserved:
    """Since when versions were seen left behind: neither served nor the latest. Platform time.

    One without an entry is seen so for the first time at `seen_at`. `wait_s`: so long it must last before a version
    is superseded, for rollouts are rolled back.
    """

    since: Mapping[str, float]
    seen_at: float
    wait_s: int

    def began(self, version: str) -> float:
        """Since when this version was seen left behind, if it is."""
        return self.since.get(version, self.seen_at)

    def superseded_from(self, version: str) -> float:
        """The moment from which this version is superseded, if it stays left behind.

        Where it need not last, always: between two clocks it may not have been seen yet when it is judged.
        """
        return self.began(version) + self.wait_s if self.wait_s else -math.inf


def still_unserved(since: Mapping[str, float], latest: str | None, selector: Selector | None) -> dict[str, float]:
    """Which of the remembered times still stand beside an agent as it was just read.

    A version that is served, or the latest, begins anew when it is left behind again; where the routing cannot be
    judged all do, since any may be served. An agent that could not be read says nothing of them.
    """
    if latest is None and selector is None:
        return dict(since)
    serving = serving_by(latest, selector)
    if serving.unclear:
        return {}
    return {version: at for version, at in since.items() if version != latest and not serving.reaches(version)}


def newly_unserved(
    versions: Iterable[str], latest: str | None, selector: Selector | None, at: float
) -> dict[str, float]:
    """Those of these versions that are left behind, as seen at this moment; none where that cannot be judged."""
    serving = serving_by(latest, selector)
    if latest is None or serving.unclear:
        return {}
    return {version: at for version in versions if version != latest and not serving.reaches(version)}
