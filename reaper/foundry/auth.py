"""As whom to speak: one credential a project, its token kept until shortly before it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from reaper.clock import Clock
from reaper.foundry.errors import Unauthenticated, clean
from reaper.settings import Connection, CredentialKind

if TYPE_CHECKING:
    from azure.core.credentials import AccessTokenInfo

RENEW_BEFORE_S: Final = 300
ACQUIRE_MAX_S: Final = 30
INJECTED: Final = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE")
"""What the workload identity webhook puts into a pod's environment."""
RENEW_PAUSE_S: Final = 30
"""A token is not asked for twice within this, except once the platform rejected it: the wall clock may
be wrong by days, and would otherwise ask before every request."""


class Credential(Protocol):
    """What is needed of an asynchronous credential of `azure-identity`."""

    async def get_token_info(self, *scopes: str) -> AccessTokenInfo: ...

    async def close(self) -> None: ...


def build_credential(kind: CredentialKind) -> Credential:
    """Give the one credential a kind stands for; ValueError when its environment is incomplete.

    Imported late: `azure.identity` takes 0.4 s, and `none` needs none of it. The asynchronous
    DefaultAzureCredential has no interactive member.
    """
    from azure.identity import aio  # noqa: PLC0415

    match kind:
        case CredentialKind.DEFAULT:
            return aio.DefaultAzureCredential()
        case CredentialKind.WORKLOAD_IDENTITY:
            missing = [name for name in INJECTED if not os.environ.get(name)]
            if missing:
                told = f"not in the environment: {', '.join(missing)}"
                raise ValueError(f"{told}; does the pod carry the label azure.workload.identity/use?")
            return aio.WorkloadIdentityCredential()
        case CredentialKind.MANAGED_IDENTITY:
            return aio.ManagedIdentityCredential(client_id=os.environ.get("AZURE_CLIENT_ID") or None)
        case CredentialKind.ENVIRONMENT:
            return aio.EnvironmentCredential()
        case CredentialKind.AZURE_CLI:
            return aio.AzureCliCredential()
        case CredentialKind.NONE:
            raise ValueError("the credential kind 'none' has no tokens")


class Tokens:
    """The bearer token of one connection: asked for once at a time, renewed before it ends.

    A token that could not be renewed early is used until its end. Every way of not getting one is
    `Unauthenticated`, a token endpoint out of reach included: `azure-identity` has tried that several
    times by then, and asking on would only keep a sweep from failing as failed.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        *,
        credential_factory: Callable[[CredentialKind], Credential] = build_credential,
    ) -> None:
        self.kind = connection.credential
        self._scope = connection.scope
        self._clock = clock
        self._factory = credential_factory
        self._credential: Credential | None = None
        self._token: AccessTokenInfo | None = None
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def header(self) -> dict[str, str]:
        """The headers that say who asks: `{}` for kind `none`; Unauthenticated when no token can be had."""
        if self.kind is CredentialKind.NONE:
            return {}
        if self._token is None:
            await self._ask()
        elif self._is_due(self._token):
            await self._renew_early(self._token)
        if self._token is None:
            raise self._failure("the token was dropped while it was asked for")
        return {"Authorization": f"Bearer {self._token.token}"}

    async def renew(self, rejected: Mapping[str, str]) -> None:
        """Drop the token the platform `rejected` (a header given out before), and every cache of it.

        Nothing is dropped when it was replaced meanwhile: many requests are rejected at once.
        """
        if self._token is None or rejected.get("Authorization") != f"Bearer {self._token.token}":
            return
        self._token = None
        await self._drop_credential()

    async def aclose(self) -> None:
        """Stop asking, and release the credential's connections."""
        if self._asking is not None:
            self._asking.cancel()
        await self._drop_credential()

    def _is_due(self, token: AccessTokenInfo) -> bool:
        due = token.refresh_on or token.expires_on - RENEW_BEFORE_S
        return self._clock.wall() >= due and self._clock.monotonic() - self._asked_at >= RENEW_PAUSE_S

    async def _renew_early(self, token: AccessTokenInfo) -> None:
        try:
            await self._ask()
        except Unauthenticated:
            if self._clock.wall() >= token.expires_on:
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
                self._token = await self._credential.get_token_info(self._scope)
        except TimeoutError:
            raise self._failure(f"the token endpoint gave no answer within {ACQUIRE_MAX_S} s") from None
        except Exception as error:
            # Whatever a credential raises means the same; its text may go on for pages, its cause may hold
            # the request that carried the secret.
            raise self._failure(_first_line(error)) from None

    async def _drop_credential(self) -> None:
        credential, self._credential = self._credential, None
        if credential is not None:
            await credential.close()

    def _failure(self, why: str) -> Unauthenticated:
        return Unauthenticated(f"no token from the credential {self.kind.value!r}: {why}", operation="token")


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    said = clean(lines[0]) if lines else type(error).__name__
    unreached = type(error).__name__ in ("ServiceRequestError", "ServiceResponseError")
    return f"the token endpoint was not reached: {said}" if unreached else said


def _seen(task: asyncio.Task[None]) -> None:
    # Keeps asyncio from complaining when all who waited have given up.
    if not task.cancelled():
        task.exception()
