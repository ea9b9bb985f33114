"""As whom to speak: one credential a project, its token kept until shortly before it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from reaper.clock import Clock
from reaper.core.provider import Unauthenticated
from reaper.core.settings import PROXY_ENVIRONMENT, Connection, CredentialKind
from reaper.core.text import clean
from reaper.foundry.proxies import proxy_of
from reaper.foundry.secret import Secret
from reaper.foundry.token_claims import claims_of

if TYPE_CHECKING:
    from azure.core.credentials import AccessTokenInfo

RENEW_BEFORE_S: Final = 300
ACQUIRE_MAX_S: Final = 30
INJECTED: Final = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE")
"""What the workload identity webhook puts into a pod's environment."""
AUTHORITY: Final = "https://login.microsoftonline.com"
"""Where the Entra credentials get their tokens, unless AZURE_AUTHORITY_HOST says otherwise."""
RENEW_PAUSE_S: Final = 30
"""A token is not asked for twice within this, except once the platform rejected it: the wall clock may
be wrong by days, and would otherwise ask before every request."""


class Credential(Protocol):
    """What is needed of an asynchronous credential of `azure-identity`."""

    async def get_token_info(self, *scopes: str) -> AccessTokenInfo: ...

    async def close(self) -> None: ...


def build_credential(kind: CredentialKind, proxy: str = PROXY_ENVIRONMENT) -> Credential:
    """Give the one credential a kind stands for; ValueError when its environment is incomplete.

    Imported late: `azure.identity` takes 0.4 s, and `none` needs none of it. The asynchronous
    DefaultAzureCredential has no interactive member.
    """
    from azure.identity import aio  # noqa: PLC0415

    ways = _proxy_options(proxy)
    match kind:
        case CredentialKind.DEFAULT:
            return aio.DefaultAzureCredential(**ways)
        case CredentialKind.WORKLOAD_IDENTITY:
            missing = [name for name in INJECTED if not os.environ.get(name)]
            if missing:
                problem = f"not in the environment: {', '.join(missing)}"
                raise ValueError(f"{problem}; does the pod carry the label azure.workload.identity/use?")
            return aio.WorkloadIdentityCredential(**ways)
        case CredentialKind.MANAGED_IDENTITY:
            return aio.ManagedIdentityCredential(client_id=os.environ.get("AZURE_CLIENT_ID") or None, **ways)
        case CredentialKind.ENVIRONMENT:
            return aio.EnvironmentCredential(**ways)
        case CredentialKind.AZURE_CLI:
            return aio.AzureCliCredential()
        case CredentialKind.NONE:
            raise ValueError("the credential kind 'none' has no tokens")


def _proxy_options(proxy: str) -> dict[str, Any]:
    """Through what a credential asks: Entra through the project's proxy, everything else through none.

    Everything else is the machine's own endpoint of a managed identity, which hands out tokens to whoever asks.
    """
    host = os.environ.get("AZURE_AUTHORITY_HOST") or AUTHORITY
    authority = host.rstrip("/") if "://" in host else f"https://{host.rstrip('/')}"
    url = proxy_of(authority, proxy)
    return {"use_env_settings": False, "proxies": {authority: url} if url else None}


@dataclass(frozen=True, slots=True)
class _Held:
    """A token with when to ask for the next one and when it ends, in Unix seconds."""

    secret: Secret
    due: float
    ends: float


class Tokens:
    """The bearer token of one connection: asked for once at a time, renewed before it ends.

    A token that could not be renewed early is used until its end. Every way of not getting one is
    `Unauthenticated`, a token endpoint out of reach included: `azure-identity` has tried that several
    times by then, and asking on would only keep a sweep from failing as failed.

    `identity` is whom the present token names, by its claims, for the record; nothing is decided on it.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        *,
        credential_factory: Callable[[CredentialKind], Credential] | None = None,
    ) -> None:
        self.kind = connection.credential
        self.identity: Mapping[str, str] = MappingProxyType({})
        self._scope = connection.scope
        self._clock = clock
        self._factory = credential_factory or partial(build_credential, proxy=connection.proxy)
        self._credential: Credential | None = None
        self._token: _Held | None = None
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def token(self) -> Secret | None:
        """What says who asks: None for kind `none`; Unauthenticated when no token can be had."""
        if self.kind is CredentialKind.NONE:
            return None
        if self._token is None:
            await self._ask()
        elif self._is_due(self._token):
            await self._renew_early(self._token)
        if self._token is None:
            raise self._failure("the token was dropped while it was asked for")
        return self._token.secret

    async def renew(self, rejected: Secret | None) -> None:
        """Drop the token the platform `rejected`, given out before, and every cache of it.

        Nothing is dropped when it was replaced meanwhile: many requests are rejected at once.
        """
        if self._token is None or rejected != self._token.secret:
            return
        self._token = None
        await self._drop_credential()

    async def aclose(self) -> None:
        """Stop asking, and release the credential's connections."""
        if self._asking is not None:
            self._asking.cancel()
        await self._drop_credential()

    def _is_due(self, token: _Held) -> bool:
        return self._clock.wall() >= token.due and self._clock.monotonic() - self._asked_at >= RENEW_PAUSE_S

    async def _renew_early(self, token: _Held) -> None:
        try:
            await self._ask()
        except Unauthenticated:
            if self._clock.wall() >= token.ends:
                raise

    async def _ask(self) -> None:
        # One task for all who wait; shielded, so that one who gives up does not take it from the others.
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._acquire())
            self._asking.add_done_callback(_seen)
        await asyncio.shield(self._asking)

    async def _acquire(self) -> None:
        self._asked_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(ACQUIRE_MAX_S):
                if self._credential is None:
                    self._credential = self._factory(self.kind)
                self._hold(await self._credential.get_token_info(self._scope))
        except TimeoutError:
            raise self._failure(f"the token endpoint gave no answer within {ACQUIRE_MAX_S} s") from None
        except Exception as error:
            # Whatever a credential raises means the same; its text may go on for pages, its cause may hold
            # the request that carried the secret.
            raise self._failure(_first_line(error)) from None

    def _hold(self, info: AccessTokenInfo) -> None:
        due = info.refresh_on or info.expires_on - RENEW_BEFORE_S
        self._token = _Held(Secret(info.token), due, info.expires_on)
        self.identity = MappingProxyType(claims_of(info.token))

    async def _drop_credential(self) -> None:
        credential, self._credential = self._credential, None
        if credential is not None:
            await credential.close()

    def _failure(self, why: str) -> Unauthenticated:
        return Unauthenticated(f"no token from the credential {self.kind.value!r}: {why}", operation="token")


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    reason = clean(lines[0]) if lines else type(error).__name__
    unreached = type(error).__name__ in ("ServiceRequestError", "ServiceResponseError")
    return f"the token endpoint was not reached: {reason}" if unreached else reason


def _seen(task: asyncio.Task[None]) -> None:
    # Keeps asyncio from complaining when all who waited have given up.
    if not task.cancelled():
        task.exception()
