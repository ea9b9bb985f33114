import contextlib
import inspect
import json
import timeit
import tracemalloc

import pytest
from foundry_world import DATE, NOW, record
from hypothesis import given
from hypothesis import strategies as st

from reaper.core.model import Agent, Malformed, Metadata, Session, Version
from reaper.core.provider import Unreadable
from reaper.core.text import clean
from reaper.foundry import fast_parsing, parsing, requests

ID = "session-0001"
REASONS = {
    *("not_an_object", "bad_id", "no_status", "time_missing", "time_not_a_number", "time_zero", "time_in_ms"),
    *("time_in_future", "used_before_created", "expired_before_used", "expired_long_ago"),
}


@pytest.mark.parametrize(
    ("call", "method", "path", "params"),
    [
        (requests.list_agents(), "GET", "/agents", {"kind": "hosted", "limit": "100", "order": "asc"}),
        (requests.get_agent("a b"), "GET", "/agents/a%20b", {}),
        (requests.get_version("a", "1/2"), "GET", "/agents/a/versions/1%2F2", {}),
        (requests.create_session("a"), "POST", "/agents/a/endpoint/sessions", {}),
        (requests.get_session("a", ID), "GET", f"/agents/a/endpoint/sessions/{ID}", {}),
        (requests.delete_session("a?x#", ID), "DELETE", f"/agents/a%3Fx%23/endpoint/sessions/{ID}", {}),
        (requests.stop_session("a", ID), "POST", f"/agents/a/endpoint/sessions/{ID}:stop", {}),
        (requests.log_stream("a", "1", ID), "GET", f"/agents/a/versions/1/sessions/{ID}:logstream", {}),
        (
            requests.list_sessions("a/../b", after=ID),
            "GET",
            "/agents/a%2F..%2Fb/endpoint/sessions",
            {"limit": "100", "order": "asc", "after": ID},
        ),
        (
            requests.list_files("a", ID, "x"),
            "GET",
            f"/agents/a/endpoint/sessions/{ID}/files",
            {"path": "x", "limit": "100"},
        ),
        (
            requests.upload_file("a", ID, "x", b"1"),
            "PUT",
            f"/agents/a/endpoint/sessions/{ID}/files/content",
            {"path": "x"},
        ),
        (
            requests.download_file("a", ID, "x"),
            "GET",
            f"/agents/a/endpoint/sessions/{ID}/files/content",
            {"path": "x"},
        ),
        (
            requests.delete_file("a", ID, "x"),
            "DELETE",
            f"/agents/a/endpoint/sessions/{ID}/files",
            {"path": "x", "recursive": "false"},
        ),
    ],
)
def test_every_call_is_what_the_reference_says(call, method, path, params):
    assert (call.method, call.path) == (method, path)
    assert dict(call.params) == params | {"api-version": "v1"}
    assert call.safe is (method == "GET")


def test_no_call_can_delete_an_agent_or_force_anything():
    assert "force" not in inspect.getsource(requests).split('"""', 2)[2]
    for builder in (requests.delete_session, requests.delete_file):
        assert "/endpoint/sessions/" in builder("a", ID, *(["x"] if builder is requests.delete_file else [])).path


def test_a_new_session_takes_an_id_and_a_version():
    body = json.loads(requests.create_session("a", ID, "7").body)
    assert body == {
        "agent_session_id": ID,
        "version_indicator": {"type": "version_ref", "agent_version": "7"},
    }


@pytest.mark.parametrize("ident", ["short", "x" * 129, "session/0001", "session-0001\n", "sessión-00001", "", None])
def test_an_id_the_platform_could_not_have_made_is_refused(ident):
    with pytest.raises(ValueError, match="session id"):
        requests.delete_session("a", ident)


@pytest.mark.parametrize("name", ["", ".", "..", "x" * 257, "\ud800"])
def test_a_name_that_no_path_can_carry_is_refused(name):
    with pytest.raises(ValueError, match=r"name|surrogates"):
        requests.get_agent(name)


@pytest.mark.parametrize(
    "wrong",
    [{"limit": 0}, {"limit": 101}, {"limit": True}, {"order": "up"}, {"after": ID, "before": ID}, {"after": ""}],
)
def test_a_listing_the_api_forbids_is_refused(wrong):
    with pytest.raises(ValueError, match=r"must be|exclude"):
        requests.list_sessions("a", **wrong)


