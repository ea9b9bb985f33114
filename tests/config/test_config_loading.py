"""From text to settings: defaults, the environment, the meaning of scalars, fingerprints."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from reaper.config import ConfigError, load, parse, show
from reaper.core.conditions import Age, ExpiresWithin, Idle, IdMatches, StatusIn, VersionIs
from reaper.core.model import Action
from reaper.core.policy import Beyond, Limit, Limits, Mode, Policy
from reaper.core.settings import CredentialKind, Log, Pressure, Requests, Schedule, Server, Settings

EXAMPLE = Path(__file__).parents[2] / "config" / "reaper.yaml"
MINIMAL = """\
version: 1
projects:
  main:
    endpoint: https://contoso.services.ai.azure.com/api/projects/main
    agents: [{name: "*", policy: weekly}]
policies:
  weekly:
    rules: [{name: old, action: delete, when: {idle: 7d}}]
"""


def settings_of(text: str, **environ: str) -> Settings:
    return parse(text, "test.yaml", environ).settings


def policy_with(rule: str, more: str = "") -> Policy:
    text = MINIMAL.replace("{name: old, action: delete, when: {idle: 7d}}", rule)
    return settings_of(text + more).policies[0]


def when(condition: str, action: str = "delete") -> tuple[object, ...]:
    return policy_with(f"{{name: r, action: {action}, when: {{{condition}}}}}").rules[0].when


def test_what_is_not_written_gets_the_safe_default() -> None:
    settings = settings_of(MINIMAL)
    policy = settings.policies[0]
    assert policy.mode is Mode.OBSERVE
    assert (policy.grace_s, policy.limits, policy.windows) == (86_400, Limits(), ())
    assert settings.schedule == Schedule(900, None, "UTC", 0)
    connection = settings.projects[0].connection
    assert (connection.credential, connection.requests) == (CredentialKind.DEFAULT, Requests())
    assert connection.scope == "https://ai.azure.com/.default"
    assert (settings.server, settings.log, settings.state) == (Server(), Log(), "sqlite:///reaper-state.db")
    assert (settings.quotas, settings.approvals) == ((), ())


def test_the_example_becomes_what_it_says() -> None:
    settings = load(EXAMPLE, {}).settings
    standard = settings.policies[0]
    assert [rule.action for rule in standard.rules] == [
        Action.KEEP, Action.DELETE, Action.DELETE, Action.DELETE, Action.STOP
    ]  # fmt: skip
    assert standard.rules[2].when == (
        Idle(2 * 86_400), StatusIn(frozenset({"idle", "failed"})), VersionIs(frozenset({"superseded"}))
    )  # fmt: skip
    window = standard.windows[0]
    assert window.days == frozenset({"mon", "tue", "wed", "thu", "fri"})
    assert (window.start, window.end, window.zone) == (time(22), time(6), ZoneInfo("Europe/Madrid"))
    assert settings.quotas[0].pressure == Pressure(85, 70, 600)
    assert settings.projects[0].must_see == frozenset({"canary-000001"})
    assert settings.projects[0].agents[1].policy is settings.policies[1]
    assert settings.schedule == Schedule(900, None, "UTC", 30)


def test_a_delete_without_status_never_reaches_an_active_session() -> None:
    assert when("idle: 7d") == (Idle(604_800), StatusIn(frozenset({"idle", "failed"})))


def test_a_stop_without_status_applies_to_active_sessions() -> None:
    assert when("age: 2h", "stop") == (Age(7200), StatusIn(frozenset({"active"})))


def test_a_keep_has_no_default_status() -> None:
    assert when("id: vip-*", "keep") == (IdMatches(("vip-*",)),)


def test_a_status_that_is_written_out_is_taken_as_it_is() -> None:
    assert when("expires_within: 2d, status: [active, idle]") == (
        ExpiresWithin(172_800),
        StatusIn(frozenset({"active", "idle"})),
    )


def test_versions_may_be_whole_numbers_and_keep_their_spelling_in_quotes() -> None:
    expected = VersionIs(frozenset({"3", "1.10", "latest"}))
    assert expected in when('idle: 7d, version: [3, "1.10", latest]')


def test_a_leading_zero_is_not_lost_from_a_version() -> None:
    assert VersionIs(frozenset({"010"})) in when("idle: 7d, version: 010")


def test_floors_themselves_are_allowed() -> None:
    assert when("idle: 5m")[0] == Idle(300)
    assert when("idle: 1m", "stop")[0] == Idle(60)
    assert when("idle: 29d23h59m")[0] == Idle(2_591_940)
    assert when("age: 60d")[0] == Age(5_184_000)


@pytest.mark.parametrize(
    ("written", "limit"), [("10%", Limit(10, True)), ("0", Limit(0)), ("0%", Limit(0, True)), ("50", Limit(50))]
)
def test_a_limit_is_a_share_or_a_number_and_zero_means_none(written: str, limit: Limit) -> None:
    rule = "{name: old, action: delete, when: {idle: 7d}}"
    assert policy_with(rule, f"    limits: {{per_sweep: {written}}}\n").limits.per_sweep == limit


def test_what_becomes_of_a_plan_beyond_its_limits_can_be_written() -> None:
    rule = "{name: old, action: delete, when: {idle: 7d}}"
    assert policy_with(rule, "").limits.beyond is Beyond.WITHHOLD
    limits = policy_with(rule, "    limits: {beyond: spread, jump: 40}\n").limits
    assert limits == Limits(beyond=Beyond.SPREAD, jump=Limit(40))


def test_times_of_day_need_no_quotes_and_stay_times() -> None:
    rule = "{name: old, action: delete, when: {idle: 7d}}"
    window = policy_with(rule, "    windows: [{from: 22:00, to: 06:30}]\n").windows[0]
    assert (window.start, window.end, len(window.days)) == (time(22), time(6, 30), 7)


def test_aliases_may_share_parts_of_a_file() -> None:
    settings = settings_of(
        MINIMAL.replace("rules: [", "rules: &rules [") + "  other: {rules: *rules, mode: enforce}\n"
    )
    assert settings.policies[0].rules == settings.policies[1].rules


def test_a_variable_takes_its_type_from_what_it_holds() -> None:
    text = MINIMAL + "quotas:\n  q:\n    limit: ${LIMIT:-2000}\n    projects: [main]\n"
    assert settings_of(text).quotas[0].limit == 2000
    assert settings_of(text, LIMIT="50").quotas[0].limit == 50
    with pytest.raises(ConfigError, match="is not a whole number"):
        settings_of(text, LIMIT="many")


def test_a_variable_in_quotes_stays_text() -> None:
    with pytest.raises(ConfigError, match="is not a whole number"):
        settings_of(MINIMAL + 'quotas: {q: {limit: "${LIMIT}", projects: [main]}}\n', LIMIT="50")


def test_a_variable_cannot_change_the_shape_of_the_file() -> None:
    text = MINIMAL.replace("rules:", "mode: ${MODE}\n    rules:")
    for value in ("enforce\n    grace: 0s", "{a: b}", "[enforce]", "enforce, grace: 0s", "*x", "${OTHER}"):
        with pytest.raises(ConfigError) as caught:
            settings_of(text, MODE=value, OTHER="enforce")
        assert [problem.path for problem in caught.value.problems] == ["policies.weekly.mode"]


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ('name: "*"', "name: '${NAME}'", "projects.main.agents[0].name"),
        ("policy: weekly", "policy: '${NAME}'", "projects.main.agents[0].policy"),
        ("name: old", "name: '${NAME}'", "policies.weekly.rules[0].name"),
        ("idle: 7d", "idle: 7d, id: '${NAME:-x}-*'", "policies.weekly.rules[0].when.id"),
        ("idle: 7d", "idle: 7d, id: [a-*, '${NAME}-*']", "policies.weekly.rules[0].when.id[1]"),
        ("idle: 7d", "idle: 7d, version: '${NAME}'", "policies.weekly.rules[0].when.version"),
        ("    agents", "    must_see: ['${NAME}']\n    agents", "projects.main.must_see[0]"),
        ("version: 1", "version: 1\nquotas: {q: {limit: 9, projects: ['${NAME}']}}", "quotas.q.projects[0]"),
    ],
)
def test_a_name_takes_only_variables_that_are_made_for_it(old: str, new: str, path: str) -> None:
    text = MINIMAL.replace(old, new)
    with pytest.raises(ConfigError) as caught:
        settings_of(text, NAME="hunter2hunter2")
    (problem,) = [one for one in caught.value.problems if one.path == path]
    assert "NAME may not be part of a name: names are shown in metrics, logs" in str(problem)
    assert "use a variable that is called REAPER_" in str(problem)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["Foundry-Features", "x-ms-custom", "X-Key", "Ocp-Apim-Subscription-Key", "traceparent"]
)
def test_a_header_that_names_features_or_traces_may_be_added(name: str) -> None:
    text = MINIMAL.replace("    agents", f"    headers: {{{name}: v1}}\n    agents")
    assert settings_of(text).projects[0].connection.headers == {name: "v1"}


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "Host", "Content-Type", "Content-Length", "Transfer-Encoding", "Connection", "Cookie",
        "Proxy-Authorization", "Cache-Control", "If-Match", "Range", "Accept", "User-Agent", "Expect", "api-key",
        "X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Host",
        "X-Real-IP", "X-Auth-Token", "x-ms-client-principal-id", "X-Remote-User", "X_Forwarded_For",
    ],
)  # fmt: skip
def test_a_header_that_is_not_known_to_be_harmless_is_refused(name: str) -> None:
    text = MINIMAL.replace("    agents", f"    headers: {{{name}: hunter2}}\n    agents")
    with pytest.raises(ConfigError) as caught:
        settings_of(text)
    (problem,) = caught.value.problems
    assert problem.path == f"projects.main.headers.{name}"
    assert problem.hint
    assert "hunter2" not in str(problem)


def test_an_agent_may_be_named_by_a_variable_that_is_made_for_it() -> None:
    settings = settings_of(MINIMAL.replace('"*"', "'${REAPER_TEAM:-x}-*'"), REAPER_TEAM="support")
    assert settings.projects[0].agents[0].name == "support-*"


def test_the_value_of_a_variable_is_never_printed() -> None:
    text = MINIMAL + "state: ${STATE}\n"
    with pytest.raises(ConfigError) as caught:
        settings_of(text, STATE="mysql://root:hunter2@db")
    assert "hunter2" not in str(caught.value)


def test_a_doubled_dollar_stands_for_the_characters_themselves() -> None:
    settings = settings_of(MINIMAL + "state: 'sqlite:///$${x}-$y-$$.db'\n")
    assert settings.state == "sqlite:///${x}-$y-$$.db"
    assert parse(show(settings), "shown", {}).settings == settings


def test_an_empty_variable_takes_the_default_as_in_a_shell() -> None:
    assert settings_of(MINIMAL + "log: {level: '${L:-debug}'}\n", L="").log.level == "debug"


def test_an_endpoint_is_brought_to_one_form() -> None:
    text = MINIMAL.replace("https://contoso", "HTTPS://Contoso").replace("/projects/main\n", "/projects/Main/\n")
    endpoint = settings_of(text.replace(".com/", ".com:443/")).projects[0].connection.endpoint
    assert endpoint == "https://contoso.services.ai.azure.com/api/projects/Main"


def test_weekdays_of_cron_are_held_as_names_that_every_reader_understands_alike() -> None:
    settings = settings_of(MINIMAL + 'schedule: {cron: "0 3 * * 0,3", timezone: Europe/Madrid}\n')
    assert settings.schedule == Schedule(None, "0 3 * * sun,wed", "Europe/Madrid", 0)
    assert parse(show(settings), "shown", {}).settings == settings


def test_header_values_are_hidden_unless_asked_for() -> None:
    text = MINIMAL.replace("    agents", "    headers: {X-Key: hunter2}\n    agents")
    settings = settings_of(text)
    assert "hunter2" not in show(settings)
    with pytest.raises(ConfigError, match="cannot be sent"):
        parse(show(settings), "shown", {})
    assert parse(show(settings, headers=True), "shown", {}).settings == settings


def test_a_fingerprint_stands_for_the_meaning_of_a_file() -> None:
    base = settings_of(MINIMAL).fingerprint
    assert len(base) == 12
    same = "# a comment\n" + MINIMAL.replace("version: 1\n", "") + "version: 1\nlog: {level: info}\n"
    assert settings_of(same.replace("7d", "168h")).fingerprint == base
    for other in (MINIMAL.replace("7d", "8d"), MINIMAL + "    mode: enforce\n", MINIMAL + "log: {level: debug}\n"):
        assert settings_of(other).fingerprint != base


def test_the_order_of_rules_and_agents_is_meaning_and_that_of_keys_is_not() -> None:
    rules = ["{name: a, action: delete, when: {idle: 7d}}", "{name: b, action: stop, when: {idle: 7d}}"]
    forth, back = (settings_of(MINIMAL.replace("rules: [", f"rules: [{rule}, ")) for rule in rules)
    assert forth.fingerprint != back.fingerprint
    first = settings_of(
        MINIMAL + "  x: {grace: 1h, mode: observe, rules: [{when: {age: 1h}, action: stop, name: y}]}\n"
    )
    other = settings_of(
        MINIMAL + "  x: {rules: [{name: y, action: stop, when: {age: 1h}}], mode: observe, grace: 1h}\n"
    )
    assert first.fingerprint == other.fingerprint


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter() -> None:
    raw = b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode()
    assert parse(raw, "test.yaml", {}).settings == settings_of(MINIMAL)


def test_problems_are_values_with_all_their_parts() -> None:
    with pytest.raises(ConfigError) as caught:
        settings_of(MINIMAL.replace("7d", "7"))
    (problem,) = caught.value.problems
    assert (problem.source, problem.line, problem.column) == ("test.yaml", 8, 54)
    assert (problem.path, problem.value) == ("policies.weekly.rules[0].when.idle", "'7'")
    assert str(problem) == (
        "test.yaml:8:54: policies.weekly.rules[0].when.idle: '7' is not a duration: "
        "write a number with its unit, as in 7d, 7h, 7m or 7s"
    )


@pytest.mark.parametrize(
    ("written", "seconds"), [("2s", 2.0), ("500ms", 0.5), ("1s500ms", 1.5), ("200ms", 0.2), ("1999ms", 1.999)]
)
def test_how_old_a_look_may_be_is_written_in_seconds_and_milliseconds(written: str, seconds: float) -> None:
    settings = settings_of(MINIMAL.replace("    agents", f"    requests: {{max_look_age: {written}}}\n    agents"))
    assert settings.projects[0].connection.requests == Requests(max_look_age_s=seconds)
    assert parse(show(settings), "shown", {}).settings == settings


@pytest.mark.parametrize(
    ("written", "proxy"),
    [
        ("none", "none"),
        ("environment", "environment"),
        ("HTTP://Proxy.Example:3128/", "http://proxy.example:3128"),
        ("https://[::1]", "https://[::1]:443"),
        ("http://user:hunter2%40@proxy.example", "http://user:hunter2%40@proxy.example:80"),
    ],
)
def test_a_proxy_is_none_the_environments_or_an_address_and_its_password_is_hidden(written: str, proxy: str) -> None:
    settings = settings_of(MINIMAL.replace("    agents", f"    proxy: '{written}'\n    agents"))
    assert settings.projects[0].connection.proxy == proxy
    assert "hunter2" not in show(settings) + repr(settings)
    assert parse(show(settings, headers=True), "shown", {}).settings == settings


def test_the_status_page_may_have_a_listener_and_a_token_of_its_own() -> None:
    settings = settings_of(MINIMAL + "server: {page: '[::1]:9466', token_file: /run/page-token}\n")
    assert settings.server == Server("127.0.0.1", 9464, page=("::1", 9466), token_file="/run/page-token")
    assert parse(show(settings), "shown", {}).settings == settings
    assert settings_of(MINIMAL).server == Server("127.0.0.1", 9464, page=None, token_file=None)
