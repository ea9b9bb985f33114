"""What the way to the platform shows of each action: which look came before it, and how old that look was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from reaper.emulator import Emulator, PlatformError, Request, WireAnswer
from reaper.emulator.routing import RoutedCall, route
from tests.clock import Moment, loop, now
from tests.sim.law import Facts, Standing, ViolationError
from tests.sim.voices import Ask

LOOK_MAX_S = 2.0
"""So long before an action leaves may the look have been asked for that it rests on."""
AGENT_LOOK_MAX_S = 60.0
"""The same of the look at its agent. The list of agents, with which a sweep begins, is none."""
PATIENCE_S = 30.0
"""An answer that takes longer is not heard."""
NOTICED_S = 5.0
"""A machine that stood still for so long must know it from the first date it hears, which tells whole seconds."""

HEARD_TURNS = 4
"""The date of an answer is heard within so many turns of the loop."""
REFUSALS = frozenset({301, 302, 307, 308, 400, 403, 409})
UNREADABLE = frozenset({400, 403, 405})
"""Answers by which the platform says that an identity may read no agents."""
BESIDE = 3
"""So many other workers may be at it, once one action has ended otherwise: also one that a last look forbade."""
REFUSED_MAX = 5 + BESIDE
"""So often one sweep may hear it of one agent before it ends, and four times more for each worker that meanwhile
verifies what went well."""

_MARGIN_S = 0.001


class AgentFacts(NamedTuple):
    """How an agent's versions stand, and what its developers ask for."""

    standing: Standing
    ask: Ask


@dataclass(frozen=True)
class Look:
    """A record, or an agent, as the platform gave it out: when it was asked for, and what was true at that moment.

    What people did at the same moment, but after it, is none of that. `refused`: the platform said that this identity
    may read no agents.
    """

    asked: Moment
    facts: Facts | None = None
    refused: bool = False
    agent: AgentFacts | None = None


@dataclass(frozen=True)
class Acted:
    """A delete or stop as it leaves, and what was looked at before it."""

    call: RoutedCall
    left: Moment
    session: Look
    agents: list[Look]


@dataclass
class Watch:
    """All requests of one process, as they leave. `find` tells the truth about a session, `find_agent` about an
    agent, `act` hears of each action, `listed` of each page, `blame` of what must not be."""

    emulator: Emulator
    find: Callable[[str, str], Facts | None]
    find_agent: Callable[[str], AgentFacts]
    act: Callable[[Acted], None]
    listed: Callable[[str, WireAnswer], None]
    blame: Callable[[ViolationError], NoReturn]
    sessions: dict[tuple[str, str], Look] = field(default_factory=dict)
    agents: dict[str, list[Look]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    heard: Counter[str] = field(default_factory=Counter)
    _told_s: float = 0.0

    def answer(self, request: Request) -> WireAnswer:
        """What the platform answers, after its effect."""
        asked = now()
        try:
            call = route(request.method, request.path, {})
        except PlatformError:
            return self.emulator.answer(request)
        if call.operation in {"delete", "stop"}:
            self._act(call, asked)
        answer = self.emulator.answer(request)
        if call.operation in {"delete", "stop"}:
            self._count(call, answer)
        if call.operation == "get_agent" and answer.status in UNREADABLE:
            self.agents.setdefault(call.agent, []).append(Look(asked, refused=True))
        if call.operation == "list" and answer.status == 200:
            self.listed(call.agent, answer)
        if answer.status == 200 and not (answer.dropped or answer.hangs) and answer.delay_s < PATIENCE_S:
            self._remember(call, asked)
            if answer.header("date") and not answer.delay_s:
                self._tell(asked.paused, HEARD_TURNS)
        return answer

    def _count(self, call: RoutedCall, answer: WireAnswer) -> None:
        """Deletes that are refused again and again are not asked for on and on, unless something else goes well."""
        refused = answer.status in REFUSALS
        if refused and call.operation == "stop":
            return  # to relieve a quota, each agent is tried anew
        self.refused[call.agent] = self.refused[call.agent] + 1 if refused else 0
        self.heard[call.agent] += not refused
        late = min(self.heard[call.agent], BESIDE)
        if self.refused[call.agent] > REFUSED_MAX + 4 * late:
            self.blame(ViolationError(f"refused {self.refused[call.agent]} times in a row, and still asking: {call}"))

    def _remember(self, call: RoutedCall, asked: Moment) -> None:
        if call.operation == "get":
            self.sessions[call.agent, call.session] = Look(asked, self.find(call.agent, call.session))
        elif call.operation == "get_agent":
            self.agents.setdefault(call.agent, []).append(Look(asked, agent=self.find_agent(call.agent)))

    def _act(self, call: RoutedCall, left: Moment) -> None:
        try:
            self.act(Acted(call, left, self._checked(call, left), self.agents.get(call.agent, [])[::-1]))
        except ViolationError as wrong:
            self.blame(wrong)

    def _tell(self, paused_s: float, turns: int) -> None:
        """The date of an answer has told how long the machine stood still, once whoever reads it had time to."""
        if turns:
            loop().call_soon(self._tell, paused_s, turns - 1)
        else:
            self._told_s = max(self._told_s, paused_s)

    def _checked(self, call: RoutedCall, left: Moment) -> Look:
        """The look that an action rests on; it must not be missing or old, by what the process could know of time."""
        look = self.sessions.get((call.agent, call.session))
        if look is None:
            raise ViolationError(f"nobody looked before {call}")
        _require_young(look, left, f"the session before {call}")
        told_s = self._told_s - look.asked.paused
        if told_s >= NOTICED_S:
            raise ViolationError(f"stood still for {told_s:.0f} s, was told so, and sent {call}")
        return look


def _age_s(look: Look, left: Moment) -> float:
    return left.monotonic - look.asked.monotonic - _MARGIN_S


def _require_young(look: Look, left: Moment, what: str) -> None:
    if _age_s(look, left) > LOOK_MAX_S:
        raise ViolationError(f"looked {_age_s(look, left):.1f} s ago at {what}")


def agent_looks(action: Acted) -> list[Look]:
    """The looks at the agent that an action may rest on, the last one first: versions decide, and its developers may
    ask to keep it.

    Some that act beside each other rest on one look, while others have made the next.
    """
    young = [look for look in action.agents if not look.refused and _age_s(look, action.left) <= AGENT_LOOK_MAX_S]
    if not young:
        raise ViolationError(f"nobody looked at the agent in the last minute before {action.call}")
    return young