def test_a_record_becomes_a_session():
    expected = Session(ID, "idle", "3", NOW - 9000, NOW - 8000, NOW + 2_000_000, NOW - 8500)
    assert parsing.parse_session(record(stopped_at=NOW - 8500, object="x", id="y"), NOW) == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"agent_session_id": "x"}, "bad_id"),
        ({"agent_session_id": ...}, "bad_id"),
        ({"status": ""}, "no_status"),
        ({"status": 3}, "no_status"),
        ({"status": "\x1b[31m"}, "no_status"),
        ({"created_at": ...}, "time_missing"),
        ({"last_accessed_at": None}, "time_missing"),
        ({"expires_at": ...}, "time_missing"),
        ({"expires_at": "soon"}, "time_not_a_number"),
        ({"created_at": str(NOW)}, "time_not_a_number"),
        ({"created_at": True}, "time_not_a_number"),
        ({"created_at": float(NOW - 9000)}, "time_not_a_number"),
        ({"last_accessed_at": 0}, "time_zero"),
        ({"last_accessed_at": -1}, "time_zero"),
        ({"created_at": (NOW - 9000) * 1000}, "time_in_ms"),
        ({"expires_at": NOW * 1000}, "time_in_ms"),
        ({"created_at": NOW + 121, "last_accessed_at": NOW + 121}, "time_in_future"),
        ({"last_accessed_at": NOW + 121}, "time_in_future"),
        ({"last_accessed_at": NOW - 9001}, "used_before_created"),
    ],
)
def test_a_record_that_cannot_be_believed_is_malformed_with_a_reason(changes, reason):
    found = parsing.parse_session(record(**changes), NOW)
    assert isinstance(found, Malformed)
    assert found.reason == reason


def test_a_record_a_little_ahead_of_our_reading_is_believed():
    assert isinstance(parsing.parse_session(record(last_accessed_at=NOW + 120), NOW), Session)


def test_unknown_statuses_and_fields_are_kept_in_view():
    found = parsing.parse_session(record(status="hibernating", zeta=1, owner="me"), NOW)
    assert (found.status, found.strange) == ("hibernating", ("owner", "zeta"))


@pytest.mark.parametrize("indicator", [..., None, [], {}, {"agent_version": 3}, {"agent_version": ""}])
def test_a_version_that_is_not_told_is_none(indicator):
    assert parsing.parse_session(record(version_indicator=indicator, stopped_at="x"), NOW).version is None


def page(**changes):
    whole = {"data": [record()], "first_id": ID, "last_id": ID, "has_more": False} | changes
    return json.dumps({key: value for key, value in whole.items() if value is not ...}).encode()


def test_a_page_says_whether_there_are_more_and_where():
    found = parsing.parse_page(page(has_more=True), NOW)
    assert (len(found.sessions), found.first_id, found.last_id, found.has_more) == (1, ID, ID, True)


def test_a_page_that_does_not_say_goes_on_until_it_is_empty():
    assert parsing.parse_page(page(has_more=...), NOW).has_more
    assert not parsing.parse_page(page(has_more=..., data=[]), NOW).has_more


def test_a_missing_cursor_is_the_last_session():
    assert parsing.parse_page(page(last_id=...), NOW).last_id == ID
    assert parsing.parse_page(page(last_id="\ud800"), NOW).last_id == ID


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b'{"data": {}}', b"\xff", b"[" * 100_000, b"<html>"])
def test_what_is_no_page_is_unreadable(body):
    with pytest.raises(Unreadable):
        parsing.parse_page(body, NOW)


