"""The routes of the status page. Every answer forbids the browser all that the page does not need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from reaper import __version__
from reaper.engine.live_status import LiveStatus
from reaper.web.page.detail import detail
from reaper.web.page.digest import Digests
from reaper.web.page.manual import chapter, chapters, source
from reaper.web.page.overview import overview
from reaper.web.page.wording import safe

REFRESH_S: Final = 15
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
}
STATIC: Final = {"page.css": "text/css", "page.js": "text/javascript"}

_TEMPLATES: Final = Environment(
    loader=PackageLoader("reaper.web.page"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals.update(version=__version__, refresh_s=REFRESH_S, still=False)


def routes(live: LiveStatus, stuck: Callable[[], str]) -> list[Route]:
    """The front page and the agents' pages; `stuck` says why nothing goes on, '' while it does."""
    digests = Digests()

    async def front(_: Request) -> Response:
        known = digests.of(live.latest.values())
        return _html("overview.html", page=overview(live, known, stuck(), live.clock.wall()))

    async def agent(request: Request) -> Response:
        key = (request.path_params["project"], request.path_params["agent"])
        known = digests.of(live.latest.values())
        page = detail(live, known, key, stuck(), live.clock.wall())
        if page is None:
            return _html("missing.html", 404, project=safe(key[0]), agent=safe(key[1]))
        return _html("agent.html", page=page)

    return [
        Route("/", front),
        Route("/agents/{project}/{agent:path}", agent),
    ]


def manual_routes() -> list[Route]:
    """The manual, for a browser and with `.md` as it was written, and what pages load."""

    async def shown(request: Request) -> Response:
        return _html("manual.html", chapter=chapter(request.url.path), still=True)

    async def written(request: Request) -> Response:
        return PlainTextResponse(source(request.url.path.removesuffix(".md")), media_type="text/markdown")

    return [
        *(Route(address, shown) for address in chapters()),
        *(Route(f"{address}.md", written) for address in chapters()),
        *(Route(f"/static/{name}", _static(name, kind)) for name, kind in STATIC.items()),
    ]


def _html(template: str, status: int = 200, **values: object) -> Response:
    return HTMLResponse(_TEMPLATES.get_template(template).render(values), status, headers=HEADERS)


def _static(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = files("reaper.web.page").joinpath("static", name).read_text(encoding="utf-8")

    async def serve(_: Request) -> Response:
        return PlainTextResponse(content, media_type=kind, headers=HEADERS)

    return serve
