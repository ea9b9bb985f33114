"""An assistant may not delete what may be one of the newest, and is told how a session ranks."""

from __future__ import annotations

import pytest
from mcp_world import Place, said, structured

pytestmark = pytest.mark.process


def test_an_assistant_deletes_nothing_that_may_be_one_of_the_newest(own: Place) -> None:
    own.reconfigure(lambda tree: tree["policies"]["standard"].update(keep_newest=20))
    guarded, free = "old-00000020", "old-00000001"
    why = said(own.ask("session_delete", sessionId=guarded))
    assert "keeps the newest 20 sessions, and it may be one of them" in why
    assert own.status_of(guarded) == "idle"
    own.town.break_with({"operation": "list", "lie": "empty_list"})
    assert "may be one of them" in said(own.ask("session_delete", sessionId=free))
    own.town.break_with()
    assert structured(own.ask("session_delete", sessionId=free))["outcome"] == "done"


def test_an_assistant_is_told_how_a_session_ranks(own: Place) -> None:
    own.reconfigure(lambda tree: tree["policies"]["standard"].update(keep_newest=20))
    told = structured(own.call("reaper_explain", agentName="support-eu", sessionId="old-00000020"))
    assert told["decision"]["reason"] == "one of the newest 20"
    (guard,) = [guard for guard in told["guards"] if guard["guard"] == "ranks"]
    assert not guard["lets_through"]
    assert guard["told"].endswith(" by creation, the newest 20 stay")
