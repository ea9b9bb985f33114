"""The page as it is served: headers, escaping, and what stands in it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from page_world import AGENT_HOSTILE, HOSTILE, STANDARD, broken, busy, live, no_metrics, session, swept
from starlette.testclient import TestClient

from reaper.core.settings import Server
from reaper.engine.live_status import LiveStatus
from reaper.engine.report import Result
from reaper.web.page.wording import address
from reaper.web.server import Served, sites


def client(made: LiveStatus, stuck: str = "") -> TestClient:
    [site] = sites(Served(made, no_metrics, lambda: stuck), Server())
    return TestClient(site.app, base_url="http://localhost")


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/api/v1/status", "/nothing/here", "/static/"])
def test_answers_that_are_no_page_forbid_everything(path: str) -> None:
    headers = client(busy()).get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/agents/prod-eu/support-eu", "/agents/prod-eu/ghost", "/static/page.js"])
def test_every_answer_forbids_what_the_page_does_not_need(path: str) -> None:
    headers = client(busy()).get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/agents/prod-eu/support-eu"])
def test_the_page_needs_nothing_from_anywhere_else_and_nothing_inline(path: str) -> None:
    text = client(busy()).get(path).text
    assert re.findall(r'(?:src|href)="(?:https?:)?//', text) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script>", text) == []


def test_the_front_page_answers_the_questions_of_the_night() -> None:
    text = client(busy()).get("/").text
    for answer in (
        "4 of 5 agents swept",
        "Next sweep",
        "12 sessions listed; 340 expected",
        "reaper approve ",
        "sweden-central",
        "1,375 sessions by status",
        "Idle times of 1,375 sessions",
        "118 marked, the last may go",
        "No pattern matches prod-eu: playground",
        "Done recently",
    ):
        assert answer in text, answer


def test_text_from_outside_is_shown_and_never_obeyed() -> None:
    hostile = [session(n, 8 * 86_400, id=f"{HOSTILE}{n}") for n in range(12)]
    made = live(
        swept(AGENT_HOSTILE, hostile, replace(STANDARD, grace_s=0), done=5),
        broken("b", Result.FAILED, HOSTILE),
        unmanaged={"prod-eu": [HOSTILE]},
        standby="",
        config_errors=[HOSTILE],
    )
    visitor = client(made, stuck=HOSTILE)
    for path in ("/", address("prod-eu", AGENT_HOSTILE), address("prod-eu", HOSTILE)):
        text = visitor.get(path).text
        assert "<img" not in text
        assert "<script>" not in text
        assert "&lt;img" in text or "&lt;script" in text
        assert not any(sign in text for sign in "\x1b\u202e\x00"), path


def test_an_agents_page_is_found_by_its_quoted_name() -> None:
    made = live(swept("team a/b?c", [session(1, 60)]))
    visitor = client(made)
    link = re.search(r'href="(/agents/[^"]+)"', visitor.get("/").text)
    assert link is not None
    answer = visitor.get(link[1])
    assert (answer.status_code, "team a/b?c" in answer.text) == (200, True)


def test_an_unknown_agent_is_answered_with_a_plain_sentence() -> None:
    answer = client(busy()).get("/agents/prod-eu/ghost")
    assert answer.status_code == 404
    assert "No sweep has met an agent called ghost in project prod-eu." in answer.text


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_the_page_is_read_only(method: str) -> None:
    assert getattr(client(busy()), method)("/").status_code == 405


def test_an_empty_board_is_a_page_too() -> None:
    answer = client(live())
    assert "No sweep has finished yet." in answer.get("/").text


class _Outline(HTMLParser):
    """Which tags and ids a page has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append(tag)
        self.ids += [known["id"] or ""] if "id" in known else []
        self.labels += (known.get("aria-labelledby") or "").split()


@pytest.mark.parametrize("path", ["/", "/agents/prod-eu/support-eu", "/agents/prod-eu/ghost"])
def test_the_page_has_landmarks_one_headline_and_no_id_twice(path: str) -> None:
    outline = _Outline(client(busy()).get(path).text)
    assert [outline.tags.count(tag) for tag in ("main", "header", "footer", "h1")] == [1, 1, 1, 1]
    assert len(outline.ids) == len(set(outline.ids))
    assert set(outline.labels) <= set(outline.ids)


def test_the_page_shows_the_time_at_which_it_was_made() -> None:
    made = busy()
    made.clock.passed += 600  # type: ignore[attr-defined]
    assert "as of 14:32:00 UTC" in client(made).get("/").text


def test_a_notice_stands_on_every_page_with_the_setting_to_copy() -> None:
    report = swept("a", [session(1, 3_600)])
    report = replace(report, snapshot=replace(report.snapshot, strange=frozenset({"legal_hold"})))
    made = live(report, unwatched=("prod-eu",))
    for path in ("/", "/agents/prod-eu/a"):
        text = client(made).get(path).text
        assert '<code id="notice-1" data-copy tabindex="0">known_fields: [legal_hold]</code>' in text
        assert "Enforcing without must_see: prod-eu" in text
