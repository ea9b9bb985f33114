"""A process's hold on its state while it lives: the claim to sweep, and the store, opened again when whole."""

from __future__ import annotations

import os
from contextlib import suppress

from reaper.clock import SystemClock
from reaper.logs import get_logger
from reaper.store.claim import Claim, ClaimedElsewhereError
from reaper.store.database import StateError, path_of
from reaper.store.heads import note_known_head
from reaper.store.origin import Origin
from reaper.store.store import Store
from reaper.store.upgrade import bring_up_to_date

log = get_logger("reaper")


class HeldState:
    """What keeps `store` the state that was opened, and this process the only one that sweeps on it.

    `standby` says why this process may not sweep, `fault` why its state or its claim cannot be relied on.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._path = os.path.abspath(path_of(url))
        self._claim: Claim | None = None
        self._unclaimed = ""
        self._unmigrated = ""
        self.standby = ""
        self.store = Store.open(url)
        self._known = self.store.head
        self._seen = self._is_there()

    @property
    def fault(self) -> str:
        return (self._unmigrated if self.store.is_outdated else "") or self.store.fault or self._unclaimed

    @property
    def migration_is_due(self) -> bool:
        """Whether an earlier version wrote the state, and it is for this process to bring it up to date."""
        return self.store.is_outdated and self._claim is not None and not self.standby

    def migrate(self) -> None:
        """Bring the state up to this version; the next `check` opens it. `fault` says why where that fails.

        It may take long, and touches nothing here that `check` looks at: another thread may do it meanwhile.
        """
        if self._claim is None:
            return
        try:
            done = bring_up_to_date(self._url, self._claim, SystemClock().wall(), Origin.local().as_json())
        except StateError as error:
            self._unmigrated = str(error)
            return
        self._unmigrated = ""
        if done is not None:
            log.info("state_migrated", state=self._url, **done.facts())

    def check(self, *, busy: bool) -> bool:
        """Whether this process may sweep now: it holds the claim. With a `store` at fault it may only observe.

        A free claim is taken, a state at fault is opened again; neither while actions of this process are under way
        (`busy`), for they rest on what was.
        """
        self._look()
        if self._is_lost():
            if not busy:
                self._release_claim()
        elif self._claim is not None:
            self.standby = self._unclaimed = ""
        if self.store.fault and not busy:
            self._reopen()
        if self._claim is None and not busy:
            self._take_claim()
        return self._claim is not None and not self.standby

    def _is_lost(self) -> bool:
        """Whether the claim that this process has keeps nobody else out any more; then it stands by."""
        lost = self._claim.lost() if self._claim is not None else ""
        if lost:
            self._unclaimed = self.standby = f"state {self._url}: {lost}"
            log.error("claim_lost", why=self.standby, meaning="no action begins until it is held again")
        return bool(lost)

    def _look(self) -> None:
        if not self.store.fault:
            self.store.look()
            self._known = self.store.head
        self._seen = self._seen or self._is_there()

    def _is_there(self) -> bool:
        return os.path.exists(self._path)

    def _reopen(self) -> None:
        """Open the state again; one that was there once and is gone is not begun anew."""
        old = self.store
        old.close()
        self._known = max(self._known, old.head, key=lambda head: head.entries)
        if self._claim is not None and self._is_there():
            with suppress(OSError):
                note_known_head(os.path.realpath(self._path), self._known)
        self.store = Store.open(self._url, create=not self._seen, known=self._known)
        if not self.store.fault:
            self._known = self.store.head
        self.store.rely_on(self._claim)

    def _take_claim(self) -> None:
        try:
            self._claim = Claim(self._url)
        except ClaimedElsewhereError as error:
            self.standby, self._unclaimed = str(error), ""
        except StateError as error:
            self.standby = self._unclaimed = str(error)
        else:
            self.standby = self._unclaimed = ""
            self.store.rely_on(self._claim)

    def _release_claim(self) -> None:
        if self._claim is not None:
            self._claim.release()
        self._claim = None

    def note(self) -> None:
        """Note how far the record has come, for the next process that holds the claim."""
        self._look()
        if self._claim is not None and not self._is_lost():
            self.store.note_head()

    def close(self) -> None:
        """Let another process have it all."""
        self.note()
        self.store.close()
        self._release_claim()
