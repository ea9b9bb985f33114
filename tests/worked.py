"""The worked examples of docs/policies.md, for the tests that play them through."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

PAGE: Final = Path(__file__).parents[1] / "docs" / "policies.md"
_EXAMPLE: Final = re.compile(
    r"^<!-- example: (?P<name>[a-z-]+) -->\n```yaml\n(?P<config>.*?)^```\n(?:.*?^```text\n(?P<shown>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)


class WorkedExample(NamedTuple):
    """One example: the part of a configuration it is about, and what the product then `shown`, '' without any."""

    config: dict[str, Any]
    shown: str

    def laid_over(self, base: dict[str, Any]) -> str:
        """A whole configuration as YAML: `base`, with what the example says on top of it, mapping by mapping."""
        return yaml.safe_dump(_laid_over(base, self.config), sort_keys=False)


def worked_example(name: str) -> WorkedExample:
    """The example of this name, as the page has it now."""
    return worked_examples()[name]


def worked_examples() -> dict[str, WorkedExample]:
    """All of them by name."""
    # An example ends where the next one, or a heading, begins.
    parts = re.split(r"(?m)^(?=<!-- example: )|^(?=#)", PAGE.read_text(encoding="utf-8"))
    found = (_EXAMPLE.match(part) for part in parts)
    return {m["name"]: WorkedExample(yaml.safe_load(m["config"]), m["shown"] or "") for m in found if m}


def _laid_over(base: Any, top: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(top, dict):
        return top
    return {**base, **{key: _laid_over(base.get(key), value) for key, value in top.items()}}
