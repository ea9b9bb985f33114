"""What must hold before a session is stopped or deleted on an assistant's word; each refusal says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from reaper.core.command_lines import command
from reaper.core.durations import show_duration, show_time
from reaper.core.holds import Holds, holds_words
from reaper.core.model import (
    ACTIVE,
    AGE_FLOOR_S,
    CREATING,
    FAILED,
    IDLE,
    UPDATING,
    Action,
    Agent,
    Malformed,
    Session,
)
from reaper.core.plan import Item, Items, Plan
from reaper.core.plan_lines import plan_id
from reaper.core.policy import Mode, Policy, Rule, decide, sides
from reaper.core.provider import Answer
from reaper.core.record_fields import acceptance
from reaper.core.settings import Project
from reaper.core.text import clean
from reaper.core.voice import SILENT, Voice
from reaper.core.windows import dates_text
from reaper.engine.discovery import first_match
from reaper.mcp.advice import NotDoneError
from reaper.mcp.allowance import RULE_NAME
from reaper.store.store import Store

BY_HAND: Final = {action: Rule(RULE_NAME, action, ()) for action in (Action.DELETE, Action.STOP)}
"""The rule that stands for a person's word; it holds from the floor of age on."""

_STATUSES: Final = {Action.DELETE: frozenset({IDLE, FAILED}), Action.STOP: frozenset({ACTIVE})}


def managed(project: Project, agent: str) -> Policy:
    """The policy that manages the agent and acts; NotDoneError when none does."""
    pattern = first_match(project, agent)
    if pattern is None:
        raise NotDoneError(
            f"no policy manages agent {clean(agent)!r}, so its sessions are left alone. reaper_status lists the "
            "patterns; only the operator can add one"
        )
    if pattern.policy.mode is not Mode.ENFORCE:
        raise NotDoneError(
            f"policy {pattern.policy.name!r} of agent {clean(agent)!r} observes, and touches nothing. Only the "
            "operator can turn it to `mode: enforce`"
        )
    return pattern.policy


