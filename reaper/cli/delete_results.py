"""How deletes by hand ended, for people and for scripts."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from reaper.cli.endings import Exit
from reaper.cli.options import OutputFormat
from reaper.cli.printed import console, safe
from reaper.core.model import OutcomeKind

NOT_TRIED: Final = "not_tried"
FINE: Final = frozenset({OutcomeKind.DONE.value, OutcomeKind.ALREADY_GONE.value})
LINES_SHOWN: Final = 20

_WORDS: Final = (*(kind.value for kind in OutcomeKind), NOT_TRIED)


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """What became of one session; `why` is '' for what needs no words."""

    session: str
    outcome: str
    why: str = ""


def print_results(results: Sequence[DeleteResult], output: OutputFormat) -> None:
    """Say of each session what became of it; people get the first of many, and the numbers."""
    summary = _summed(results)
    if output is OutputFormat.JSON:
        shown = [{name: text for name, text in asdict(result).items() if text} for result in results]
        print(json.dumps({"deleted": shown}, indent=2))
        if exit_of(results) is not Exit.DONE:
            print(f"reaper: {summary}", file=sys.stderr)
        return
    out = console()
    for outcome in _WORDS:
        found = [result for result in results if result.outcome == outcome]
        for result in found[:LINES_SHOWN]:
            out.print(f"{safe(result.session)}: {outcome} {safe(result.why)}".rstrip(), soft_wrap=True)
        if len(found) > LINES_SHOWN:
            out.print(f"… and {len(found) - LINES_SHOWN} more {outcome}; --output json lists all")
    out.print(summary)


def _summed(results: Sequence[DeleteResult]) -> str:
    """The numbers in one line: `3 done, 1 already gone, 0 changed, 0 failed, 2 not tried`."""
    counts = Counter(result.outcome for result in results)
    rare = {OutcomeKind.IN_DOUBT.value, OutcomeKind.UNVERIFIED.value}
    return ", ".join(
        f"{counts[word]} {word.replace('_', ' ')}" for word in _WORDS if counts[word] or word not in rare
    )


def exit_of(results: Sequence[DeleteResult]) -> Exit:
    """Done only when every session is gone."""
    return Exit.DONE if all(result.outcome in FINE for result in results) else Exit.FAILED
