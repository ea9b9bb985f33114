"""The page in a real browser: `reaper demo` as a process, and a busy live status behind the real server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from page_browser import Demo, Visit, chromium, visit
from page_world import NOW, busy, crowd, no_metrics, swept
from playwright.sync_api import expect

from reaper.core.settings import Server
from reaper.engine.events import SweepEnded
from reaper.engine.live_status import LiveStatus
from reaper.web.server import Served, listening, sites

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        chromium() is None, reason="no Chromium on this machine: the status page was not looked at in a browser"
    ),
]
WIDE, PHONE = {"width": 1180, "height": 900}, {"width": 390, "height": 844}
PAGES = ("/", "/agents/prod-eu/support-eu", "/agents/prod-eu/onboarding", "/agents/prod-eu/ghost")
MANUAL = ("/runbooks", "/runbooks/SessionReaperStateAtFault", "/docs/policies")
CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = c.map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (node) => { for (; node; node = node.parentElement) {
    const c = rgb(getComputedStyle(node).backgroundColor); if (c.length < 4 || c[3] > 0) return c.slice(0, 3); }
    return [255, 255, 255]; };
  const weak = [];
  for (const node of document.querySelectorAll("body *")) {
    const says = [...node.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!says || node.closest("svg, noscript")) continue;
    const [a, b] = [light(rgb(getComputedStyle(node).color).slice(0, 3)), light(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push(`${node.className} ${node.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return weak;
}"""


class House:
    """A live status behind the real server, in a thread of its own; `live` may be changed while it runs."""

    def __init__(self, live: LiveStatus) -> None:
        self.live, self.address = live, ""
        self._up, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self) -> None:
        where = sites(Served(self.live, no_metrics), Server("127.0.0.1", 0))
        async with listening(where) as [self.address]:
            self._up.set()
            await asyncio.to_thread(self._end.wait)

    @contextmanager
    def open(self) -> Iterator[House]:
        self._thread.start()
        assert self._up.wait(20)
        try:
            yield self
        finally:
            self.close()

    def close(self) -> None:
        self._end.set()
        self._thread.join(20)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with House(busy()).open() as made:
        yield made


def stayed_at_home(seen: Visit, address: str) -> bool:
    """Whether the page asked nobody else, and had nothing to complain of."""
    assert seen.complaints == []
    return {urlsplit(url).netloc for url in seen.requests if not url.startswith("data:")} == {
        urlsplit(address).netloc
    }


def test_the_demo_answers_every_question_on_its_page(demo: Demo, picture: Callable[[str], Path]) -> None:
    with visit(viewport=WIDE) as seen:
        seen.page.goto(demo.address)
        expect(seen.page.locator("h1")).to_contain_text("All 4 agents swept")
        expect(seen.page.locator("h1")).to_contain_text("1 plan waits for you")
        expect(seen.page.locator("main")).to_contain_text("sessions by status")
        expect(seen.page.locator("main")).to_contain_text("Quota")
        expect(seen.page.locator("main")).to_contain_text("Done recently")
        expect(seen.page.locator("code[data-copy]").nth(1)).to_contain_text("reaper approve ")
        seen.page.screenshot(path=picture("demo"), full_page=True)
        seen.page.locator("table a").first.click()
        expect(seen.page.locator("#candidates")).to_be_visible()
        assert stayed_at_home(seen, demo.address)


@pytest.mark.parametrize("path", [*PAGES[:3], *MANUAL])
@pytest.mark.parametrize(("scheme", "viewport"), [("light", WIDE), ("dark", WIDE), ("light", PHONE), ("dark", PHONE)])
def test_the_page_fits_and_can_be_read(
    house: House, path: str, scheme: str, viewport: dict[str, int], picture: Callable[[str], Path]
) -> None:
    """No horizontal scroll, text with a contrast of at least 4.5, no complaint, no request to anywhere else."""
    with visit(viewport=viewport, color_scheme=scheme) as seen:
        seen.page.goto(house.address + path)
        assert seen.page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        assert seen.page.evaluate(CONTRAST) == []
        picture_of = seen.page.screenshot(path=picture(f"{scheme}-{viewport['width']}"), full_page=True)
        assert len(picture_of) > 10_000
        assert stayed_at_home(seen, house.address)


