"""The setting by which a person accepts fields of records reads back as exactly these fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper.config import parse
from reaper.core.record_fields import FIELD_NAME, acceptance
from tests.world import examples

FIELDS = st.from_regex(FIELD_NAME, fullmatch=True).filter(lambda name: name == name.strip())
CONFIG = """\
version: 1
projects:
  prod-eu:
    endpoint: https://contoso.services.ai.azure.com/api/projects/prod-eu
    {setting}
    agents: [{{name: "*", policy: weekly}}]
policies:
  weekly:
    rules:
      - {{name: idle-a-week, action: delete, when: {{idle: 7d}}}}
"""


@given(st.sets(FIELDS, min_size=1, max_size=4), st.sets(FIELDS, max_size=3))
@examples
def test_the_setting_that_is_told_accepts_the_new_fields_and_those_from_before(
    new: set[str], before: set[str]
) -> None:
    settings = parse(CONFIG.format(setting=acceptance(new, before)), "t", {}).settings
    assert settings.projects[0].known_fields == new | before


@pytest.mark.parametrize(
    "word", ["null", "true", "on", "1e3", "0x1F", "2026-12-25", "@odata.type", "$ref", "~a", "a:"]
)
def test_a_name_that_yaml_would_read_as_something_else_is_quoted(word: str) -> None:
    setting = acceptance([word])
    if setting:
        assert parse(CONFIG.format(setting=setting), "t", {}).settings.projects[0].known_fields == {word}
    else:
        assert word == "~a"


def test_an_ordinary_name_is_written_as_it_is() -> None:
    assert acceptance(["retention_hold", "legal_hold"], ["region_hint"]) == (
        "known_fields: [legal_hold, region_hint, retention_hold]"
    )


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "naïve", "a\nb", "-a"])
def test_a_name_that_cannot_be_written_down_is_not_offered(name: str) -> None:
    assert acceptance([name]) == ""
    assert acceptance([name, "legal_hold"]) == "known_fields: [legal_hold]"
