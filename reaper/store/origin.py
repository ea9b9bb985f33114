"""Who acts: the person or process, where, as whom, with what. It stands in every entry of the record that has one."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reaper import __version__
from reaper.core.text import clean


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks for an action, and with what.

    `by`: a person or process; `host`: pod or machine; `client`: an assistant's client; `identity`: claims of the
    token, never the token; `configuration`: digest of what is in force; `reason`: in the words of a person.
    """

    by: str = ""
    host: str = ""
    version: str = ""
    client: str = ""
    endpoint: str = ""
    configuration: str = ""
    reason: str = ""
    identity: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def local(
        cls,
        by: str = "",
        *,
        client: str = "",
        endpoint: str = "",
        configuration: str = "",
        reason: str = "",
        identity: Mapping[str, str] | None = None,
    ) -> Origin:
        """The origin of what this process does; `by` is the OS user unless a person gave a name."""
        return cls(
            by=clean(by) or os_user(),
            host=clean(os.environ.get("POD_NAME") or os.environ.get("HOSTNAME") or socket.gethostname()),
            version=__version__,
            client=clean(client),
            endpoint=clean(endpoint),
            configuration=configuration,
            reason=clean(reason),
            identity={name: clean(claim) for name, claim in (identity or {}).items()},
        )

    def as_json(self) -> dict[str, Any]:
        """What is known of it, as it stands in an entry."""
        names = ("by", "host", "version", "client", "endpoint", "configuration", "reason")
        fields: dict[str, Any] = {name: getattr(self, name) for name in names if getattr(self, name)}
        return fields | ({"identity": dict(self.identity)} if self.identity else {})


def os_user() -> str:
    """The name of the user this process runs as, from the kernel and not from the environment; else its number."""
    uid = os.getuid()
    try:
        return clean(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return f"uid {uid}"
