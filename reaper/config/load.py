"""A configuration file to settings, or to every problem it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reaper.clock import SystemClock
from reaper.config.config_file import digest_of, read_bytes
from reaper.config.document import Document, read
from reaper.config.problem import ConfigError, Problem
from reaper.config.references import reference_findings
from reaper.config.syntax import decode
from reaper.config.thresholds import threshold_findings
from reaper.config.translate import translate
from reaper.config.validation import validate
from reaper.config.warnings import warning_findings
from reaper.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used.

    `digest` is that of the very bytes that were parsed; `settings.fingerprint` that of its meaning.
    """

    settings: Settings
    warnings: tuple[Problem, ...]
    digest: str


def load(path: str | Path, environ: Mapping[str, str], now: float | None = None) -> Loaded:
    """Read a configuration file; ConfigError with all its problems when it cannot be used. `now` as for `parse`."""
    return parse(read_bytes(path), str(path), environ, now)


def parse(text: str | bytes, source: str, environ: Mapping[str, str], now: float | None = None) -> Loaded:
    """Read the text of a configuration; `source` names it in the problems.

    At `now`, Unix seconds, which is the local clock's time when it is not given: warnings say what is over.
    """
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    document = read(decode(content, source), source, environ)
    settings = _settings(document)
    warnings = tuple(
        sorted(document.problems(warning_findings(document, settings, SystemClock().wall() if now is None else now)))
    )
    return Loaded(settings, warnings, digest_of(content))


def _settings(document: Document) -> Settings:
    """The settings of a document; every check runs, whatever another one found."""
    model, findings = validate(document)
    findings += [*reference_findings(document), *threshold_findings(document)]
    problems = [document.problem(finding) for finding in document.findings] + document.problems(findings)
    if model is None or problems:
        raise ConfigError(problems)
    return translate(model)