@dataclass(frozen=True, slots=True)
class Subject:
    """One session as it was looked at, and all that decides about it.

    `may_be_newest`: it is not shown to be older than those that the policy keeps as its agent's newest.
    """

    project: Project
    policy: Policy
    agent: Agent
    session: Session
    now: float
    voice: Voice = SILENT
    may_be_newest: bool = False

    @classmethod
    def seen(
        cls, project: Project, policy: Policy, agent: Agent, id_: str, fresh: Answer[Session | Malformed]
    ) -> Subject:
        """The session, when its record can be believed; NotDoneError otherwise."""
        if isinstance(fresh.value, Malformed):
            raise NotDoneError(
                f"session {id_} is kept: its record is malformed ({clean(fresh.value.reason)}). Tell the operator"
            )
        if fresh.date is None:
            raise NotDoneError(f"session {id_} is kept: the platform's answer carried no time, so its age is unknown")
        return cls(project, policy, agent, fresh.value, fresh.date)

    @property
    def about(self) -> str:
        """Stands for exactly this record, so that leave for it ends when anything about it changes."""
        return "\n".join([self.project.name, self.agent.name, *map(str, self.session)])

    def plan(self, action: Action) -> Plan:
        """A plan of this one action; it counts against the limits like a sweep's."""
        judged_by = self._judged_by(action)
        decision = decide(self.session, judged_by, self.agent, self.now)
        items = Items([Item(self.session, decision, self.now)])
        return Plan(
            id=plan_id(self.project.name, self.agent.name, items),
            agent=self.agent,
            policy=judged_by,
            now=self.now,
            items=items,
            marks=None,
            voice=self.voice,
        )

    def _judged_by(self, action: Action) -> Policy:
        """The policy under which an action is judged again right before it is sent.

        The keep rules that come before whatever decides now, then the word of a person: a session that a keep rule
        covers by the time of the last look stays, and so does one whose window has closed by then.
        """
        own, *others = (self._side_judged_by(one, action) for one in sides(self.policy))
        return replace(own, also=others[0] if others else None)

    def _side_judged_by(self, policy: Policy, action: Action) -> Policy:
        alone = replace(policy, also=None)
        deciding = decide(self.session, alone, self.agent, self.now).rule
        before = takewhile(lambda rule: rule is not deciding, alone.rules)
        keeps = tuple(rule for rule in before if rule.action is Action.KEEP)
        return replace(alone, rules=(*keeps, BY_HAND[action]), grace_s=0)

    def check(self, action: Action, store: Store, configured: Holds) -> None:
        """Raise NotDoneError with the strongest reason against it; `configured` holds count as the state's do."""
        for refusal in self._refusals(action, store, configured | store.holds.of_agent(*self._key)):
            raise NotDoneError(f"session {self.session.id} is left as it is: {refusal}")

    @property
    def _key(self) -> tuple[str, str]:
        return self.project.name, self.agent.name

    def _refusals(self, action: Action, store: Store, holds: Holds) -> Iterator[str]:
        if holding := holds.on(self.session, self.now):
            yield f"{holds_words(holding)}. Do not try another way: only a person releases it"
        yield from self._asked_to_keep()
        yield from self._kept(action)
        yield from self._not_now(action)
        breaker = store.breaker(self.project.name, self.agent.name)
        if breaker is not None:
            yield (
                f"the breaker of agent {clean(self.agent.name)} is open since {show_time(breaker.since)}: "
                f"{clean(breaker.reason)}. Only a person closes it, by approving a plan"
            )
        if action is Action.DELETE and not self.policy.is_open(self.now):
            opens = self.policy.opens_at(self.now)
            next_one = f"the next opens at {show_time(opens)}" if opens else "no opening is in sight"
            dates = dates_text(self.policy.skipped(self.now, opens))
            why = f" (closed {dates})" if dates else ""
            yield f"it is outside every window of policy {self.policy.name!r}{why}; {next_one}. Ask again then"

    def _asked_to_keep(self) -> Iterator[str]:
        """What the agent's developers ask for."""
        if why := self.voice.keeps(self.now):
            yield f"{why}. Do not try another way: only the agent's developers can change that, in its metadata"
        if self.policy.mode is not Mode.ENFORCE:
            yield f"{self.voice.choice}, and observes. Only the agent's developers can change that, in its metadata"

    def _kept(self, action: Action) -> Iterator[str]:
        """What keeps the session for good."""
        for policy in sides(self.policy):
            decision = decide(self.session, replace(policy, also=None), self.agent, self.now)
            if decision.action is Action.KEEP and decision.rule is not None:
                yield (
                    f"rule {decision.rule.name!r} of policy {policy.name!r} keeps it. "
                    "Do not try another way: only the operator can change that rule"
                )
        if action is Action.DELETE and self.may_be_newest:
            yield (
                f"policy {self.policy.name!r} keeps the newest {self.policy.keep_newest} sessions, and it may be one "
                "of them. Do not try another way: only the operator can change that"
            )
        if action is Action.DELETE and self.session.id in self.project.must_see:
            yield f"project {self.project.name} names it under must_see, as a session that must always be there"

    def _not_now(self, action: Action) -> Iterator[str]:
        """What is against it as the session is now."""
        status, age = self.session.status, self.now - self.session.created_at
        if status not in _STATUSES[action]:
            yield self._wrong_status(action, status)
        if age < AGE_FLOOR_S:
            wait = max(AGE_FLOOR_S - age, 1)
            yield f"it is {show_duration(max(age, 0))} old, and must be five minutes. Ask again in {wait:.0f} s"
        if self.session.strange:
            fields = ", ".join(map(clean, self.session.strange))
            setting = acceptance(self.session.strange, self.project.known_fields)
            who = f", who can accept them: `{setting}` in project {self.project.name}" if setting else ""
            yield f"its record has fields that this version does not know ({fields}). Tell the operator{who}"

    def _wrong_status(self, action: Action, status: str) -> str:
        if status in {CREATING, UPDATING}:
            return f"it is {status}. Wait until session_get shows idle or failed, then ask again"
        if status == ACTIVE:
            stop = command("sessions stop", self.agent.name, self.session.id, project=self.project.name)
            return (
                "it is active, and may be in the middle of work. Wait until session_get shows idle, "
                f"or ask the operator to stop it (`{stop}`), then ask again"
            )
        if status in {IDLE, FAILED}:
            return f"it is {status}: there is nothing to {action}"
        return f"its status {clean(status)!r} is not known to this version, which never touches such sessions"
