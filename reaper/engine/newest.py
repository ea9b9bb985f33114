"""Which sessions may be among the newest of their agent, answered on the safe side where nobody lists all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reaper.core.model import Incarnation, Malformed, Session
from reaper.core.policy import KeepNewest
from reaper.core.provider import Provider
from reaper.core.standing import Standing
from reaper.listing.listing import trouble_of

PAGES_MAX: Final = 200


async def may_be_newest(
    client: Provider, agent: str, sessions: Sequence[Session], newest: KeepNewest
) -> Sequence[Session]:
    """Those of these sessions that are not shown to have `newest.count` newer ones beside them.

    That so many are there proves it, whatever else there is: the listing is read from its newest end, and no further
    than it takes. Raises the ProviderError of a page.
    """
    standings, seen = [Standing(session, newest) for session in sessions], set[Incarnation]()
    cursor, cursors = None, set[str | None]()
    for _ in range(PAGES_MAX):
        page = (await client.page(agent, after=cursor, order="desc")).value
        for other in page.sessions:
            if isinstance(other, Malformed) or other.incarnation in seen:
                continue
            seen.add(other.incarnation)
            for standing in standings:
                standing.count(other)
        standings = [standing for standing in standings if standing.may_be_one_of(newest)]
        if not standings or not page.has_more or trouble_of(page, cursors):
            break
        cursor = page.last_id
        cursors.add(cursor)
    return [standing.session for standing in standings]