def test_agents_without_a_usable_name_are_counted_and_left_out():
    data = [
        {"name": "a", "versions": {"latest": {"version": "4"}}},
        {"name": "b"},
        {"name": 3},
        "x",
        {"name": ".."},
        {"name": "\ud800"},
    ]
    found = parsing.parse_agents(json.dumps({"data": data, "has_more": False}).encode())
    unread = Metadata(fault="its record tells of no newest version")
    assert found.agents == (Agent("a", "4"), Agent("b", None, unread))
    assert found.skipped == 4


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (None, ()),
        ({}, ()),
        ({"team": "desk", "reaper": "x", "reaperless": "y"}, ()),
        ({"team": "desk", "reaper.policy": "gentle", "reaper.hold": "2026-12-31"},
         (("reaper.hold", "2026-12-31"), ("reaper.policy", "gentle"))),
        ({" Reaper.HOLD": "soon"}, ((" Reaper.HOLD", "soon"),)),
        ({"reaper.\x1b[2J": "a\nb"}, (("reaper.\\x1b[2J", "a\\nb"),)),
        ({"reaper.hold": "x" * 600}, (("reaper.hold", "x" * 511 + "…"),)),
    ],
)  # fmt: skip
def test_what_is_addressed_to_a_reaper_is_made_safe_to_show(metadata, said):
    body = {"name": "a", "versions": {"latest": {"version": "4", "metadata": metadata}}}
    assert parsing.parse_agent(json.dumps(body).encode()) == Agent("a", "4", Metadata(said))


@pytest.mark.parametrize(
    "metadata",
    [[], "reaper.hold", 5, {"reaper.hold": 5}, {"team": None}, {"team": {}}, {f"reaper.{n}": "" for n in range(17)}],
)
def test_metadata_that_is_no_mapping_of_texts_says_nothing_readable(metadata):
    body = {"name": "a", "versions": {"latest": {"version": "4", "metadata": metadata}}}
    found = parsing.parse_agent(json.dumps(body).encode()).metadata
    assert found.fault
    assert found.read
    assert not found.said


def selected(*rules, **more):
    return {"version_selector": {"version_selection_rules": list(rules), **more}}


FIRST = {"type": "FixedRatio", "agent_version": "1", "traffic_percentage": 100}


@pytest.mark.parametrize(
    ("endpoint", "serving"),
    [
        (..., (("4", 100),)),
        (None, (("4", 100),)),
        ({}, (("4", 100),)),
        ({"version_selector": None, "protocol_configuration": {}}, (("4", 100),)),
        (selected(FIRST), (("1", 100),)),
        (selected({**FIRST, "traffic_percentage": 90}, {**FIRST, "agent_version": "4", "traffic_percentage": 10}),
         (("1", 90), ("4", 10))),
        (selected(FIRST, {**FIRST, "agent_version": "4", "traffic_percentage": 0}), (("1", 100),)),
    ],
)  # fmt: skip
def test_an_agent_tells_which_versions_traffic_reaches_listed_or_read(endpoint, serving):
    agent = {"name": "a", "versions": {"latest": {"version": "4"}}}
    agent |= {} if endpoint is ... else {"agent_endpoint": endpoint}
    read = parsing.parse_agent(json.dumps(agent).encode())
    (listed,) = parsing.parse_agents(json.dumps({"data": [agent]}).encode()).agents
    assert read == listed
    assert (read.serving.shares, read.serving.unclear) == (serving, "")


@pytest.mark.parametrize(
    "endpoint",
    [
        "all", [], True, {"version_selector": "1"}, {"version_selector": []}, {"version_selector": {}},
        selected(), selected("1"), selected({}), selected(*[FIRST] * 21), selected(FIRST, seed=3),
        selected({**FIRST, "weight": 1}), selected({**FIRST, "type": "fixedratio"}), selected({**FIRST, "type": 1}),
        selected({**FIRST, "traffic_percentage": 100.0}), selected({**FIRST, "traffic_percentage": "100"}),
        selected({**FIRST, "traffic_percentage": True}), selected({**FIRST, "agent_version": 1}),
        selected({**FIRST, "agent_version": "\ud800"}), selected({"type": "Fixed\x1b[31mRatio"}),
    ],
)  # fmt: skip
def test_a_selector_in_any_other_form_cannot_be_judged(endpoint):
    body = {"name": "a", "versions": {"latest": {"version": "4"}}, "agent_endpoint": endpoint}
    agent = parsing.parse_agent(json.dumps(body).encode())
    assert agent.serving.shares == ()
    assert agent.serving.unclear
    assert agent.serving.unclear.isprintable()
    assert agent.latest == "4"


def test_a_version_tells_its_status_and_idle_timeout():
    body = {"version": "2", "status": "active"}
    body["definition"] = {"session_configuration": {"idle_timeout_seconds": 900}}
    assert parsing.parse_version(json.dumps(body).encode(), "a") == Version("a", "2", "active", 900)
    assert parsing.parse_version(b'{"version": "2"}', "a") == Version("a", "2", "unknown", None)


