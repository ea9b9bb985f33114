"""The look at a session before it is deleted by hand: the session as it is, or why it cannot go."""

from __future__ import annotations

from dataclasses import dataclass

from reaper.cli.delete_results import DeleteResult
from reaper.core.model import TOMBSTONES, Malformed, OutcomeKind, Session
from reaper.core.provider import Answer, Gone, Provider, ProviderError, Unauthenticated


@dataclass(frozen=True, slots=True)
class SeenSession:
    """A session that is there, with the answer that told it."""

    session: Session
    answer: Answer[Session | Malformed]

    @property
    def now(self) -> float | None:
        """The platform's time of the look, None when it did not tell."""
        return self.answer.date


async def look(client: Provider, agent: str, name: str) -> SeenSession | DeleteResult:
    """Ask for one session. What cannot be read is not deleted; only Unauthenticated is raised."""
    try:
        answer = await client.get(agent, name)
    except Unauthenticated:
        raise
    except Gone:
        return DeleteResult(name, OutcomeKind.ALREADY_GONE.value)
    except ProviderError as error:
        return DeleteResult(name, OutcomeKind.FAILED.value, f"no look at it, so nothing was sent: {error}")
    record = answer.value
    if isinstance(record, Malformed):
        return DeleteResult(name, OutcomeKind.FAILED.value, f"its record is malformed: {record.reason}")
    if record.status in TOMBSTONES:
        return DeleteResult(name, OutcomeKind.ALREADY_GONE.value, f"it is {record.status}")
    return SeenSession(record, answer)
