"""Addresses: a project's endpoint and its proxy, the state's URL, and where the server listens.

An endpoint decides who is sent a token, so it is taken apart strictly and rebuilt from its parts.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from reaper.config.problem import BadValue
from reaper.core.loopback import is_loopback
from reaper.core.settings import PROXY_ENVIRONMENT, PROXY_NONE

ENDPOINT: Final = r"^https?://[^/?#@\s]+/api/projects/[^/?#]+/?$"
STATE: Final = r"^sqlite:///[^?]+$"
PROXY: Final = r"^(none|environment|https?://[^/?#\s]+/?)$"
LISTEN: Final = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$"

_EXAMPLE: Final = "write https://ACCOUNT.services.ai.azure.com/api/projects/PROJECT"
_URL: Final = re.compile(r"(\w+)://([^/?#]*)([^?#]*)([?#].*)?", re.ASCII)
_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::([0-9]{1,5}))?")
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_PLATFORM: Final = re.compile(rf"(?:{_LABEL}\.)+services\.ai\.azure\.(?:com|us)")
_PROJECT: Final = re.compile(r"/api/projects/([A-Za-z0-9][A-Za-z0-9._-]{0,127})/?")
_USER: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=%-]+(:[A-Za-z0-9._~!$&'()*+,;=%-]*)?")
_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A project's address in its parts: lower-case host without brackets, port, name of the project."""

    scheme: str
    host: str
    port: int
    project: str

    @property
    def url(self) -> str:
        """The address in its one normal form, without trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}/api/projects/{self.project}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine only."""
        return is_loopback(self.host)

    @property
    def is_platform(self) -> bool:
        """Whether the host belongs to the platform's own domains."""
        return _PLATFORM.fullmatch(self.host) is not None


def parse_endpoint(text: str) -> Endpoint:
    """Take an endpoint apart; BadValue says what is amiss, without repeating what may be a password."""
    if not text.isascii() or "\\" in text or re.search(r"\s", text):
        hint = "write the host in ASCII (xn--...), without spaces or backslashes"
        raise BadValue("is no address with such characters", hint)
    parts = _URL.fullmatch(text)
    if parts is None or parts[1].lower() not in _PORTS:
        raise BadValue("is not an https address", _EXAMPLE)
    if "@" in parts[2]:
        raise BadValue("an endpoint holds no user name or password", "use `credential` instead", quiet=True)
    if parts[4]:
        raise BadValue("an endpoint has no query and no fragment", "remove all from the ? or # on", quiet=True)
    host, port = _host_and_port(parts[2].lower(), _PORTS[parts[1].lower()])
    project = _PROJECT.fullmatch(parts[3])
    if project is None:
        raise BadValue("does not lead to a project", "the path must be /api/projects/PROJECT")
    return Endpoint(parts[1].lower(), host, port, project[1])


def read_endpoint(value: object) -> str:
    """The endpoint as it is written, if it can be taken apart."""
    if not isinstance(value, str):
        raise BadValue("is not an https address", _EXAMPLE)
    parse_endpoint(value)
    return value


def read_proxy(value: object) -> str:
    """none, environment, or the URL of a proxy in its normal form; a password in it is never repeated."""
    hint = "write none, environment, or http://HOST:PORT"
    if value in (PROXY_NONE, PROXY_ENVIRONMENT):
        return str(value)
    parts = _URL.fullmatch(value) if isinstance(value, str) else None
    if parts is None or parts[1].lower() not in _PORTS:
        raise BadValue("is not a proxy", hint, quiet=True)
    user, at, authority = parts[2].rpartition("@")
    if parts[4] or parts[3] not in ("", "/") or (at and not _USER.fullmatch(user)):
        message = "a proxy has no path, no query, and its user and password percent-encoded"
        raise BadValue(message, hint, quiet=True)
    scheme = parts[1].lower()
    try:
        host, port = _host_and_port(authority.lower(), _PORTS[scheme])
    except BadValue as wrong:
        raise BadValue("is not a proxy", f"it {wrong.message}", quiet=True) from None
    return f"{scheme}://{user}{at}{f'[{host}]' if ':' in host else host}:{port}"


