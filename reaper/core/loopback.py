"""The one definition of what is this machine only. Pure."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host, with or without brackets, is this machine only: localhost, 127.0.0.0/8 or ::1, however written.

    Names are not resolved: any name but `localhost` may lead elsewhere, today or tomorrow.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
