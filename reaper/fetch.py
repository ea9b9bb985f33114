"""One HTTP request to somebody who is no project: a daemon beside this process, a blob for heads."""

from __future__ import annotations

from collections.abc import Mapping

import httpx2


class FetchError(Exception):
    """There is no answer. Says only what kind of failure it was: its text may hold an address with a secret in it."""


async def fetch(
    method: str, url: str, headers: Mapping[str, str], timeout_s: float, *, body: bytes = b"", near: bool = False
) -> tuple[int, bytes]:
    """The status and body of the answer, whatever they are, also a redirect; FetchError when there is none.

    `near`: plain HTTP on this machine, past every proxy.
    """
    try:
        # Certificates that nobody checks take a tenth of a second to load.
        async with httpx2.AsyncClient(timeout=timeout_s, trust_env=not near, verify=not near) as client:
            answer = await client.request(method, url, content=body, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise FetchError(type(error).__name__) from None
    return answer.status_code, answer.content
