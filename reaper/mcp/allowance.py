"""How much assistants may do: the limits of the policy, and caps of their own that no policy can lift.

Both are counted in the record, so that neither a restart nor a second server beside this one begins anew.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from reaper.core.inventory_checks import BASELINE_VALID_S
from reaper.core.model import DAY_S, Action
from reaper.core.policy import Policy
from reaper.engine.executor import BY_HAND
from reaper.mcp.advice import NotDoneError
from reaper.store.journal import Entry
from reaper.store.store import Store

RULE_NAME: Final = f"{BY_HAND}:mcp"
"""The rule under which the record keeps what assistants did."""


@dataclass(frozen=True, slots=True)
class Cap:
    """So many in 24 hours, for one client and for all of them together: another name is no new cap."""

    client: int
    together: int


CAPS: Final = {Action.DELETE: Cap(client=10, together=20), Action.STOP: Cap(client=25, together=50)}

PROPOSED_MAX: Final = 5
PROPOSED_S: Final = 3_600


def signed(client: str) -> str:
    """How an action is named in the record: one call of one client."""
    return f"mcp-{uuid.uuid4().hex[:12]} mcp client {client}"


def _is_by(entry: Entry, client: str) -> bool:
    return str(entry.body.get("sweep", "")).partition(" ")[2] == f"mcp client {client}"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one client may still do to one agent's sessions at platform time `now`."""

    store: Store
    project: str
    agent: str
    policy: Policy
    client: str
    now: float

    def check(self, action: Action) -> None:
        """Raise NotDoneError when one more is one too many."""
        why = self._capped(action) or self._limited(action)
        if why:
            raise NotDoneError(why)

    def _capped(self, action: Action) -> str:
        cap, done = CAPS[action], self._done(action, self.now - DAY_S)
        mine = [entry for entry in done if _is_by(entry, self.client)]
        if len(mine) < cap.client and len(done) < cap.together:
            return ""
        return (
            f"nothing was done: {len(mine)} {action}s of this client and {len(done)} of all assistants in the last "
            f"24 hours, where {cap.client} and {cap.together} are allowed. No setting lifts that. Tell the person: "
            "what many sessions need is a rule in the policy, or `reaper sessions` by hand"
        )

    def _limited(self, action: Action) -> str:
        """The policy's limits. Between two sweeps assistants may do as much as one sweep may."""
        limits, base = self.policy.limits, self.store.baseline(self.project, self.agent)
        if base is not None and self.now - base.now > BASELINE_VALID_S:
            base = None  # Without what a sweep of the last day counted, shares are at their least.
        used = self.store.journal.used_today(self.project, self.agent, self.now)
        present = max(base.sessions - base.deleted_since, 0) if base else 0
        # The platform's clock ticks in seconds: what was done in the second of the sweep counts as done since.
        after = base.now - 1 if base else self.now - DAY_S
        since = [one for one in self._done(action, after) if self._is_here(one)]
        per_sweep = limits.per_sweep.of(present, limits.at_least)
        per_day = limits.per_day.of(present + used.get(Action.DELETE, 0), limits.at_least)
        if len(since) + 1 > per_sweep:
            return self._over_limit(action, "per_sweep", len(since), per_sweep, "since the last sweep")
        if used.get(action, 0) + 1 > per_day:
            return self._over_limit(action, "per_day", used.get(action, 0), per_day, "in the last 24 hours")
        return ""

    def _done(self, action: Action, after: float) -> list[Entry]:
        spent = self.store.journal.spent_by(RULE_NAME, after)
        return [entry for entry in spent if entry.intent.action is action]

    def _is_here(self, entry: Entry) -> bool:
        return (entry.intent.project, entry.intent.agent) == (self.project, self.agent)

    def _over_limit(self, action: Action, name: str, done: int, allowed: int, since: str) -> str:
        limit = getattr(self.policy.limits, name)
        return (
            f"nothing was done: limit {name} of policy {self.policy.name!r}: {limit} allows "
            f"{allowed} {action}s of this agent's sessions, and there were {done} {since}. Only the operator can "
            "change that"
        )


@dataclass(slots=True)
class Proposals:
    """Plans that this server asked a person to approve; few at a time, so that they crowd out no plan of a sweep."""

    _proposed: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def check(self, plan: str, now: float) -> None:
        """Note that `plan` is proposed at monotonic `now`; NotDoneError while too many others are."""
        while self._proposed and next(iter(self._proposed.values())) <= now - PROPOSED_S:
            self._proposed.popitem(last=False)
        if plan not in self._proposed and len(self._proposed) >= PROPOSED_MAX:
            raise NotDoneError(
                f"nothing was done: {PROPOSED_MAX} sessions wait for a person's approval already, and an hour must "
                "pass before more are proposed. Tell the person which they are"
            )
        self._proposed.setdefault(plan, now)
