"""What a record needs between sweeps: the configuration in force, orphans, pruning, and a signed head."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any, Final

from reaper.clock import give_way
from reaper.core.holds import SessionHold, hold_json
from reaper.core.model import DAY_S
from reaper.core.settings import Audit, Settings
from reaper.logs import get_logger
from reaper.store.chain import Place
from reaper.store.head_exports import ExportError, export
from reaper.store.journal import Journal
from reaper.store.origin import Origin
from reaper.store.signing import Head, Key, UnusableKeyError

CONFIGURED: Final = "configuration"
MODE: Final = "mode"
ORPHANED_AFTER_S: Final = 7 * DAY_S
"""So old is an action of an agent that is not there any more when it is given up."""

log = get_logger()


@dataclass(slots=True)
class Housekeeping:
    """Keeps the record between sweeps; a run in which nothing happens adds nothing."""

    _noted: str = ""
    _reported: Place | None = None

    def begin(self, journal: Journal, settings: Settings, at: float) -> None:
        """Write down which configuration is in force, and each policy's mode, where that changed. StateError."""
        if self._reported is None:
            self._reported = journal.end()
        if settings.fingerprint == self._noted:
            return
        origin = Origin.local(configuration=settings.fingerprint).as_json()
        modes = {policy.name: policy.mode.value for policy in settings.policies}
        held = {"holds": [_hold(hold) for hold in settings.holds]} if settings.holds else {}
        journal.note_change(CONFIGURED, "", at, {"digest": settings.fingerprint, "modes": modes, **held}, origin)
        for name, mode in modes.items():
            journal.note_change(MODE, name, at, {"policy": name, "mode": mode}, origin)
        self._noted = settings.fingerprint

    async def end(
        self,
        journal: Journal,
        audit: Audit,
        now: float,
        managed: Set[tuple[str, str]],
        spared: Set[str],
        *,
        believed: bool,
    ) -> None:
        """Settle orphans and prune, where the time `now` is `believed`; sign and export the new head. StateError."""
        pruned = 0
        if believed:
            _settle_orphans(journal, now, managed, spared)
            await give_way()
            pruned = journal.prune(now - audit.keep_s, now)
            await give_way()
        if journal.end() == self._reported:
            return
        key = _key(audit)
        if key is not None:
            journal.sign(key, now)
        end = journal.end()
        log.info("journal", head=end.hash, pruned=pruned)
        self._reported = end
        if audit.export is not None:
            await _export(audit.export, key.sign(now, end) if key else Head(now, end.count, end.hash))


def _hold(hold: SessionHold) -> dict[str, Any]:
    """A hold of the configuration, as it stands in the record."""
    told = hold_json(hold)
    names = ("project", "agent", "session", "until", "legal", "reason", "by")
    return {name: told[name] for name in names if told[name]}


def _settle_orphans(journal: Journal, now: float, managed: Set[tuple[str, str]], spared: Set[str]) -> None:
    for entry in journal.settle_orphans(managed, now - ORPHANED_AFTER_S, now, spared):
        intent = entry.intent
        log.warning(
            "orphaned_action",
            project=intent.project,
            agent=intent.agent,
            session=intent.session,
            action=str(intent.action),
            intended_at=entry.at,
            outcome="unresolved",
            help="its agent or project is gone: nobody can find out what became of it",
        )


def _key(audit: Audit) -> Key | None:
    if audit.sign_with is None:
        return None
    try:
        return Key.read(audit.sign_with)
    except UnusableKeyError as error:
        log.error("head_not_signed", error=str(error))
        return None


async def _export(place: str, head: Head) -> None:
    try:
        await export(place, head)
    except ExportError as error:
        log.error("head_not_exported", error=str(error), head=head.head, entry=head.seq)
