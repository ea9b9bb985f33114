import asyncio
import contextlib
import gzip
import ssl

import httpx2
import pytest
from azure.core.credentials import AccessTokenInfo
from foundry_world import NOW, Platform, answer, client, error, record

from reaper.core.model import Agent, Session
from reaper.core.provider import Gone, InDoubt, Refused, Retryable, Throttled, Unauthenticated, Unreadable
from reaper.core.settings import Connection, CredentialKind
from reaper.foundry.auth import Tokens
from tests.clock import ManualClock

ID = "session-0001"


def run(platform, act, **options):
    async def scene():
        async with client(platform, **options) as foundry:
            return await act(foundry)

    return asyncio.run(scene())


def read(foundry):
    return foundry.get("a", ID)


def delete(foundry):
    return foundry.delete("a", ID)


def stop(foundry):
    return foundry.stop("a", ID)


def create(foundry):
    return foundry.create("a", ID)


async def hang(_):
    await asyncio.Event().wait()


def test_an_answer_carries_the_platforms_time_and_both_local_ones():
    clock = ManualClock(NOW)
    clock.passed = 5.0
    found = run(Platform(answer(200, record())), read, clock=clock)
    assert isinstance(found.value, Session)
    assert (found.date, found.received_wall, found.received_monotonic) == (NOW, NOW + 5, 5)


def test_records_are_judged_by_the_platforms_time_not_ours():
    clock = ManualClock(NOW)
    clock.passed = -864_000.0
    assert isinstance(run(Platform(answer(200, record())), read, clock=clock).value, Session)


def test_an_answer_without_a_date_says_so():
    assert run(Platform(answer(200, record(), Date="nonsense")), read).date is None


def test_requests_go_where_they_should_and_say_who_asks():
    platform = Platform(answer(200, {"data": [], "has_more": False}))
    run(platform, lambda foundry: foundry.page("a/../b c", after=ID), headers={"Foundry-Features": "X"})
    (request,) = platform.requests
    assert request.url.raw_path == (
        b"/api/projects/prod/agents/a%2F..%2Fb%20c/endpoint/sessions"
        b"?limit=100&order=asc&after=session-0001&api-version=v1"
    )
    assert request.headers["user-agent"].startswith("session-reaper/")
    assert request.headers["foundry-features"] == "X"
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    "act",
    [
        lambda f: f.delete("a", "short"),
        lambda f: f.page("a", after=ID, before=ID),
        lambda f: f.page("a", limit=101),
        lambda f: f.stop("..", ID),
    ],
)
def test_what_the_api_forbids_is_refused_before_anything_is_sent(act):
    platform = Platform(answer())
    with pytest.raises(ValueError, match=r"exclude|must be|is not a"):
        run(platform, act)
    assert platform.requests == []


@pytest.mark.parametrize("status", [200, 202, 204])
def test_every_yes_to_a_delete_is_a_yes(status):
    assert run(Platform(answer(status)), delete).value is None


def test_a_session_that_was_stopped_already_is_stopped():
    assert run(Platform(error(409, "session_already_stopped")), stop).value is None
    with pytest.raises(Refused):
        run(Platform(error(409, "session_busy")), stop)
    with pytest.raises(Refused):
        run(Platform(error(409, "session_already_stopped")), delete)


@pytest.mark.parametrize(
    ("status", "of_read", "of_change", "reads"),
    [
        (301, Refused, Refused, 1),
        (307, Refused, Refused, 1),
        (400, Refused, Refused, 1),
        (403, Refused, Refused, 1),
        (404, Gone, Gone, 1),
        (408, Retryable, InDoubt, 5),
        (409, Refused, Refused, 1),
        (429, Throttled, Throttled, 5),
        (500, Retryable, InDoubt, 5),
        (503, Retryable, InDoubt, 5),
    ],
)
def test_a_status_says_what_to_do_next(status, of_read, of_change, reads):
    for act, kind, sent in ((read, of_read, reads), *((change, of_change, 1) for change in (delete, stop, create))):
        platform = Platform(error(status, "some_code", Location="https://evil.example/"))
        with pytest.raises(kind) as caught:
            run(platform, act)
        assert type(caught.value) is kind
        assert (caught.value.status, caught.value.code, caught.value.request_id) == (status, "some_code", "req-1")
        assert len(platform.requests) == sent
        assert {request.url.host for request in platform.requests} == {"p.services.ai.azure.com"}