def test_a_directory_lists_its_entries():
    body = b'{"entries": [{"name": "a\\u001b", "size": 3, "is_directory": false}, {}], "has_more": false}'
    assert parsing.parse_files(body).entries == (parsing.FileEntry("a\\x1b", 3, False),)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("99999", 3600.0),
        (DATE, 0.0),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Thu, 14 Jan 2027 08:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_nonsense_is_none(header, seconds):
    assert parsing.retry_after(header, NOW) == seconds


def test_foreign_text_is_one_bounded_printable_line_without_tokens():
    assert clean("a\x1b[31m\nb\u202e") == "a\\x1b[31m\\nb\\u202e"
    assert len(clean("x" * 10_000)) == 300
    assert "eyJ" not in clean("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.sig")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from([*record(), "stopped_at", "data", "has_more", "last_id", "name", "error", "code", "version"])
shaped = st.dictionaries(fields, values, max_size=8)
pages = st.fixed_dictionaries({"data": st.lists(shaped | values, max_size=4)}, optional={"last_id": values})


rules = st.dictionaries(st.sampled_from(sorted(FIRST)), values | st.just("FixedRatio"))
selectors = st.fixed_dictionaries({"version_selection_rules": values | st.lists(values | rules)})
endpoints = st.fixed_dictionaries({"version_selector": values | selectors})
agents = st.fixed_dictionaries({"name": st.just("a"), "agent_endpoint": values | endpoints})


