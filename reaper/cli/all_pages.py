"""All pages of a listing, one after the other, to its end or to a clear word about why not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from reaper.cli.endings import CommandError, Exit
from reaper.core.model import Incarnation, Malformed, Session
from reaper.core.provider import Order, Provider, ProviderError
from reaper.listing.listing import trouble_of


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one page that the page before did not hold, and the platform's time of it."""

    records: tuple[Session | Malformed, ...]
    now: float | None


async def every_page(
    client: Provider, agent: str, *, order: Order, limit: int, after: str | None = None, pages_max: int
) -> AsyncIterator[Batch]:
    """The pages as they come. A listing that breaks off raises CommandError; the first page its own error."""
    answer = await client.page(agent, order=order, limit=limit, after=after)
    cursors = {after}
    former: set[Incarnation] = set()
    count = 1
    while True:
        page = answer.value
        yield Batch(tuple(one for one in page.sessions if _incarnation(one) not in former), answer.date)
        if not page.has_more:
            return
        trouble = trouble_of(page, cursors)
        if not trouble and count >= pages_max:
            trouble = f"there is more than --max-pages {pages_max} allows"
        if trouble:
            raise broken_off(count, trouble)
        former = {key for one in page.sessions if (key := _incarnation(one)) is not None}
        cursors.add(page.last_id)
        try:
            answer = await client.page(agent, order=order, limit=limit, after=page.last_id)
        except ProviderError as error:
            raise broken_off(count, str(error)) from error
        count += 1


def broken_off(pages: int, why: str) -> CommandError:
    """The end of a command whose listing did not reach its end."""
    return CommandError(f"the listing broke off after {pages} page(s): {why}", Exit.FAILED)


def _incarnation(record: Session | Malformed) -> Incarnation | None:
    return record.incarnation if isinstance(record, Session) else None
