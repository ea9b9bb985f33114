"""What people hold, as the judge knows it: from when to when, and on whom. It shares no code with the reaper."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

DAY_S = 86_400
TOO_LATE_S = 2.1
"""So long after its intent an action may still leave: what is held meanwhile is held too late, and that is said."""


@dataclass
class Claim:
    """Somebody was told at `since` that a session is held, until the first moment of day number `until_day`.

    `id` names it. `made` is the incarnation's, None for whoever has the id. Deeds from number `after` on came later.
    `late`: something was said to be under way. `over` is when it was taken back; `unheard`: before any sweep that
    came to a plan knew of it.
    """

    id: str
    agent: str
    session: str
    made: float | None
    since: float
    after: int
    until_day: int | None
    late: bool = False
    over: float = math.inf
    unheard: bool = False

    @property
    def end(self) -> float:
        return min(math.inf if self.until_day is None else self.until_day * DAY_S, self.over)

    def is_about(self, agent: str, session: str, made: float) -> bool:
        return (self.agent, self.session) == (agent, session) and (self.made is None or self.made == made)


@dataclass
class Claims:
    """Every hold that anybody was told of."""

    known: list[Claim] = field(default_factory=list)

    def about(self, agent: str, session: str, made: float) -> Iterator[Claim]:
        return (claim for claim in self.known if claim.is_about(agent, session, made))

    def against(self, agent: str, session: str, made: float, number: int, at: float) -> Claim | None:
        """What forbids a deed of this number at `at`."""
        for claim in self.about(agent, session, made):
            too_late = claim.late and at <= claim.since + TOO_LATE_S
            if number >= claim.after and not too_late and at < claim.end:
                return claim
        return None

    def last_end(self, agent: str, session: str, made: float, at: float) -> float:
        """When the last hold ended that had begun and was over by then."""
        known = (claim for claim in self.about(agent, session, made) if not claim.unheard)
        ends = (claim.end for claim in known if claim.since <= claim.end <= at)
        return max(ends, default=-math.inf)

    def held_since(self, agent: str, session: str, made: float, since: float) -> bool:
        """Whether anybody held it at any time from `since` on."""
        return any(claim.end > since for claim in self.about(agent, session, made))
