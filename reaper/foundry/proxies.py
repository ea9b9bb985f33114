"""Which proxy a request goes through, if any: one answer for every client this product has."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from reaper.core.loopback import is_loopback
from reaper.core.settings import PROXY_ENVIRONMENT, PROXY_NONE


def proxy_of(url: str, setting: str) -> str | None:
    """The URL of the proxy through which `url` is asked, None for none; `setting` is a project's `proxy`.

    What is not encrypted goes through none: a proxy could read the token in it. Neither does what never leaves this
    machine or its link, such as the endpoint that gives managed identities their tokens.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" or setting == PROXY_NONE or is_loopback(host) or _is_link_local(host):
        return None
    if setting != PROXY_ENVIRONMENT:
        return setting
    proxies = getproxies()
    proxy = proxies.get("https") or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_link_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False
