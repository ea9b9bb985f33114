"""One project as it is acted on: by sweeps, by people and by assistants."""

from __future__ import annotations

from dataclasses import dataclass, field

from reaper.core.clock_check import ClockGuard
from reaper.core.provider import Provider
from reaper.core.settings import Project
from reaper.engine.routed_agent import KnownVersions
from reaper.store.origin import Origin


@dataclass(frozen=True, slots=True)
class ConnectedProject:
    """A project's settings, the client that reaches it, and what watches its clock.

    `configuration` is the digest of what is in force. `versions` are those known to be there.
    """

    project: Project
    client: Provider
    guard: ClockGuard
    configuration: str = ""
    versions: KnownVersions = field(default_factory=KnownVersions)

    def origin(self, by: str = "", *, client: str = "") -> Origin:
        """Who acts here, for the record: as whom the client speaks now, by which configuration."""
        return Origin.local(
            by,
            client=client,
            endpoint=self.project.connection.endpoint,
            configuration=self.configuration,
            identity=self.client.identity,
        )