def without_password(proxy: str) -> str:
    """A proxy as it may be shown."""
    scheme, separator, rest = proxy.partition("://")
    user, at, authority = rest.rpartition("@")
    return f"{scheme}{separator}{'…' if user else ''}{at}{authority}"


def read_export(value: object) -> str:
    """A file, or the https address of an append-only blob; the signature in its query is never repeated."""
    hint = "write a path, or https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB?SIGNATURE"
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise BadValue("is no place to export to", hint)
    if "://" not in value:
        return value
    parts = _URL.fullmatch(value)
    if parts is None or parts[1].lower() not in _PORTS or "@" in parts[2] or not value.isascii() or "#" in value:
        raise BadValue("is no place to export to", hint, quiet=True)
    try:
        host, _ = _host_and_port(parts[2].lower(), _PORTS[parts[1].lower()])
    except BadValue as wrong:
        raise BadValue("is no place to export to", f"it {wrong.message}", quiet=True) from None
    if parts[1].lower() == "http" and not is_loopback(host):
        raise BadValue("is not an https address: its signature would go in clear", hint, quiet=True)
    if not re.fullmatch(r"/[^/]+/.+", parts[3]):
        raise BadValue("does not name a container and a blob", hint, quiet=True)
    return value


def without_query(place: str) -> str:
    """A place to export to as it may be shown: the query of an address signs for who has it."""
    address, mark, _ = place.partition("?")
    return address + ("?…" if mark and "://" in place else place[len(address) :])


def read_state(value: object) -> str:
    """The URL of a SQLite file. State in memory would forget every mark and limit at a restart."""
    hint = "write sqlite:///FILE, or sqlite:////FILE for a path from the root"
    if not isinstance(value, str):
        raise BadValue("is not a SQLite URL", hint)
    if not value.startswith("sqlite:"):
        raise BadValue("the state cannot be kept there", hint, quiet=True)
    path = value.removeprefix("sqlite:///")
    if ":memory:" in value or path in ("", "sqlite:", "sqlite:/", "sqlite://"):
        raise BadValue("would forget marks and limits at every restart", hint)
    if path == value or path.startswith("file:") or "?" in path or path.endswith("/"):
        raise BadValue("does not name a file", hint)
    return value


def read_listen(value: object) -> str:
    """HOST:PORT as it is written; port 0 takes any that is free."""
    hint = "write HOST:PORT, as in 127.0.0.1:9464, 0.0.0.0:9464 or [::1]:9464"
    try:
        split_listen(value if isinstance(value, str) else "")
    except BadValue as wrong:
        raise BadValue("is not an address to listen on", hint) from wrong
    return str(value)


def split_listen(text: str) -> tuple[str, int]:
    """HOST:PORT in its parts, the host without brackets."""
    host, separator, port = text.rpartition(":")
    if not separator or not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII):
        raise BadValue("has no port")
    return _host_and_port(f"{host.lower()}:{port}", 0, lowest=0)


def _host_and_port(authority: str, default: int, lowest: int = 1) -> tuple[str, int]:
    match = _AUTHORITY.fullmatch(authority)
    if match is None or not _is_host(match[1]):
        raise BadValue("has a host that is no host's name or address", _EXAMPLE)
    port = int(match[2]) if match[2] else default
    if not lowest <= port <= 65_535:
        raise BadValue("has a port that does not exist", f"ports are {lowest} to 65535")
    return match[1].strip("[]"), port


def _is_host(text: str) -> bool:
    if text.startswith("["):
        return isinstance(_address(text[1:-1]), ipaddress.IPv6Address)
    if _HOST.fullmatch(text) is None or len(text) > 253:
        return False
    # What ends in digits, or in 0x, is an address to the resolver: only the usual four numbers are one here.
    last = text.rpartition(".")[2]
    return not re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last) or _address(text) is not None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
