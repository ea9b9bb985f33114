"""What was there to be seen while a sweep listed: whoever ranks sessions can only have ranked these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from reaper.emulator import Fault, WireAnswer
from tests.clock import true_time
from tests.sim.law import Facts, Law
from tests.sim.law_of_ranks import why_not

_BEND_RANKS = frozenset({"stale_read", "bad_field", "add_field"})
"""Lies after which others rank than are there: what is believed although it is not so, and what is not understood."""


class Shown:
    """The sessions of each agent as they were whenever the present sweep asked for a page."""

    def __init__(self, living: Callable[[str], list[Facts]]) -> None:
        self._living = living
        self.begin(())

    def begin(self, faults: Iterable[Fault]) -> None:
        """A sweep begins, among these faults."""
        lies = {fault.lie for fault in faults}
        self._lied_to, self._is_short = bool(lies & _BEND_RANKS), "only_own" in lies
        self._told: dict[str, set[str]] = {}
        self._there: dict[str, set[Facts]] = {}
        self._since: dict[str, float] = {}

    def look(self, agent: str) -> None:
        """A page of an agent's sessions is asked for."""
        self._since.setdefault(agent, true_time())
        self._there.setdefault(agent, set()).update(self._living(agent))

    def answered(self, agent: str, page: WireAnswer) -> None:
        """A page of an agent's sessions is given out."""
        if self._is_short:
            versions = ((one.get("version_indicator") or {}).get("agent_version", "") for one in page.json()["data"])
            self._told.setdefault(agent, set()).update(versions)

    def hidden(self, agent: str) -> frozenset[str]:
        """The versions that no page showed, though they have sessions."""
        told = self._told.get(agent)
        return frozenset() if told is None else frozenset({facts.version for facts in self._there[agent]} - told)

    def there(self, agent: str) -> tuple[Facts, ...] | None:
        """All that could be seen, None where what was seen was a lie."""
        return None if self._lied_to else tuple(self._there.get(agent, ()))

    def since(self, agent: str) -> float:
        """When the first page was asked for."""
        return self._since.get(agent, true_time())


def wrongly_marked(law: Law, there: Sequence[Facts], marks: Mapping[str, str]) -> str:
    """Who is marked by a rule although its rank keeps it, and why; '' when nobody is."""
    for facts in there:
        wrong = why_not(law, facts, marks[facts.id], there) if facts.id in marks else ""
        others = [other for other in there if other.id == facts.id]
        if wrong and len(others) == 1:
            return f"{wrong}: {facts}"
    return ""
