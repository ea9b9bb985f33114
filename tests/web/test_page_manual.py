"""The manual as it is served: every runbook is reachable, and no link of one leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from page_world import busy, no_metrics
from starlette.testclient import TestClient

from reaper.core.settings import Server
from reaper.web.page.manual import chapter, chapters
from reaper.web.server import Served, sites

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "helm/session-reaper/files/alerts.yaml").read_text())["groups"]
ALERTS = sorted(rule["alert"] for group in RULES for rule in group["rules"] if "alert" in rule)
SERVED = sorted(chapters())


def clients(server: Server | None = None) -> list[TestClient]:
    return [
        TestClient(site.app, base_url="http://localhost")
        for site in sites(Served(busy(), no_metrics), server or Server())
    ]


def served(address: str) -> str:
    [client] = clients()
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("alert", ALERTS)
def test_the_runbook_of_an_alert_is_served_and_listed(alert: str) -> None:
    assert f'<h1 id="{alert.lower()}">{alert}</h1>' in served(f"/runbooks/{alert}")
    assert f'href="/runbooks/{alert}"' in served("/runbooks")


@pytest.mark.parametrize("address", SERVED)
def test_a_link_of_the_manual_leads_to_a_page_and_a_heading_that_are_served(address: str) -> None:
    for link in re.findall(r'href="([^"]+)"', chapter(address).html):
        page, _, heading = link.partition("#")
        if page.startswith("https://"):
            continue
        assert (page or address) in SERVED
        assert not heading or f' id="{heading}"' in chapter(page or address).html


@pytest.mark.parametrize("address", SERVED)
def test_a_page_of_the_manual_has_nothing_inline_and_nothing_from_elsewhere(address: str) -> None:
    text = served(address)
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script>|<img", text) == []
    assert "data-refresh" not in text


@pytest.mark.parametrize("address", SERVED)
def test_with_md_a_page_comes_as_it_was_written(address: str) -> None:
    name = chapters()[address]
    assert served(f"{address}.md") == (ROOT / "docs" / name).read_text()


@pytest.mark.parametrize("address", ["/runbooks/README", "/docs/../pyproject.toml", "/docs/architecture"])
def test_what_is_no_page_of_the_manual_is_not_served(address: str) -> None:
    [client] = clients()
    answer = client.get(address)
    assert answer.status_code == 404


def test_the_manual_is_served_where_the_metrics_are_and_where_the_page_is() -> None:
    for client in clients(Server(page=("127.0.0.1", 9465))):
        assert client.get(f"/runbooks/{ALERTS[0]}").status_code == 200
        assert client.get("/static/page.css").status_code == 200


def test_whoever_lacks_the_token_reads_no_runbook(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t" * 40)
    [client] = clients(Server(token_file=str(token)))
    assert client.get("/runbooks").status_code == 401
    assert client.get("/runbooks", headers={"Authorization": f"Bearer {'t' * 40}"}).status_code == 200


def test_an_installed_reaper_carries_the_manual(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        carried = {name.removeprefix("reaper/web/page/manual/") for name in packed.namelist() if "/manual/" in name}
    assert carried == set(chapters().values())
