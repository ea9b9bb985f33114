"""What is different about the product on the simulator's stage."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import pytest
import structlog

from reaper.engine import rounds
from reaper.foundry import exchange
from reaper.listing import index, listing
from tests.sim.wire import Direct


@contextlib.contextmanager
def small_pages(size: int, bound: int) -> Iterator[None]:
    """Listings of several pages without thousands of sessions, and a wire without an HTTP client."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "PAGE_SIZE", size)
        patch.setattr(listing, "PAGES_MAX", bound)
        patch.setattr(index, "STRETCH_SESSIONS", size - 1)
        patch.setattr(index, "STRETCHES_MIN", 2)
        patch.setattr(exchange, "tls_context", lambda _: None)
        patch.setattr(
            exchange, "http_client", lambda connection, wire, _: Direct(wire, connection.requests.timeout_s)
        )
        yield


@contextlib.contextmanager
def small_rounds(proven_first: int, most: int) -> Iterator[None]:
    """Deletes that are verified together without hundreds of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "PROVEN_FIRST", proven_first)
        patch.setattr(rounds, "ROUND_MAX", most)
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing is logged."""
    kept = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**kept)
