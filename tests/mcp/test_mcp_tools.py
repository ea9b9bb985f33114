"""The tools as the official MCP client finds them, over both transports."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Tool
from mcp_world import Place, over_http, structured, talk

pytestmark = pytest.mark.process

ID = "^[A-Za-z0-9_-]{8,128}$"
PARAMETERS = {
    "session_create": ({"projectEndpoint", "agentName"}, {"sessionId"}),
    "session_get": ({"projectEndpoint", "agentName", "sessionId"}, set()),
    "session_delete": ({"projectEndpoint", "agentName", "sessionId"}, set()),
    "session_stop": ({"projectEndpoint", "agentName", "sessionId"}, set()),
    "session_list": ({"projectEndpoint", "agentName"}, {"limit", "order", "after", "before"}),
    "reaper_plan": (set(), {"project", "agentName"}),
    "reaper_explain": ({"agentName", "sessionId"}, {"project"}),
    "reaper_status": (set(), set()),
}


def tools_of(server: Any) -> dict[str, Tool]:
    async def work(client: Client) -> dict[str, Tool]:
        return {tool.name: tool for tool in (await client.list_tools()).tools}

    return talk(server, work)


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_the_tools_have_exactly_these_names_and_parameters(shared: Place, transport: str) -> None:
    found = {
        name: (set(tool.input_schema.get("required", ())), set(tool.input_schema["properties"]))
        for name, tool in tools_of(shared.over(transport)).items()
    }
    assert found == {name: (required, required | optional) for name, (required, optional) in PARAMETERS.items()}


def test_the_schemas_hold_the_id_pattern_the_limits_and_the_defaults(shared: Place) -> None:
    schemas = {name: tool.input_schema for name, tool in tools_of(over_http(shared.http)).items()}
    with_id = [name for name, schema in schemas.items() if "sessionId" in schema["properties"]]
    assert [schemas[name]["properties"]["sessionId"]["pattern"] for name in with_id] == [ID] * 5
    listing = schemas["session_list"]["properties"]
    limit = {key: listing["limit"][key] for key in ("type", "minimum", "maximum", "default")}
    assert limit == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    assert (listing["order"]["enum"], listing["order"]["default"]) == (["asc", "desc"], "asc")
    assert not any(schema.get("additionalProperties", True) for schema in schemas.values())


def test_a_checker_of_schemas_refuses_both_cursors_together(shared: Place) -> None:
    validator = Draft202012Validator(tools_of(over_http(shared.http))["session_list"].input_schema)
    page = {"projectEndpoint": shared.town.endpoint, "agentName": "support-eu"}
    assert validator.is_valid(page)
    assert validator.is_valid(page | {"after": "old-00000001"})
    assert validator.is_valid(page | {"before": "old-00000001"})
    assert not validator.is_valid(page | {"after": "old-00000001", "before": "old-00000002"})


def test_annotations_mark_what_only_reads_and_what_destroys(shared: Place) -> None:
    found = {
        name: (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
        for name, hints in ((name, tool.annotations) for name, tool in tools_of(over_http(shared.http)).items())
        if hints is not None
    }
    reads = (True, False, True, True)
    assert found == {
        "session_create": (False, False, False, True),
        "session_get": reads,
        "session_delete": (False, True, True, True),
        "session_stop": (False, True, True, True),
        "session_list": reads,
        "reaper_plan": reads,
        "reaper_explain": reads,
        "reaper_status": (True, False, True, False),
    }


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_what_every_tool_gives_fits_its_output_schema(shared: Place, transport: str) -> None:
    of_agent = {"projectEndpoint": shared.town.endpoint, "agentName": "support-eu"}
    one = of_agent | {"sessionId": "old-00000001"}
    made = of_agent | {"sessionId": f"made-over-{transport}"}
    gone = of_agent | {"sessionId": f"never-there-{transport}"}
    calls = {
        "session_create": made,
        "session_get": one,
        "session_delete": gone,
        "session_stop": gone,
        "session_list": of_agent,
        "reaper_plan": {},
        "reaper_explain": {"agentName": "support-eu", "sessionId": "old-00000001"},
        "reaper_status": {},
    }

    async def work(client: Client) -> dict[str, CallToolResult]:
        return {name: await client.call_tool(name, arguments) for name, arguments in calls.items()}

    results, tools = talk(shared.over(transport), work), tools_of(shared.over(transport))
    assert set(results) == set(tools)
    for name, result in results.items():
        schema = tools[name].output_schema
        assert schema is not None
        assert schema["type"] == "object"
        Draft202012Validator(schema).validate(structured(result))


def test_a_tool_that_there_is_not_is_a_protocol_error(shared: Place) -> None:
    async def work(client: Client) -> None:
        with pytest.raises(MCPError, match="no such tool"):
            await client.call_tool("agent_delete", {"agentName": "support-eu"})

    talk(over_http(shared.http), work)


def test_a_session_is_created_shown_and_listed(shared: Place) -> None:
    made = structured(shared.ask("session_create", sessionId="fresh-00000001"))
    assert (made["agent_session_id"], made["status"]) == ("fresh-00000001", "creating")
    shown = structured(shared.ask("session_get", sessionId="fresh-00000001"))
    assert shown["created_at"] == made["created_at"]
    newest = structured(shared.ask("session_list", order="desc", limit=1))
    assert [one["agent_session_id"] for one in newest["data"]] == ["fresh-00000001"]
    assert newest["has_more"] is True


def test_the_platform_chooses_the_id_of_a_session_that_is_created_without(shared: Place) -> None:
    made = structured(shared.ask("session_create"))
    assert shared.status_of(made["agent_session_id"]) in {"creating", "active"}


def test_pages_have_twenty_sessions_and_follow_on_each_other(shared: Place) -> None:
    first = structured(shared.ask("session_list", agent="crowded"))
    second = structured(shared.ask("session_list", agent="crowded", after=first["last_id"]))
    back = structured(shared.ask("session_list", agent="crowded", before=second["first_id"]))
    ids = [one["agent_session_id"] for one in first["data"] + second["data"]]
    assert len(set(ids)) == len(ids) == 40
    assert back["data"] == first["data"]


def test_a_parameter_that_may_be_left_out_may_also_be_null(shared: Place) -> None:
    page = structured(shared.ask("session_list", limit=3, after=None, before=None, order=None))
    assert len(page["data"]) == 3


def test_the_plan_shows_a_hundred_decisions_and_counts_all(shared: Place) -> None:
    plan = structured(shared.call("reaper_plan", agentName="crowded"))
    assert (plan["decisions_total"], plan["decisions_shown"]) == (120, 100)
    (sweep,) = plan["sweeps"]
    assert (sweep["totals"]["delete"], len(sweep["decisions"])) == (120, 100)
    assert sweep["decisions"][0]["rule"] == "idle-a-week"
    assert plan["unmanaged_agents"] == {"here": ["stray"]}
    assert shared.status_of("crowd-000001", "crowded") == "idle"


def test_the_explanation_names_the_rule_that_decides(shared: Place) -> None:
    why = structured(shared.call("reaper_explain", agentName="support-eu", sessionId="vip-00000001"))
    assert (why["decision"]["action"], why["decision"]["rule"]) == ("keep", "vip")
    assert {guard["guard"] for guard in why["guards"]} >= {"status", "mode", "grace", "limits", "breaker"}


def test_the_status_names_the_endpoints_and_policies_and_what_was_done(shared: Place) -> None:
    structured(shared.ask("session_delete", sessionId="old-00000020"))
    status = structured(shared.call("reaper_status"))
    (project,) = status["projects"]
    assert project["endpoint"] == shared.town.endpoint
    assert project["agents"][0] == {"pattern": "support-*", "policy": "standard", "mode": "enforce"}
    last = status["recent_actions"][0]
    assert (last["session"], last["rule"], last["outcome"]) == ("old-00000020", "by-hand:mcp", "done")
    assert status["daemon"] is None


def test_the_status_names_plans_that_wait_for_a_person(own: Place) -> None:
    tight = {"per_sweep": 1, "per_day": 1, "at_least": 1}
    own.reconfigure(lambda tree: tree["policies"]["standard"].update(limits=tight))
    plan = structured(own.call("reaper_plan", agentName="support-*"))
    assert plan["sweeps"][0]["would_exceed"]
    waiting = structured(own.call("reaper_status"))["plans_to_approve"]
    assert plan["plan_id"] in {one["plan_id"] for one in waiting}
    own.cli.run("approve", plan["plan_id"]).ended(0)
    assert structured(own.call("reaper_status"))["plans_to_approve"] == []


def test_the_status_tells_what_a_daemon_beside_it_knows(own: Place, free_port: int) -> None:
    own.reconfigure(lambda tree: tree["server"].update(listen=f"127.0.0.1:{free_port}"))
    own.cli.daemon().until_ready()
    daemon = structured(own.call("reaper_status"))["daemon"]
    assert daemon["ready"] is True
    assert {"support-eu"} <= {sweep["agent"] for sweep in daemon["agents"] if sweep["sessions"]}
