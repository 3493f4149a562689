"""Sessions are listed, counted and searched by the same conditions, invocations by theirs."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import grpc
import pytest

from sojourn import (
    CatalogUnavailableError,
    Client,
    Consistency,
    FoundInvocation,
    FoundSession,
    Fragment,
    InvalidFieldError,
    Invocation,
    InvocationNotFoundError,
    InvocationStatus,
    RetryPolicy,
    TextSource,
    Tier,
    Timeouts,
)
from sojourn.v1 import event_pb2, search_pb2, session_pb2
from tests.unit.sdk.fake_finding import found_invocation
from tests.unit.sdk.fake_service import FakeService, fail

Code = grpc.StatusCode
DAY = datetime(2026, 3, 1, tzinfo=UTC)
TIMES = {
    f"{what}_{when}": DAY + timedelta(days=number, microseconds=5)
    for number, (what, when) in enumerate(
        (what, when) for what in ("created", "updated", "ended") for when in ("after", "before")
    )
}
CONDITIONS: dict[str, Any] = {
    "user_id": "u",
    "project": "p",
    "status": ["active", "failed"],
    "tags": ["a", "b"],
    "any_tags": ("c",),
    "kind": "qa",
    "parent": "m",
    "metadata": {"attempt": 3, "channel": "web", "plan": {"b": [1], "ü": None}},
    "tiers": [Tier.RECENT, "archive"],
    **TIMES,
}


async def listed(client: Client, **conditions: Any) -> None:
    assert [session async for session in client.list_sessions(**conditions)] == []


async def counted(client: Client, **conditions: Any) -> None:
    assert await client.count_sessions(**conditions) == 0


async def searched(client: Client, **conditions: Any) -> None:
    assert [found async for found in client.search("refund", **conditions)] == []


FINDERS = pytest.mark.parametrize(
    ("find", "method"),
    [(listed, "ListSessions"), (counted, "CountSessions"), (searched, "SearchSessions")],
    ids=["list", "count", "search"],
)


class TestSessions:
    @FINDERS
    async def test_every_condition_travels(self, client: Client, service: FakeService, find, method):
        await find(client, **CONDITIONS)
        [request] = service.requests(method)
        wanted = request.filter
        assert (wanted.user_id, wanted.project, wanted.kind, wanted.parent) == ("u", "p", "qa", "m")
        assert (list(wanted.statuses), list(wanted.all_tags), list(wanted.any_tags)) == ([1, 3], ["a", "b"], ["c"])
        assert {key: value.json for key, value in wanted.metadata.items()} == {
            "attempt": b"3",
            "channel": b'"web"',
            "plan": '{"b":[1],"ü":null}'.encode(),
        }
        assert list(wanted.tiers) == [session_pb2.TIER_RECENT, session_pb2.TIER_ARCHIVE]
        for name, time in TIMES.items():
            assert getattr(wanted, name.replace("after", "from")).ToDatetime(UTC) == time
        assert {field.name for field, _ in wanted.ListFields()} == set(wanted.DESCRIPTOR.fields_by_name) - {"text"}

    @FINDERS
    async def test_without_conditions_everything_is_asked_for(self, client: Client, service: FakeService, find, method):
        await find(client)
        await find(client, user_id=None, status=None, metadata=None, tiers=None, tags=[], created_after=None)
        for request in service.requests(method):
            assert not request.filter.ListFields()
            assert request.consistency == search_pb2.CONSISTENCY_STRONG

    @FINDERS
    async def test_how_much_may_be_missed_is_the_callers_choice(
        self, client: Client, service: FakeService, find, method
    ):
        await find(client, consistency="eventual")
        await find(client, consistency=Consistency.STRONG)
        eventual, strong = service.requests(method)
        assert eventual.consistency == search_pb2.CONSISTENCY_EVENTUAL
        assert strong.consistency == search_pb2.CONSISTENCY_STRONG

    @FINDERS
    @pytest.mark.parametrize(
        ("field", "wrong"),
        [
            ("created_after", datetime(2026, 3, 1)),
            ("ended_before", datetime(2026, 3, 1)),
            ("status", "asleep"),
            ("tags", "travel"),
            ("tiers", ["unknown"]),
            ("metadata", {"k": object()}),
            ("consistency", "weak"),
        ],
    )
    async def test_what_is_wrong_on_its_face_is_not_sent(
        self, client: Client, service: FakeService, find, method, field: str, wrong: Any
    ):
        with pytest.raises(InvalidFieldError, match=field):
            await find(client, **{field: wrong})
        assert service.requests(method) == []

    @FINDERS
    async def test_a_misspelt_condition_is_no_condition(self, client: Client, find, method):
        with pytest.raises(TypeError, match="user"):
            await find(client, user="ada")

    async def test_times_of_any_zone_are_the_same_instants(self, client: Client, service: FakeService):
        await listed(client, updated_after=DAY.astimezone(timezone(timedelta(hours=5, minutes=30))))
        assert service.requests("ListSessions")[0].filter.updated_from.ToDatetime(UTC) == DAY

    async def test_a_text_selects_in_lists_and_counts(self, client: Client, service: FakeService):
        await listed(client, text='"seat map" refund')
        await counted(client, text="refund")
        assert service.requests("ListSessions")[0].filter.text == '"seat map" refund'
        assert service.requests("CountSessions")[0].filter.text == "refund"
        with pytest.raises(TypeError, match="text"):
            client.search("refund", text="seat")  # type: ignore[call-arg]

    async def test_a_count(self, client: Client, service: FakeService):
        for number in range(5):
            service.add_session(f"s{number}")
        assert await client.count_sessions(status="active") == 5

    async def test_the_lag_is_that_of_the_page_read_last(self, client: Client, service: FakeService):
        for number in range(4):
            service.add_session(f"s{number}")
        service.lag = 2.5
        found = client.list_sessions(consistency="eventual")
        assert found.lag is None
        await anext(found)
        assert found.lag == timedelta(seconds=2.5)
        service.lag = 0.25
        assert len([session async for session in found]) == 3
        assert found.lag == timedelta(seconds=0.25)
        strong = client.list_sessions()
        await anext(strong)
        assert strong.lag == timedelta(0)


class TestSearch:
    async def test_what_matched_and_where(self, client: Client, service: FakeService):
        service.add_session("s", revision=3)
        service.fragments = [
            search_pb2.Fragment(
                source=search_pb2.TEXT_SOURCE_MESSAGE,
                revision=2,
                text="…ein 🛫 Flug, noch ein Flug…",
                highlights=[search_pb2.Span(begin=7, end=11), search_pb2.Span(begin=22, end=26)],
            ),
            search_pb2.Fragment(source=99, revision=3, text="what a newer server finds"),  # type: ignore[arg-type]
        ]
        [found] = [found async for found in client.search("flug")]
        assert (found.session.id, found.session.revision) == ("s", 3)
        first, second = found.fragments
        assert (first.source, first.revision) == (TextSource.MESSAGE, 2)
        assert [first.text[begin:end] for begin, end in first.highlights] == ["Flug", "Flug"]
        assert second == Fragment(source=TextSource.UNKNOWN, revision=3, text="what a newer server finds")
        assert FoundSession.model_validate(found.model_dump(mode="json")) == found

    async def test_pages_belong_to_one_query(self, client: Client, service: FakeService):
        for number in range(8):
            service.add_session(f"s{number}")
        found = client.search("refund", user_id="u", sources=["message", TextSource.RESULT], limit=5)
        assert [each.session.id async for each in found] == [f"s{number}" for number in range(5)]
        first, second = service.requests("SearchSessions")
        assert (first.query, list(first.sources), first.filter.user_id) == ("refund", [2, 4], "u")
        assert (first.page_size, second.page_size, second.page_token) == (5, 2, "3")
        for request in (first, second):
            request.ClearField("page_size")
            request.ClearField("page_token")
        assert first == second

    @pytest.mark.parametrize(
        ("arguments", "field"), [({"query": " "}, "query"), ({"query": "x", "sources": "title"}, "sources")]
    )
    async def test_what_cannot_be_searched_for(self, client: Client, arguments, field: str):
        with pytest.raises(InvalidFieldError, match=field):
            client.search(**arguments)


class TestInvocations:
    async def test_every_condition_travels(self, client: Client, service: FakeService):
        found = client.invocations(
            session_id="s",
            user_id="u",
            project="p",
            tool="git",
            status=["failed", InvocationStatus.INTERRUPTED],
            running=True,
            started_after=DAY,
            started_before=DAY + timedelta(days=1),
            min_duration=1.5,
            max_duration=timedelta(minutes=1),
        )
        assert [call async for call in found] == []
        wanted = service.requests("ListInvocations")[0].filter
        assert (wanted.session_id, wanted.user_id, wanted.project, wanted.tool) == ("s", "u", "p", "git")
        assert list(wanted.statuses) == [
            event_pb2.INVOCATION_STATUS_FAILED,
            event_pb2.INVOCATION_STATUS_INTERRUPTED,
        ]
        assert wanted.started_from.ToDatetime(UTC) == DAY
        assert wanted.started_before.ToDatetime(UTC) == DAY + timedelta(days=1)
        assert (wanted.min_duration.ToMilliseconds(), wanted.max_duration.ToSeconds()) == (1500, 60)
        assert {field.name for field, _ in wanted.ListFields()} == set(wanted.DESCRIPTOR.fields_by_name)

    @pytest.mark.parametrize(
        ("asked", "statuses", "open_too"),
        [
            ({}, [], False),
            ({"running": True}, [], True),
            ({"status": "running"}, [], True),
            ({"status": ["running", "failed"]}, [event_pb2.INVOCATION_STATUS_FAILED], True),
            ({"status": "failed", "running": True}, [event_pb2.INVOCATION_STATUS_FAILED], True),
        ],
        ids=str,
    )
    async def test_running_is_a_status_like_others(
        self, client: Client, service: FakeService, asked, statuses, open_too
    ):
        [_ async for _ in client.invocations(**asked)]
        wanted = service.requests("ListInvocations")[0].filter
        assert (list(wanted.statuses), wanted.running) == (statuses, open_too)

    @pytest.mark.parametrize(
        ("field", "wrong"),
        [("status", "asleep"), ("min_duration", -1), ("started_after", datetime(2026, 3, 1)), ("consistency", "")],
    )
    async def test_what_is_wrong_on_its_face_is_not_sent(self, client: Client, field: str, wrong: Any):
        with pytest.raises(InvalidFieldError, match=field):
            client.invocations(**{field: wrong})

    async def test_a_list_is_read_page_by_page(self, client: Client, service: FakeService):
        service.invocations = [found_invocation(number) for number in range(8)]
        assert [call.id async for call in client.invocations()] == [f"i{number}" for number in range(8)]
        assert len(service.requests("ListInvocations")) == 3
        assert len([call async for call in client.invocations(limit=4)]) == 4

    async def test_one_that_ended_and_one_that_runs(self, client: Client, service: FakeService):
        ended = found_invocation(
            1,
            status=event_pb2.INVOCATION_STATUS_FAILED,
            request_id="r",
            cost_micros=250_000,
            arguments=session_pb2.Value(json=b'{"command":"status"}'),
            result=session_pb2.Value(json=b"null"),
            error="exit status 1",
        )
        ended.end_time.FromSeconds(1_004)
        ended.duration.FromMilliseconds(2_500)
        service.invocations = [ended, found_invocation(2)]
        first, second = [call async for call in client.invocations()]
        assert first == Invocation(
            session_id="s",
            id="i1",
            tool="git",
            arguments={"command": "status"},
            status=InvocationStatus.FAILED,
            error="exit status 1",
            duration=timedelta(seconds=2.5),
            cost=0.25,
            request_id="r",
            started_time=datetime.fromtimestamp(1_001, UTC),
            finished_time=datetime.fromtimestamp(1_004, UTC),
        )
        assert (second.status, second.duration, second.finished_time) == (InvocationStatus.RUNNING, None, None)

    async def test_one_with_its_session(self, client: Client, service: FakeService):
        service.add_session("s", revision=3)
        service.invocations = [found_invocation(7)]
        found = await client.get_invocation("s", "i7")
        assert isinstance(found, FoundInvocation)
        assert (found.tool, found.session_id, found.session.id, found.session.revision) == ("git", "s", "s", 3)

    async def test_one_that_is_not_there(self, client: Client, service: FakeService):
        service.plan("GetInvocation", fail(Code.NOT_FOUND, "INVOCATION_NOT_FOUND", session_id="s", invocation_id="i"))
        with pytest.raises(InvocationNotFoundError) as raised:
            await client.get_invocation("s", "i")
        assert (raised.value.session_id, raised.value.invocation_id) == ("s", "i")


class TestCatalogAway:
    async def test_a_catalog_that_comes_back_in_time_is_not_missed(self, client: Client, service: FakeService):
        service.add_session("s")
        for method in ("ListSessions", "SearchSessions", "CountSessions"):
            service.plan(method, fail(Code.UNAVAILABLE, "CATALOG_UNAVAILABLE"))
        assert len([session async for session in client.list_sessions()]) == 1
        assert len([found async for found in client.search("x")]) == 1
        assert await client.count_sessions() == 1

    async def test_one_that_stays_away_is_told_from_a_server_that_does(self, running, service: FakeService):
        service.plan("CountSessions", *[fail(Code.UNAVAILABLE, "CATALOG_UNAVAILABLE")] * 50)
        once = {"retry": RetryPolicy(initial_delay=0.05, max_delay=0.05), "timeouts": Timeouts(total=0.3, connect=5)}
        async with running.client(**once) as client:
            with pytest.raises(CatalogUnavailableError):
                await client.count_sessions()
