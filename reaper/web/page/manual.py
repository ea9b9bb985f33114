"""The manual as it is served: a runbook for each alert, and the pages that runbooks lead to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

PAGES: Final = ("kubernetes-install", "metrics", "operating", "policies", "safety")
"""What is served beside the runbooks."""


class Chapter(NamedTuple):
    """A page of the manual, ready to be put into a page."""

    title: str
    html: str


def _folder() -> Traversable:
    """Where the pages stand: in the package, or beside it in a checkout."""
    packed = files("reaper.web.page").joinpath("manual")
    return packed if packed.is_dir() else Path(__file__).parents[3] / "docs"


@cache
def chapters() -> dict[str, str]:
    """The address of each page of the manual, and its file within the documentation."""
    runbooks = sorted(one.name for one in _folder().joinpath("runbooks").iterdir() if one.name.endswith(".md"))
    named = {f"/runbooks/{name.removesuffix('.md')}": f"runbooks/{name}" for name in runbooks}
    index = named.pop("/runbooks/README")
    return {"/runbooks": index, **named, **{f"/docs/{name}": f"{name}.md" for name in PAGES}}


def source(address: str) -> str:
    """A page of the manual as it was written, in Markdown; KeyError where there is none."""
    return _folder().joinpath(chapters()[address]).read_text(encoding="utf-8")


@cache
def _markdown() -> MarkdownIt:
    # No start of a daemon waits for it: most never show a page of the manual.
    from markdown_it import MarkdownIt  # noqa: PLC0415

    return MarkdownIt("commonmark", {"html": False}).enable("table")


@cache
def chapter(address: str) -> Chapter:
    """A page of the manual for a browser; KeyError where there is none.

    Links lead to the pages that are served here; where they would lead elsewhere in the documentation, and where a
    picture would be, only their text stays.
    """
    folder, markdown, headings = posixpath.dirname(chapters()[address]), _markdown(), list[str]()
    tokens = markdown.parse(source(address))
    for at, token in enumerate(tokens):
        token.attrs.pop("style", None)  # how columns are aligned: the page allows no inline styles
        if token.type == "heading_open":
            headings.append(tokens[at + 1].content)
            token.attrs["id"] = anchor(headings[-1])
        token.children = list(_led(token.children, folder)) if token.children else token.children
    return Chapter(headings[0], markdown.renderer.render(tokens, markdown.options, {}))


def anchor(heading: str) -> str:
    """The name of a heading within its page, as sites that show Markdown make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _led(children: list[Token], folder: str) -> Iterator[Token]:
    """The parts of a line, with links that lead to what is served, and no pictures."""
    kept: list[bool] = []
    for one in children:
        if one.type == "link_open":
            address = _address(str(one.attrs["href"]), folder)
            one.attrs["href"] = address
            kept.append(bool(address))
        if one.type == "image":
            one.type = "text"
        if one.type not in {"link_open", "link_close"} or kept[-1]:
            yield one
        if one.type == "link_close":
            kept.pop()


def _address(href: str, folder: str) -> str:
    """Where a link of a page in `folder` leads; '' where that is not served."""
    path, mark, place = href.partition("#")
    if not path or "://" in href:
        return href
    named = posixpath.normpath(posixpath.join(folder, path))
    address = next((address for address, file in chapters().items() if file == named), "")
    return f"{address}{mark}{place}" if address else ""
