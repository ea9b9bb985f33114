"""What the tools refuse, and what they say to do instead."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from mcp_world import Place, said, structured

pytestmark = pytest.mark.process

KEPT = {
    "vip-00000001": ["rule 'vip'", "policy 'standard'", "only the operator"],
    "canary-00000001": ["must_see"],
    "making-00000001": ["is creating", "Wait until session_get shows idle"],
    "moving-00000001": ["is updating", "Wait until session_get shows idle"],
    "busy-00000001": ["is active", "reaper sessions stop support-eu busy-00000001"],
    "young-00000001": ["must be five minutes", "Ask again in"],
}
WRONG = {
    "a short id": ("session_get", {"sessionId": "short"}, "sessionId"),
    "an id with a line break": ("session_delete", {"sessionId": "old-00000001\n"}, "sessionId"),
    "an id that is a path": ("session_delete", {"sessionId": "../../agents"}, "sessionId"),
    "no id": ("session_delete", {}, "sessionId"),
    "a limit of 0": ("session_list", {"limit": 0}, "limit"),
    "a limit of 101": ("session_list", {"limit": 101}, "limit"),
    "a limit in words": ("session_list", {"limit": "20"}, "limit"),
    "another order": ("session_list", {"order": "newest"}, "order"),
    "both cursors": ("session_list", {"after": "old-00000001", "before": "old-00000002"}, "exclude each other"),
    "a parameter nobody knows": ("session_delete", {"sessionId": "old-00000001", "force": True}, "force"),
    "an id that is wrong for a new one": ("session_create", {"sessionId": "a b c d e f"}, "sessionId"),
}


@pytest.mark.parametrize("session", KEPT)
def test_a_guarded_session_is_not_deleted_and_the_assistant_is_told_why(shared: Place, session: str) -> None:
    before = shared.town.counts().get("delete", 0)
    why = said(shared.ask("session_delete", sessionId=session))
    assert [part for part in KEPT[session] if part not in why] == []
    assert shared.town.counts().get("delete", 0) == before
    assert shared.status_of(session) not in {"deleted", None}


@pytest.mark.parametrize("case", WRONG)
def test_what_the_schemas_forbid_is_refused_before_anything_is_sent(shared: Place, case: str) -> None:
    tool, arguments, named = WRONG[case]
    before = sum(shared.town.counts().values())
    why = said(shared.ask(tool, **arguments))
    assert "Nothing was sent" in why
    assert named in why
    assert sum(shared.town.counts().values()) == before


@pytest.mark.parametrize("tool", ["session_create", "session_get", "session_delete", "session_list"])
def test_an_endpoint_that_is_not_configured_is_never_spoken_to(shared: Place, tool: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        stranger.setblocking(False)
        endpoint = f"http://127.0.0.1:{stranger.getsockname()[1]}/api/projects/emulated"
        given: dict[str, Any] = {} if tool == "session_list" else {"sessionId": "old-00000001"}
        why = said(shared.call(tool, projectEndpoint=endpoint, agentName="support-eu", **given))
        assert shared.town.endpoint in why
        with pytest.raises(BlockingIOError):
            stranger.accept()


@pytest.mark.parametrize("written", ["{}/", "{}//", " {} "])
def test_an_endpoint_may_be_written_with_slashes_at_its_end(shared: Place, written: str) -> None:
    endpoint = written.format(shared.town.endpoint)
    structured(shared.call("session_list", projectEndpoint=endpoint, agentName="support-eu", limit=1))


@pytest.mark.parametrize("more", ["?x=1", "#x", "/../emulated", "x"])
def test_an_endpoint_with_anything_more_is_another_one(shared: Place, more: str) -> None:
    endpoint = shared.town.endpoint + more
    said(shared.call("session_list", projectEndpoint=endpoint, agentName="support-eu"))
    named = shared.town.endpoint.replace("http://", "http://user@")
    said(shared.call("session_list", projectEndpoint=named, agentName="support-eu"))


def test_a_deletion_is_verified_and_recorded_with_its_evidence(shared: Place) -> None:
    result = structured(shared.ask("session_delete", sessionId="old-00000002"))
    assert (result["outcome"], result["agent_session_id"]) == ("done", "old-00000002")
    assert shared.status_of("old-00000002") in {"deleted", None}
    intent, outcome = [row for row in shared.cli.journal() if row["session"] == "old-00000002"]
    assert (intent["kind"], intent["rule"], intent["approved"]) == ("intent", "by-hand:mcp", 0)
    assert json.loads(intent["body"])["record"]["id"] == "old-00000002"
    assert json.loads(intent["body"])["sweep"].endswith("mcp client tester")
    assert (outcome["kind"], outcome["outcome"]) == ("outcome", "done")
    shared.cli.run("audit", "verify").ended(0)


def test_a_failed_session_may_be_deleted_too(shared: Place) -> None:
    assert structured(shared.ask("session_delete", sessionId="broken-00000001"))["outcome"] == "done"


def test_deleting_what_is_gone_already_is_no_error(shared: Place) -> None:
    structured(shared.ask("session_delete", sessionId="old-00000003"))
    assert structured(shared.ask("session_delete", sessionId="old-00000003"))["outcome"] == "already_gone"


def test_the_explanation_of_a_session_that_is_gone_tells_who_deleted_it(shared: Place) -> None:
    structured(shared.ask("session_delete", sessionId="old-00000004"))
    why = said(shared.call("reaper_explain", agentName="support-eu", sessionId="old-00000004"))
    assert "delete by rule by-hand:mcp" in why
    assert "reaper audit show --session old-00000004" in why


def test_an_agent_that_there_is_not_is_an_error_and_no_session_that_is_gone(shared: Place) -> None:
    assert "Check agentName" in said(shared.ask("session_delete", agent="support-xx", sessionId="old-00000005"))


def test_a_keep_rule_that_is_added_while_the_server_runs_is_heeded(own: Place) -> None:
    rule = {"name": "legal-hold", "action": "keep", "when": {"id": ["old-*"]}}
    own.reconfigure(lambda tree: tree["policies"]["standard"]["rules"].insert(0, rule))
    assert "rule 'legal-hold'" in said(own.ask("session_delete", sessionId="old-00000001"))
    assert own.status_of("old-00000001") == "idle"


def test_a_keep_rule_behind_the_rule_that_decides_does_not_keep(own: Place) -> None:
    rule = {"name": "later", "action": "keep", "when": {"id": ["old-*"]}}
    own.reconfigure(lambda tree: tree["policies"]["standard"]["rules"].append(rule))
    assert structured(own.ask("session_delete", sessionId="old-00000001"))["outcome"] == "done"


def test_nothing_is_done_while_the_configuration_is_broken(own: Place) -> None:
    own.reconfigure(lambda tree: tree.update(polices={}))
    why = said(own.ask("session_delete", sessionId="old-00000001"))
    assert "polices" in why
    assert "reaper config check" in why
    assert own.town.changes() == 0


def test_nothing_is_deleted_while_it_could_not_be_recorded(own: Place) -> None:
    own.cli.state.write_bytes(b"this is no database" * 100)
    assert "could not be recorded" in said(own.ask("session_delete", sessionId="old-00000001"))
    assert own.town.changes() == 0


def test_a_session_that_is_used_between_the_two_looks_stays(own: Place) -> None:
    now = own.town.sessions("support-eu")[0]["created_at"]
    own.town.break_with(
        {"operation": "get", "after": 2, "lie": "bad_field", "field": "last_accessed_at", "value": now + 60}
    )
    why = said(own.ask("session_delete", sessionId="old-00000001"))
    assert "it changed since it was listed: last_accessed_at" in why
    assert own.town.changes() == 0


def test_a_record_with_unknown_fields_keeps_its_session(own: Place) -> None:
    own.town.break_with({"operation": "get", "lie": "add_field", "field": "legal_hold", "value": True})
    assert "legal_hold" in said(own.ask("session_delete", sessionId="old-00000001"))
    assert own.town.changes() == 0


def test_a_deletion_without_effect_is_told_as_unverified(own: Place) -> None:
    own.town.break_with({"operation": "delete", "lie": "ghost_delete"})
    result = structured(own.ask("session_delete", sessionId="old-00000001"))
    assert result["outcome"] == "unverified"
    assert "session_get" in result["next"]


def test_a_deletion_that_cannot_be_looked_up_is_told_as_in_doubt(own: Place) -> None:
    own.town.break_with({"operation": "get", "after": 3, "status": 400})
    result = structured(own.ask("session_delete", sessionId="old-00000001"))
    assert result["outcome"] == "in_doubt"
    assert "before you ask for it again" in result["next"]


def test_what_the_platform_refuses_is_told_with_what_to_do(own: Place) -> None:
    own.town.break_with({"operation": "get", "status": 403, "code": "session_not_accessible"})
    why = said(own.ask("session_get", sessionId="old-00000001"))
    assert "Foundry User" in why
    assert "Asking the same again is of no use" in why


def test_a_creation_without_an_answer_is_told_as_such(own: Place) -> None:
    own.town.break_with({"operation": "create", "drop": "after"})
    why = said(own.ask("session_create", sessionId="fresh-00000001"))
    assert "It may have happened, or not. Look with session_get or session_list" in why
