"""A reader of listings that stands alone: nobody stops it, and nobody counts its pages."""

from __future__ import annotations

from typing import Any

from reaper.core.clock_check import ClockGuard
from reaper.core.policy import Policy
from reaper.core.settings import Connection, CredentialKind, Project
from reaper.engine.connected_project import ConnectedProject
from reaper.engine.events import Event
from reaper.engine.inventory import InventoryReader
from tests.world import AGENT


def ignore(_: Event) -> None:
    """Nobody hears what happens."""


def reader_of(provider: Any, rules: Policy) -> InventoryReader:
    """What lists the sessions of a provider of which only `page` and `spare` are asked."""
    project = Project("p", Connection("http://127.0.0.1/api/projects/p", CredentialKind.NONE), ())
    return InventoryReader(ConnectedProject(project, provider, ClockGuard()), AGENT, rules, ignore, str)