@given(st.binary() | (values | shaped | pages | agents).map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_only_unreadable_is_raised(body):
    for parse in (
        lambda: parsing.parse_page(body, NOW),
        lambda: parsing.parse_agents(body),
        lambda: parsing.parse_agent(body),
        lambda: parsing.parse_version(body, "a"),
        lambda: parsing.parse_files(body),
        lambda: parsing.parse_record(body, NOW, "get_session"),
    ):
        with contextlib.suppress(Unreadable):
            parse()
    assert all(part is None or part.isprintable() for part in parsing.parse_error(500, body))


@given(st.text())
def test_any_header_text_is_a_time_or_nothing(text):
    assert parsing.parse_date(text) is None or isinstance(parsing.parse_date(text), float)
    assert parsing.retry_after(text, NOW) is None or 0 <= parsing.retry_after(text, NOW) <= 3600


@given(st.fixed_dictionaries({key: values | st.just(value) for key, value in record().items()}))
def test_a_believed_session_has_times_that_make_sense(obj):
    found = parsing.parse_session(obj, NOW)
    if isinstance(found, Session):
        assert 0 < found.created_at <= found.last_accessed_at <= NOW + 120
    else:
        assert found.reason in REASONS


def test_a_full_page_is_read_quickly():
    body = json.dumps({"data": [record(agent_session_id=f"session-{n:06}") for n in range(100)]}).encode()
    took = min(timeit.repeat(lambda: parsing.parse_page(body, NOW), number=20, repeat=5)) / 20
    print(f"parse_page: {took * 1e6:.0f} us")  # noqa: T201
    assert took < 0.003  # a tenth of it is usual; machines that run tests are busy


def odd_records():
    """Records as the reference has them, most of them with one field changed or missing."""
    times = st.integers(NOW - 20_000, NOW + 200) | st.sampled_from(
        [0, -1, NOW * 1000, float(NOW), str(NOW), True, None, ...]
    )
    indicators = st.sampled_from([None, ..., {}, [], "3", {"agent_version": 3}, {"agent_version": ""}, {"x": 1}])
    changes = {
        "agent_session_id": st.sampled_from(["x", ..., None, "session/0001", "session-0002", 7]),
        "status": st.sampled_from(["active", "hibernating", "", ..., None, 3, "deleted"]),
        "created_at": times,
        "last_accessed_at": times,
        "expires_at": times,
        "stopped_at": times,
        "version_indicator": indicators,
        "object": st.sampled_from([1, "x", None]),
        "colour": st.just("blue"),
        "region-hint": st.sampled_from(["north", 7, {"a": [1]}, None]),
    }
    return st.lists(
        st.one_of(*(st.fixed_dictionaries({name: value}) for name, value in changes.items()), st.just({})).map(
            lambda change: record(**change)
        )
        | st.sampled_from([None, 3, [], "session"]),
        max_size=4,
    )


@given(
    odd_records(),
    st.fixed_dictionaries(
        {},
        optional={
            "has_more": st.sampled_from([True, False, None, 1]),
            "last_id": st.sampled_from(["session-0001", "", None, 3, "a\nb"]),
            "first_id": st.sampled_from(["session-0001", None, 3]),
            "extra": st.just({"a": [1]}),
        },
    ),
    st.sets(st.sampled_from(["colour", "region-hint", "status", "9"])),
)
def test_a_page_read_in_one_go_says_what_its_records_say_one_by_one(records, rest, accepted):
    body, accepted = json.dumps({"data": records, **rest}).encode(), frozenset(accepted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parsing, "read_page", lambda *_: None)
        one_by_one = parsing.parse_page(body, NOW, accepted=accepted)
    assert parsing.parse_page(body, NOW, accepted=accepted) == one_by_one


@pytest.mark.parametrize("value", ["north", 7, {"a": [1]}, None, [[]], 1.5])
def test_of_an_accepted_field_nothing_is_read(value):
    found = parsing.parse_session(record(region_hint=value), NOW, frozenset({"region_hint"}))
    assert found == parsing.parse_session(record(), NOW)


def test_a_field_beside_an_accepted_one_is_still_strange():
    obj = record(region_hint=1, legal_hold=True, status=3)
    assert isinstance(parsing.parse_session(obj, NOW, frozenset({"status"})), Malformed)
    obj = record(region_hint=1, legal_hold=True)
    assert parsing.parse_session(obj, NOW, frozenset({"region_hint"})).strange == ("legal_hold",)


def test_a_page_with_accepted_fields_is_read_in_one_go():
    accepted = frozenset({"region-hint", "@odata.type"})
    body = json.dumps({"data": [record(**{"region-hint": [1], "@odata.type": "x"})], "has_more": False}).encode()
    read = fast_parsing.read_page(body, NOW - 86_400, NOW, accepted)
    assert read is not None
    assert read.sessions == parsing.parse_page(body, NOW, accepted=accepted).sessions
    assert fast_parsing.read_page(body, NOW - 86_400, NOW, frozenset({"region-hint"})) is None


def test_an_ordinary_page_is_read_in_one_go():
    records = [record(), record(agent_session_id="session-0002", stopped_at=NOW - 8500, object="x", id="y")]
    assert (
        fast_parsing.read_page(json.dumps({"data": records, "has_more": False}).encode(), NOW - 86_400, NOW)
        is not None
    )


def page_of(record, size=2 * 1024 * 1024):
    """A page so large that holds the same again and again."""
    return b'{"data": [' + b",".join([record] * (size // (len(record) + 1) - 10)) + b'], "has_more": false}'


@pytest.mark.parametrize(
    ("value", "most_mib"),
    [
        (b"{}", 1),
        (b"[]", 1),
        (b"[[],[]]", 1),
        (b'{"a":1}', 1),
        (b'"ab"', 1),
        (b"1", 1),
        (b'{"status": "idle", "a": 1}', 32),
    ],
)
@pytest.mark.parametrize(
    "read", [lambda body: parsing.parse_page(body, NOW), parsing.parse_agents, parsing.parse_agent]
)
def test_an_answer_of_millions_of_values_takes_little_memory_and_is_unreadable(value, most_mib, read):
    body = page_of(value)
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable):
            read(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most_mib * 1024 * 1024


@pytest.mark.parametrize("bad", [False, True])
def test_a_page_of_more_sessions_than_were_asked_for_is_unreadable(bad):
    records = [record(agent_session_id=f"session-{n:04d}") for n in range(21)] + [{}] * bad
    with pytest.raises(Unreadable, match=f"{21 + bad} records, where 20 were asked for"):
        parsing.parse_page(json.dumps({"data": records}).encode(), NOW, 20)
    assert len(parsing.parse_page(json.dumps({"data": records[:20]}).encode(), NOW, 20).sessions) == 20


def test_a_large_page_of_agents_full_of_text_is_read():
    text = "One, two, three, and so on; that is what they say, mostly. " * 300
    body = json.dumps({"data": [{"name": f"a{n}", "description": text} for n in range(100)]}).encode()
    assert 1024 * 1024 < len(body) < 2 * 1024 * 1024
    assert len(parsing.parse_agents(body).agents) == 100
