"""The routes of the status page. Every answer forbids the browser all that the page does not need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
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
from reaper.web.page.overview import overview
from reaper.web.page.wording import safe

REFRESH_S: Final = 15
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS: Final = {"Content-Security-Policy": POLICY}
STATIC: Final = {"page.css": "text/css", "page.js": "text/javascript"}

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(live: LiveStatus, stuck: Callable[[], str]) -> list[Route]:
    """The front page, the agents' pages and what they load; `stuck` says why nothing goes on, '' while it does."""
    digests, pages = Digests(), templates()

    def now() -> float:
        return live.clock.wall()

    async def front(_: Request) -> Response:
        known = digests.of(live.latest.values())
        return _html(pages, "overview.html", page=overview(live, known, stuck(), now()))

    async def agent(request: Request) -> Response:
        key = (request.path_params["project"], request.path_params["agent"])
        known = digests.of(live.latest.values())
        page = detail(live, known, key, stuck(), now())
        if page is None:
            return _html(pages, "missing.html", 404, project=safe(key[0]), agent=safe(key[1]))
        return _html(pages, "agent.html", page=page)

    return [
        Route("/", front),
        Route("/agents/{project}/{agent:path}", agent),
        *(Route(f"/static/{name}", _static(name, kind)) for name, kind in STATIC.items()),
    ]


def templates() -> Environment:
    """The templates: everything is escaped, and a name that does not exist is an error."""
    made = Environment(
        loader=PackageLoader("reaper.web.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(version=__version__, refresh_s=REFRESH_S)
    return made


def _html(pages: Environment, template: str, status: int = 200, **values: object) -> Response:
    return HTMLResponse(pages.get_template(template).render(values), status, headers=HEADERS)


def _static(name: str, kind: str) -> Endpoint:
    content = files("reaper.web.page").joinpath("static", name).read_text(encoding="utf-8")
    headers: Mapping[str, str] = HEADERS

    async def serve(_: Request) -> Response:
        return PlainTextResponse(content, media_type=kind, headers=headers)

    return serve
