"""What an approval of a plan is for, as lines, and the id that stands for them. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reaper.core.model import Action
from reaper.core.plan import Candidate, Hold, Item, Planned


def plan_id(project: str, agent: str, items: Iterable[Item]) -> str:
    """32 hexadecimal digits that stand for exactly these incarnations and actions."""
    return id_of_lines(project, agent, plan_lines(items))


def plan_lines(items: Iterable[Item]) -> list[str]:
    """What an approval of these items would be for, a sorted line each; it is for no strange record, and no held
    session."""
    return sorted(line for item in items for line in lines_of(item))


def lines_of(item: Item) -> tuple[str, ...]:
    """The item's line, if it has one."""
    return (line_of(Candidate(item.session, item.decision)),) if can_be_approved(item) else ()


def can_be_approved(item: Item) -> bool:
    """Whether a person's word counts for it: for no strange record, and no held session."""
    return not item.session.strange and item.hold is not Hold.HOLD


@dataclass(frozen=True, slots=True)
class PlanLines:
    """What an approval of a plan would be for, in the order of its items, which is that of their lines.

    There are no more of them than items.
    """

    items: Planned

    def __contains__(self, line: object) -> bool:
        return any(line == one for one in self)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[str]:
        return (line for item in self.items for line in lines_of(item))


def line_of(candidate: Candidate) -> str:
    """What says this session, as it was seen, and what is to be done to it. No id holds a character up to a space."""
    session, decision = candidate
    return line_for(decision.action, session.id, session.created_at, session.last_accessed_at)


def line_for(action: Action, session: str, created_at: int, last_accessed_at: int) -> str:
    """The same, of what it is made of."""
    return f"{action} {session} {created_at} {last_accessed_at}"


def id_of_lines(project: str, agent: str, lines: Iterable[str]) -> str:
    """The id of the plan that these sorted lines say."""
    digest = LinesDigest(project, agent)
    digest.add(lines)
    return digest.id


class LinesDigest:
    """The id of the plan that lines say, in the order in which they are given."""

    def __init__(self, project: str, agent: str) -> None:
        self._hash = hashlib.sha256(json.dumps([project, agent]).encode())

    def add(self, lines: Iterable[str]) -> None:
        """Take in further lines."""
        for line in lines:
            self._hash.update(b"\n" + line.encode("utf-8", "surrogatepass"))

    @property
    def id(self) -> str:
        return _id_of(self._hash.hexdigest())


def joint_plan_id(ids: Sequence[str]) -> str:
    """One id for the plans of several agents; a single plan's is its own."""
    return ids[0] if len(ids) == 1 else _id_of(hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest())


def _id_of(digest: str) -> str:
    """128 bits: of 48, as they once were, two plans with the same id are found in a minute."""
    return digest[:32]