def broken(kind):
    return kind("it broke\x1b[31m")


@pytest.mark.parametrize(
    ("step", "of_read", "of_change", "reads"),
    [
        (broken(httpx2.ConnectError), Retryable, Retryable, 5),
        (broken(httpx2.ConnectTimeout), Retryable, Retryable, 5),
        (broken(httpx2.PoolTimeout), Retryable, Retryable, 5),
        (broken(httpx2.ReadTimeout), Retryable, InDoubt, 5),
        (broken(httpx2.WriteError), Retryable, InDoubt, 5),
        (broken(httpx2.ReadError), Retryable, InDoubt, 5),
        (broken(httpx2.RemoteProtocolError), Retryable, InDoubt, 5),
        (broken(httpx2.DecodingError), Unreadable, InDoubt, 1),
    ],
)
def test_a_broken_exchange_says_what_to_do_next(step, of_read, of_change, reads):
    for act, kind, sent in ((read, of_read, reads), (delete, of_change, 1), (stop, of_change, 1)):
        platform = Platform(step)
        with pytest.raises(kind) as caught:
            run(platform, act)
        assert type(caught.value) is kind
        assert str(caught.value).isprintable()
        assert len(platform.requests) == sent


def test_a_read_that_fails_in_passing_is_read_in_the_end():
    clock = ManualClock(NOW)
    platform = Platform(error(500), broken(httpx2.ReadError), error(429, Retry_After="7"), answer(200, record()))
    assert isinstance(run(platform, read, clock=clock).value, Session)
    assert clock.passed >= 7


