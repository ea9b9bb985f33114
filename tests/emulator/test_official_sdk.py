"""The official SDK, which nobody here wrote, works on the emulator unchanged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from azure.ai.projects import AIProjectClient
from azure.ai.projects.models import VersionRefIndicator
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy

from .conftest import Served

pytestmark = pytest.mark.process
AGENT = "support-eu"


class FixedCredential:
    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken("a-token", int(time.time()) + 3600)


class LoopbackPolicy(BearerTokenCredentialPolicy):
    """Sends the token over http as well: the server is on loopback."""

    def on_request(self, request: Any) -> None:
        request.context.options["enforce_https"] = False
        super().on_request(request)


@pytest.fixture
def agents(served: Served) -> Iterator[Any]:
    policy = LoopbackPolicy(FixedCredential(), "https://ai.azure.com/.default")
    with AIProjectClient(served.endpoint, FixedCredential(), authentication_policy=policy, retry_total=0) as client:
        yield client.agents


def test_agents_are_listed_with_their_latest_version(agents: Any) -> None:
    found = {agent.name: agent for agent in agents.list(kind="hosted", limit=1)}
    assert {"support-eu", "research"} <= set(found)
    latest = found[AGENT].versions.latest
    assert latest.definition.kind == "hosted"
    assert latest.definition.session_configuration.idle_timeout_seconds.total_seconds() >= 120
    version = agents.get_version(AGENT, latest.version)
    assert (version.status, agents.get(AGENT).versions.latest.version) == ("active", version.version)


def test_a_session_is_created_with_and_without_version_and_id(agents: Any) -> None:
    chosen = agents.create_session(
        AGENT, agent_session_id="sdk-chosen-0001", version_indicator=VersionRefIndicator(agent_version="1")
    )
    assert chosen.agent_session_id == "sdk-chosen-0001"
    assert chosen.version_indicator.agent_version == "1"
    resolved = agents.create_session(AGENT, body={})
    latest = agents.get(AGENT).versions.latest.version
    assert resolved.version_indicator.agent_version == latest
    assert agents.get_session(AGENT, resolved.agent_session_id).created_at == resolved.created_at
    with pytest.raises(ResourceExistsError):
        agents.create_session(AGENT, body={"agent_session_id": "sdk-chosen-0001"})


@pytest.mark.parametrize("limit", [None, 60, 100])
def test_the_pager_lists_every_session_once_and_ends(agents: Any, served: Served, limit: int | None) -> None:
    listed = [session.agent_session_id for session in agents.list_sessions("research", limit=limit, order="asc")]
    held = [each["agent_session_id"] for each in served.admin("sessions?agent=research")]  # type: ignore[attr-defined]
    assert len(listed) == 250
    assert listed == held
    backwards = agents.list_sessions("research", limit=limit, order="desc")
    assert [session.agent_session_id for session in backwards] == listed[::-1]


def test_a_session_is_stopped_once_and_deleted_as_often_as_one_likes(agents: Any, served: Served) -> None:
    session = agents.create_session(AGENT, body={}).agent_session_id
    served.admin("advance", {"seconds": 5})
    agents.stop_session(AGENT, session)
    assert agents.get_session(AGENT, session).status == "idle"
    with pytest.raises(ResourceExistsError) as error:
        agents.stop_session(AGENT, session)
    assert error.value.status_code == 409
    assert "session_already_stopped" in str(error.value)
    agents.delete_session(AGENT, session)
    agents.delete_session(AGENT, session)
    with pytest.raises(ResourceNotFoundError):
        agents.get_session(AGENT, session)


def test_a_log_is_followed_line_by_line(agents: Any) -> None:
    session = agents.create_session(AGENT, body={})
    version = session.version_indicator.agent_version
    stream = agents.get_session_log_stream(AGENT, version, session.agent_session_id)
    text = ""
    for chunk in stream:
        text += chunk.decode()
        if text.count("event: log") >= 2:
            break
    stream.close()
    assert text.startswith('event: log\ndata: {"timestamp"')
    with pytest.raises(ResourceNotFoundError):
        agents.get_session_log_stream(AGENT, version, "never-was-there")


def test_files_are_uploaded_listed_downloaded_and_deleted(agents: Any) -> None:
    session = agents.create_session(AGENT, body={}).agent_session_id
    content = bytes(range(256)) * 1000
    for i in range(25):
        result = agents.upload_session_file(AGENT, session, content, path=f"docs/file {i:02d}.bin")
    assert (result.path, result.bytes_written) == ("docs/file 24.bin", len(content))
    home = list(agents.list_session_files(AGENT, session))
    assert [(entry.name, entry.is_directory) for entry in home] == [("docs", True)]
    docs = list(agents.list_session_files(AGENT, session, path="docs", limit=10, order="asc"))
    assert [entry.name for entry in docs] == [f"file {i:02d}.bin" for i in range(25)]
    assert b"".join(agents.download_session_file(AGENT, session, path="docs/file 03.bin")) == content
    agents.delete_session_file(AGENT, session, path="docs/file 03.bin")
    with pytest.raises(ResourceNotFoundError):
        agents.download_session_file(AGENT, session, path="docs/file 03.bin")
    with pytest.raises(ResourceExistsError):
        agents.delete_session_file(AGENT, session, path="docs")
    agents.delete_session_file(AGENT, session, path="docs", recursive=True)
    assert list(agents.list_session_files(AGENT, session)) == []


def test_errors_arrive_as_the_sdks_own(agents: Any, served: Served) -> None:
    served.admin("faults", [{"operation": "get", "status": 403, "code": "session_not_accessible"}])
    with pytest.raises(HttpResponseError) as error:
        agents.get_session(AGENT, "whatever-it-is")
    assert error.value.status_code == 403
    assert error.value.model.error.code == "session_not_accessible"
    assert len(error.value.model.error.additional_info["request_id"]) == 32
