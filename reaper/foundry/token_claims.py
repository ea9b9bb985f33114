"""Who a token speaks for, read from its claims. Nothing is verified: that is for the platform to do."""

from __future__ import annotations

import base64
import json
from typing import Final

from reaper.core.text import clean

CLAIM_MAX_CHARS: Final = 100
_TOKEN_MAX_CHARS: Final = 64 * 1024
_KEPT: Final = {"tid": "tenant", "oid": "oid", "appid": "appid", "azp": "appid"}


def claims_of(token: str) -> dict[str, str]:
    """Tenant, object and application of a bearer token, as far as it tells them; {} of anything else."""
    parts = token.split(".") if len(token) <= _TOKEN_MAX_CHARS else []
    if len(parts) != 3:
        return {}
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(claims, dict):
        return {}
    named: dict[str, str] = {}
    for claim, name in _KEPT.items():
        value = claims.get(claim)
        if isinstance(value, str) and value and name not in named:
            named[name] = clean(value, CLAIM_MAX_CHARS)
    return named