@pytest.mark.parametrize("header", ["20", "Fri, 15 Jan 2027 08:00:20 GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_the_platforms_wish_to_wait_is_granted(status, header):
    clock = ManualClock(NOW)
    run(Platform(error(status, Retry_After=header), answer(200, record())), read, clock=clock)
    assert 20 <= clock.passed < 25


def test_one_refusal_pauses_the_project_and_changes_do_not_wait_it_out():
    clock, platform = ManualClock(NOW), Platform(error(429, Retry_After="40"), answer(204))

    async def act(foundry):
        with pytest.raises(Throttled):
            await foundry.delete("a", ID)
        with pytest.raises(Throttled, match="not sent") as caught:
            await foundry.delete("a", ID)
        assert caught.value.retry_after == 40
        assert len(platform.requests) == 1
        await clock.sleep(41)
        return await foundry.delete("a", ID)

    assert run(platform, act, clock=clock).value is None


def test_a_change_that_was_held_up_by_a_pause_is_not_sent_after_it():
    all_under_way = asyncio.Event()

    async def refuse_all_at_once(_):
        if len(platform.requests) == 4:
            all_under_way.set()
        await released.wait()
        return error(429, Retry_After="5")

    async def act(foundry):
        reads = [asyncio.create_task(foundry.get("a", ID)) for _ in range(4)]
        await all_under_way.wait()
        held_up = asyncio.create_task(foundry.delete("a", ID))
        await asyncio.sleep(0)
        released.set()
        with pytest.raises(Throttled, match="not sent"):
            await held_up
        await asyncio.gather(*reads)

    released = asyncio.Event()
    platform = Platform(*[refuse_all_at_once] * 4, answer(200, record()))
    run(platform, act)
    assert {request.method for request in platform.requests} == {"GET"}


def test_at_a_rate_too_low_for_a_look_to_stay_true_a_delete_follows_it_at_once_and_the_next_look_waits_for_both():
    clock, moments = ManualClock(NOW), []

    async def act(foundry):
        for ask in (foundry.get, foundry.delete, foundry.get, foundry.delete):
            await ask("a", ID)
            moments.append(clock.passed)

    look, gone = answer(200, record()), answer(204)
    run(Platform(look, gone, look, gone), act, clock=clock, per_second=0.2)
    first, deleted, second, deleted_too = moments
    assert first == deleted
    assert second == deleted_too == pytest.approx(first + 10)


def test_retrying_ends_after_five_minutes_however_long_the_platform_wants():
    clock = ManualClock(NOW)
    with pytest.raises(Throttled):
        run(Platform(error(429, Retry_After="3600")), read, clock=clock)
    assert clock.passed < 300


@pytest.mark.parametrize(
    ("code", "words"),
    [("session_not_accessible", "role 'Foundry User'"), ("preview_feature_required", "HostedAgents=V1Preview")],
)
def test_a_refusal_with_a_remedy_names_it(code, words):
    with pytest.raises(Refused, match=words):
        run(Platform(error(403, code)), read)


def test_an_answer_beyond_the_bound_is_not_read_on():
    bomb = gzip.compress(b"0" * (17 * 1024 * 1024))
    big = httpx2.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx2.ByteStream(bomb))

    async def serve(_):
        return big

    with pytest.raises(Unreadable, match="answer larger than 64 KiB"):
        run(Platform(serve), read)


@pytest.mark.parametrize(("act", "kind"), [(delete, InDoubt), (stop, InDoubt), (read, Retryable)])
def test_a_platform_that_hangs_meets_the_deadline(act, kind):
    records = []
    with pytest.raises(kind, match="in time"):
        run(Platform(hang), act, timeout_s=0.02, records=records)
    assert {record.code for record in records} == {"timeout"}


def test_a_cancelled_delete_stays_cancelled():
    async def act(foundry):
        task = asyncio.create_task(foundry.delete("a", ID))
        await arrived.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return task.cancelled()

    arrived = asyncio.Event()

    async def arrive_and_hang(_):
        arrived.set()
        await hang(_)

    assert run(Platform(arrive_and_hang), act)


class Credential:
    count = 0

    async def get_token_info(self, *_):
        Credential.count += 1
        return AccessTokenInfo(f"secret-{Credential.count}", NOW + 3600)

    async def close(self):
        pass


@pytest.mark.parametrize("act", [read, delete])
def test_a_rejected_token_is_renewed_once_and_no_more(act):
    def tokens():
        connection = Connection("https://x", CredentialKind.WORKLOAD_IDENTITY)
        return Tokens(connection, ManualClock(NOW), credential_factory=lambda _: Credential())

    platform = Platform(error(401), answer(200, record()))
    run(platform, act, tokens=tokens())
    first, second = (request.headers["authorization"] for request in platform.requests)
    assert first != second
    platform = Platform(error(401, message="expired"))
    with pytest.raises(Unauthenticated, match="expired") as caught:
        run(platform, act, tokens=tokens())
    assert len(platform.requests) == 2
    assert "secret" not in repr(caught.value) + str(caught.value)


def test_every_request_is_seen_by_who_counts_them():
    records = []
    run(Platform(error(429), broken(httpx2.ReadError), answer(200, record())), read, records=records)
    assert [(r.operation, r.code, r.throttled) for r in records] == [
        ("get_session", "429", True),
        ("get_session", "error", False),
        ("get_session", "200", False),
    ]


def agents(*names, last, more=None):
    said = {} if more is None else {"has_more": more}
    return answer(
        200, {"data": [{"name": name, "versions": {"latest": {}}} for name in names], "last_id": last} | said
    )


def test_all_pages_of_agents_are_read():
    platform = Platform(agents("a", more=True, last="a"), agents("b", more=False, last="b"))
    assert run(platform, lambda foundry: foundry.list_agents()).value == (Agent("a"), Agent("b"))
    assert platform.requests[1].url.params["after"] == "a"


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        ([agents("a", more=True, last="a")], "repeats"),
        ([agents(more=True, last=None)], "empty page said that there is more"),
        ([agents("a", more=True, last="a"), agents(more=True, last="b")], "empty page said that there is more"),
        ([agents("a", more=True, last="a"), agents(more=False, last=None)], "empty page where more was promised"),
        ([agents("a", more=True, last="a"), agents(last=None)], "empty page where more was promised"),
        ([answer(200, {"data": [{"name": "a"}], "has_more": True})], "where the list goes on"),
        ([agents(*(f"a{n}" for n in range(101)), more=False, last=None)], "101 records, where 100 were asked for"),
    ],
)
def test_a_list_of_agents_cut_short_is_unreadable(pages, why):
    with pytest.raises(Unreadable, match=why):
        run(Platform(*pages), lambda foundry: foundry.list_agents())


