import asyncio

import pytest
from azure.core.credentials import AccessTokenInfo
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from foundry_world import NOW

from reaper.core.provider import Unauthenticated
from reaper.core.settings import Connection, CredentialKind
from reaper.foundry import auth
from reaper.foundry.auth import Tokens, build_credential
from tests.clock import ManualClock


class FakeCredential:
    def __init__(self, world):
        self.world = world

    async def get_token_info(self, *scopes):
        self.world.asked.append(scopes)
        await asyncio.sleep(0)
        if self.world.failure is not None:
            raise self.world.failure
        return AccessTokenInfo(
            f"token-{len(self.world.asked)}",
            int(self.world.clock.wall()) + 3600,
            refresh_on=self.world.refresh_on,
        )

    async def close(self):
        self.world.closed += 1


def shown(secret):
    return None if secret is None else secret.reveal()


class World:
    def __init__(self, kind=CredentialKind.WORKLOAD_IDENTITY):
        self.clock = ManualClock(NOW)
        self.asked, self.built, self.closed = [], [], 0
        self.failure = self.refresh_on = None
        self.tokens = Tokens(Connection("https://x", kind), self.clock, credential_factory=self.build)

    def build(self, kind):
        self.built.append(kind)
        return FakeCredential(self)

    def token(self):
        return shown(asyncio.run(self.tokens.token()))


def test_no_credential_means_no_header_and_nothing_built():
    world = World(CredentialKind.NONE)
    assert world.token() is None
    assert world.built == []


def test_a_token_is_kept_until_five_minutes_before_its_end():
    world = World()
    assert world.token() == "token-1"
    world.clock.passed = 3299
    assert world.token() == "token-1"
    world.clock.passed = 3300
    assert world.token() == "token-2"
    assert world.asked[0] == ("https://ai.azure.com/.default",)


def test_a_token_is_renewed_when_its_issuer_says():
    world = World()
    world.refresh_on = NOW + 1000
    world.token()
    world.clock.passed = 1001
    assert world.token() == "token-2"


def test_many_who_need_a_token_ask_once():
    world = World()

    async def all_at_once():
        return await asyncio.gather(*(world.tokens.token() for _ in range(16)))

    assert len({shown(secret) for secret in asyncio.run(all_at_once())}) == 1
    assert len(world.asked) == 1


def test_one_who_gives_up_does_not_take_the_token_from_the_others():
    world = World()

    async def scene():
        first, second = (asyncio.create_task(world.tokens.token()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert shown(asyncio.run(scene())) == "token-1"


def test_a_rejected_token_is_dropped_with_its_credential_once():
    world = World()

    async def scene():
        token = await world.tokens.token()
        await asyncio.gather(*(world.tokens.renew(token) for _ in range(5)))
        await world.tokens.token()
        await world.tokens.renew(token)
        return await world.tokens.token()

    assert shown(asyncio.run(scene())) == "token-2"
    assert (len(world.built), world.closed) == (2, 1)


def test_a_failed_early_renewal_uses_the_old_token_to_its_end_and_asks_seldom():
    world = World()
    world.token()
    world.failure = ServiceRequestError("no route")
    world.clock.passed = 3400
    assert [world.token(), world.token()] == ["token-1"] * 2
    assert len(world.asked) == 2
    world.clock.passed = 3601
    with pytest.raises(Unauthenticated, match="token endpoint was not reached: no route"):
        world.token()


@pytest.mark.parametrize(
    "failure", [ClientAuthenticationError("AADSTS\x1b1: no\nmore"), ValueError("AADSTS\x1b1: no")]
)
def test_a_credential_that_fails_is_named_with_its_first_line(failure):
    world = World()
    world.failure = failure
    with pytest.raises(Unauthenticated) as caught:
        world.token()
    assert caught.value.message == r"no token from the credential 'workload-identity': AADSTS\x1b1: no"
    assert caught.value.__cause__ is None


def test_a_token_endpoint_that_hangs_has_a_deadline(monkeypatch):
    world = World()
    monkeypatch.setattr(auth, "ACQUIRE_MAX_S", 0.01)
    world.build = lambda _: Hung()
    world.tokens._factory = world.build
    with pytest.raises(Unauthenticated, match="no answer"):
        world.token()


class Hung:
    async def get_token_info(self, *_):
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (CredentialKind.DEFAULT, "DefaultAzureCredential"),
        (CredentialKind.WORKLOAD_IDENTITY, "WorkloadIdentityCredential"),
        (CredentialKind.MANAGED_IDENTITY, "ManagedIdentityCredential"),
        (CredentialKind.ENVIRONMENT, "EnvironmentCredential"),
        (CredentialKind.AZURE_CLI, "AzureCliCredential"),
    ],
)
def test_each_kind_is_exactly_one_credential(kind, name, monkeypatch, tmp_path):
    monkeypatch.setenv("AZURE_CLIENT_ID", "c")
    monkeypatch.setenv("AZURE_TENANT_ID", "t")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))

    async def scene():
        credential = build_credential(kind)
        assert type(credential).__name__ == name
        await credential.close()

    asyncio.run(scene())


def test_an_incomplete_environment_is_unauthenticated(monkeypatch):
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    tokens = Tokens(Connection("https://x", CredentialKind.WORKLOAD_IDENTITY), ManualClock(NOW))
    with pytest.raises(Unauthenticated, match="workload-identity"):
        asyncio.run(tokens.token())
