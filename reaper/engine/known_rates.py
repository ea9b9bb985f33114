"""How fast each endpoint lets itself be asked, carried from one process to the next: a help, and never a fault."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol, runtime_checkable

from reaper.logs import get_logger
from reaper.store.database import StateError
from reaper.store.store import Store

log = get_logger()


@runtime_checkable
class Rated(Protocol):
    """A connector that finds out how fast each endpoint may be asked, in requests a second."""

    def recall(self, rates: Mapping[str, float]) -> None:
        """Begin with these rates, by endpoint."""

    def rates(self) -> dict[str, float]:
        """What has been found so far, by endpoint."""


def recall_rates(connector: object, store: Store) -> Mapping[str, float]:
    """Let a connector begin with what earlier processes found; returns what that was."""
    if not isinstance(connector, Rated):
        return {}
    try:
        known = store.rates()
    except StateError as error:
        log.warning("rates_not_read", error=str(error))
        return {}
    connector.recall(known)
    return known


def keep_rates(connector: object, store: Store, known: Mapping[str, float], endpoints: Collection[str]) -> None:
    """Remember what a connector has found of these endpoints, beside what was known of them."""
    if not isinstance(connector, Rated):
        return
    found = {**known, **{endpoint: round(rate, 3) for endpoint, rate in connector.rates().items()}}
    kept = {endpoint: rate for endpoint, rate in found.items() if endpoint in endpoints}
    if kept == known:
        return
    try:
        store.put_rates(kept)
    except StateError as error:
        log.warning("rates_not_kept", error=str(error))