def test_a_platform_that_never_says_whether_there_are_more_agents_is_read_until_an_empty_page():
    platform = Platform(agents("a", last="a"), agents("b", last="b"), agents(last=None))
    assert run(platform, lambda foundry: foundry.list_agents()).value == (Agent("a"), Agent("b"))


def test_a_list_of_agents_that_never_ends_is_unreadable():
    async def endless(request):
        n = len(platform.requests)
        return agents(f"a{n}", more=True, last=f"c{n}")

    platform = Platform(endless)
    with pytest.raises(Unreadable, match="100 pages"):
        run(platform, lambda foundry: foundry.list_agents())


def test_log_lines_come_one_by_one_and_safe_to_show():
    body = b"event: log\ndata: one\x1b[31m\n\nevent: log\ndata: two\n\n"

    async def act(foundry):
        return [line async for line in foundry.logs("a", "1", ID)]

    assert run(Platform(answer(200, body, Content_Type="text/event-stream")), act) == ["one\\x1b[31m", "two"]
    with pytest.raises(Gone):
        run(Platform(error(404)), act)
    with pytest.raises(Unreadable):
        run(Platform(answer(200, b"<html>", Content_Type="text/html")), act)


def test_files_come_and_go():
    async def act(foundry):
        await foundry.upload_file("a", ID, "x", b"content")
        content = await foundry.download_file("a", ID, "x")
        await foundry.delete_file("a", ID, "x", recursive=True)
        return content.value

    platform = Platform(answer(201), answer(200, b"content"), answer(204))
    assert run(platform, act) == b"content"
    assert platform.requests[0].content == b"content"
    assert platform.requests[2].url.params["recursive"] == "true"


def test_tls_and_dns_failures_name_the_host(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    untrusted = broken(httpx2.ConnectError)
    untrusted.__cause__ = ssl.SSLCertVerificationError("x")
    untrusted.__cause__.verify_message = "self-signed certificate"
    with pytest.raises(Retryable, match=r"certificate of p\.services\.ai\.azure\.com is not trusted: self-signed"):
        run(Platform(untrusted), delete)
    with pytest.raises(Retryable, match=r"no-such-host\.invalid cannot be resolved"):
        run(None, delete, endpoint="https://no-such-host.invalid/api/projects/p")


def test_on_a_real_socket_a_dropped_delete_is_in_doubt_and_a_closed_port_is_not():
    async def drop(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def scene():
        server = await asyncio.start_server(drop, "127.0.0.1", 0)
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/projects/p"
        async with client(None, endpoint=endpoint) as foundry:
            with pytest.raises(InDoubt):
                await foundry.delete("a", ID)
            server.close()
            await server.wait_closed()
            with pytest.raises(Retryable, match=r"no connection to 127\.0\.0\.1"):
                await foundry.delete("a", ID)

    asyncio.run(scene())