@pytest.mark.parametrize("path", PAGES)
def test_without_javascript_the_page_says_the_same(house: House, path: str) -> None:
    said = []
    for script in (True, False):
        with visit(java_script_enabled=script) as seen:
            seen.page.goto(house.address + path)
            assert seen.page.locator("#main button").count() == (
                seen.page.locator("[data-copy]").count() if script else 0
            )
            said.append([word for word in seen.page.locator("main").inner_text().split() if word != "Copy"])
            expect(seen.page.locator("noscript")).to_be_visible(visible=not script)
    assert said[0] == said[1]


def test_the_first_key_offers_to_skip_to_the_content(house: House) -> None:
    with visit(viewport=WIDE) as seen:
        seen.page.goto(house.address)
        seen.page.keyboard.press("Tab")
        skip = seen.page.locator(":focus")
        expect(skip).to_have_text("Skip to the content")
        expect(skip).to_be_in_viewport()
        seen.page.keyboard.press("Enter")
        assert seen.page.evaluate("document.activeElement.id") == "main"
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.closest('main') !== null")


def test_a_refresh_replaces_the_content_and_leaves_focus_and_scroll_alone() -> None:
    with House(busy()).open() as made, visit(viewport=PHONE) as seen:
        seen.page.clock.install(time=NOW)
        seen.page.goto(made.address)
        seen.page.locator("#agent-3").focus()
        before = seen.page.evaluate("scrollY")
        made.live.standby = "another process sweeps this state"
        seen.page.clock.run_for(16_000)
        expect(seen.page.locator("h1")).to_contain_text("This process stands by")
        assert seen.page.evaluate("document.activeElement.id") == "agent-3"
        assert abs(seen.page.evaluate("scrollY") - before) <= 1
        assert stayed_at_home(seen, made.address)


def test_a_paused_page_stays_as_it_is_until_it_is_resumed() -> None:
    with House(busy()).open() as made, visit() as seen:
        seen.page.clock.install(time=NOW)
        seen.page.goto(made.address)
        seen.page.get_by_role("button", name="Pause refresh").click()
        asked = len(seen.requests)
        made.live.standby = "another process sweeps this state"
        seen.page.clock.run_for(60_000)
        assert len(seen.requests) == asked
        seen.page.get_by_role("button", name="Resume refresh").click()
        expect(seen.page.locator("h1")).to_contain_text("This process stands by")


def test_the_page_says_so_when_its_numbers_are_old() -> None:
    with House(busy()).open() as made, visit() as seen:
        seen.page.clock.install(time=NOW)
        seen.page.goto(made.address)
        made.close()
        seen.page.clock.run_for(16_000)
        expect(seen.page.get_by_role("status")).to_have_text(
            "Old numbers: the reaper has not answered since 14:22:00 UTC"
        )
        expect(seen.page.locator("h1")).to_contain_text("4 of 5 agents swept")


def test_a_command_is_copied_with_one_key(house: House) -> None:
    with visit(permissions=["clipboard-read", "clipboard-write"]) as seen:
        seen.page.goto(house.address)
        seen.page.locator("#copy-approve-1").focus()
        seen.page.keyboard.press("Enter")
        expect(seen.page.locator("#copy-approve-1")).to_have_text("Copied")
        copied = seen.page.evaluate("navigator.clipboard.readText()")
        assert copied == seen.page.locator("#approve-1").inner_text()


def test_a_hostile_name_runs_nothing_in_a_browser() -> None:
    live = busy()
    live.hear(SweepEnded(swept("<img src=x onerror=document.title='owned'>", crowd(20, 6))))
    with House(live).open() as made, visit() as seen:
        seen.page.goto(made.address)
        expect(seen.page.locator("main")).to_contain_text("<img src=x onerror=")
        assert "owned" not in seen.page.title()
        assert stayed_at_home(seen, made.address)
