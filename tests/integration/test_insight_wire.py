"""Statistics, comparisons and templates on the wire: sums checked against the logs of 100 recorded conversations, and
what is refused."""

from collections import Counter, defaultdict
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

import sojourn as sdk
from sojourn.v1 import session_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn.v1 import statistics_pb2 as spb
from sojourn.v1 import template_pb2 as tpb
from tests.support import wire

RECORDED = {"kind": "replay"}


@pytest.fixture
async def client(replayed):
    async with sdk.Client(replayed.target) as client:
        yield client


def added_up(sessions):
    """What the recorded sessions' own logs and heads say, added up in Python."""
    tools = defaultdict(lambda: [0, 0, timedelta(0), timedelta(0)])
    counters = Counter()
    tokens = 0
    lasted = timedelta(0)
    for each in sessions:
        counters.update(each.info.counters.model_dump())
        tokens += each.info.usage.total_tokens
        lasted += each.info.end_time - each.info.create_time
        for call in each.invocations:
            sums = tools[call.tool]
            sums[0] += 1
            sums[1] += call.status == "succeeded"
            sums[2] += call.duration
            sums[3] = max(sums[3], call.duration)
    return counters, tokens, lasted, {tool: tuple(sums) for tool, sums in tools.items()}


def as_added_up(found: sdk.Statistics):
    tools = {
        tool.tool: (tool.invocations, tool.succeeded, tool.total_duration, tool.max_duration) for tool in found.tools
    }
    return Counter(found.counters.model_dump()), found.usage.total_tokens, found.session_duration, tools


class TestStatistics:
    async def test_the_sums_of_all(self, client, replayed):
        assert await client.count_sessions(**RECORDED) == 100  # all are in the catalog
        report = await client.statistics(**RECORDED)
        assert as_added_up(report.total) == added_up(replayed.sessions)
        assert report.total.sessions_by_status == {"completed": 100}
        assert [bucket.statistics for bucket in report.buckets] == [report.total]
        invocations = [tool.invocations for tool in report.total.tools]
        assert invocations == sorted(invocations, reverse=True)
        assert sum((tool.total_duration for tool in report.total.tools), timedelta(0)) == report.total.tool_duration

    async def test_the_sums_of_each_group(self, client, replayed):
        for group, field in (("user", "user_id"), ("project", "project")):
            report = await client.statistics(**RECORDED, group_by=group)
            names = sorted({getattr(each.info, field) for each in replayed.sessions})
            assert [bucket.group for bucket in report.buckets] == names
            for bucket in report.buckets:
                members = [each for each in replayed.sessions if getattr(each.info, field) == bucket.group]
                assert as_added_up(bucket.statistics) == added_up(members)

    async def test_the_sums_of_each_period(self, client, replayed):
        hour = timedelta(hours=1)
        report = await client.statistics(**RECORDED, period=hour)
        by_hour = defaultdict(list)
        for each in replayed.sessions:
            created = each.info.create_time
            by_hour[created.replace(minute=0, second=0, microsecond=0)].append(each)
        assert [bucket.begin for bucket in report.buckets] == sorted(by_hour)
        for bucket in report.buckets:
            assert as_added_up(bucket.statistics) == added_up(by_hour[bucket.begin])

    async def test_conditions(self, client, replayed):
        chosen = [each for each in replayed.sessions if "even" in each.info.tags and each.info.project == "travel"]
        report = await client.statistics(**RECORDED, tags=["even"], project="travel")
        assert as_added_up(report.total) == added_up(chosen)
        assert (await client.statistics(project="no such")).buckets == ()

    async def test_the_sums_of_a_session(self, client, replayed):
        each = max(replayed.sessions, key=lambda one: len(one.invocations))
        assert as_added_up(await client.session(each.info.id).statistics()) == added_up([each])


class TestRefusals:
    @pytest.mark.parametrize(
        ("request_", "field"),
        [
            (spb.GetStatisticsRequest(period=Duration(seconds=3_599)), "period"),
            (spb.GetStatisticsRequest(period=Duration(seconds=-1)), "period"),
            (spb.GetStatisticsRequest(group_by=9), "group_by"),
            (spb.GetStatisticsRequest(filter=session_pb2.SessionFilter(statuses=[99])), "filter.statuses[0]"),
        ],
    )
    async def test_of_statistics(self, stub, request_, field):
        found = await wire.failure(stub.GetStatistics(request_))
        wire.check(found, "INVALID_ARGUMENT", "INVALID_FIELD")
        assert found.metadata["field"] == field

    async def test_sessions_that_are_not_there(self, stub, sid):
        await wire.create(stub, sid)
        for call in (
            stub.GetSessionStatistics(spb.GetSessionStatisticsRequest(session_id="none")),
            stub.GetSessionStatistics(spb.GetSessionStatisticsRequest(session_id="none", include_children=True)),
            stub.CompareSessions(spb.CompareSessionsRequest(baseline_id="none", session_id=sid)),
            stub.CompareSessions(spb.CompareSessionsRequest(baseline_id=sid, session_id="none")),
        ):
            wire.check(await wire.failure(call), "NOT_FOUND", "SESSION_NOT_FOUND")
        found = await wire.failure(stub.CompareSessions(spb.CompareSessionsRequest(baseline_id="/", session_id=sid)))
        assert found.metadata["field"] == "baseline_id"

    async def test_a_comparison_that_is_too_large(self, stub, sid):
        """Each has five megabytes that the other has not."""
        megabyte = {"v": "x" * 1_000_000}
        for name in (f"{sid}-1", f"{sid}-2"):
            await wire.create(stub, name)
            for number in range(5):
                await stub.WriteSession(wire.write(name, wire.state_set(**{f"{name[-1]}{number}": megabyte})))
        request = spb.CompareSessionsRequest(baseline_id=f"{sid}-1", session_id=f"{sid}-2")
        wire.check(await wire.failure(stub.CompareSessions(request)), "INVALID_ARGUMENT", "TOO_LARGE")

    @pytest.mark.parametrize(
        ("template", "reason", "field"),
        [
            (tpb.Template(), "INVALID_FIELD", "template.name"),
            (tpb.Template(name="a/b"), "INVALID_FIELD", "template.name"),
            (tpb.Template(name="-a"), "INVALID_FIELD", "template.name"),
            (tpb.Template(name="x" * 65), "INVALID_FIELD", "template.name"),
            (tpb.Template(name="t", description="x" * 4_097), "TOO_LARGE", "template.description"),
            (tpb.Template(name="t", kind="No"), "INVALID_FIELD", "kind"),
            (tpb.Template(name="t", tags=[""]), "INVALID_FIELD", "template.tags[0]"),
            (tpb.Template(name="t", max_concurrent_requests=-1), "INVALID_FIELD", "template.max_concurrent_requests"),
            (tpb.Template(name="t", state={"k": session_pb2.Value(json=b"{")}), "INVALID_FIELD", 'template.state["k"]'),
            (tpb.Template(name="t", idle_timeout=Duration(seconds=-1)), "INVALID_FIELD", "template.idle_timeout"),
            (tpb.Template(name="t", purpose="x" * (1 << 20)), "TOO_LARGE", "template"),
        ],
    )
    async def test_of_templates(self, stub, template, reason, field):
        found = await wire.failure(stub.CreateTemplate(tpb.CreateTemplateRequest(template=template)))
        wire.check(found, "INVALID_ARGUMENT", reason)
        assert found.metadata["field"] == field
        names = [one.name for one in (await stub.ListTemplates(tpb.ListTemplatesRequest())).templates]
        assert "t" not in names


class TestTemplates:
    async def test_what_both_say_must_not_be_too_much(self, stub, sid):
        tags = [f"t{number}" for number in range(40)]
        template = tpb.Template(name=sid, tags=tags)
        await stub.CreateTemplate(tpb.CreateTemplateRequest(template=template))
        request = pb.CreateSessionRequest(session_id=sid, template=sid, tags=[f"u{number}" for number in range(25)])
        found = await wire.failure(stub.CreateSession(request))
        wire.check(found, "INVALID_ARGUMENT", "INVALID_FIELD")
        missing = await wire.failure(stub.GetSession(pb.GetSessionRequest(session_id=sid)))
        assert missing.reason == "SESSION_NOT_FOUND"

    async def test_zero_is_said_and_unset_is_not(self, stub, sid):
        template = tpb.Template(name=sid, kind="qa", project="shop", idle_timeout=Duration(seconds=60))
        await stub.CreateTemplate(tpb.CreateTemplateRequest(template=template))
        unset = await wire.create(stub, f"{sid}-1", template=sid)
        assert (unset.kind, unset.project, unset.idle_timeout.seconds) == ("qa", "shop", 60)
        zero = await wire.create(stub, f"{sid}-2", template=sid, kind="chat", idle_timeout=Duration())
        assert (zero.kind, zero.project, zero.idle_timeout.seconds) == ("chat", "shop", 0)

    async def test_a_retried_creation_gives_the_first_result(self, stub, sid):
        template = tpb.Template(name=sid, state={"n": wire.value(1)})
        await stub.CreateTemplate(tpb.CreateTemplateRequest(template=template))
        request = pb.CreateSessionRequest(template=sid, idempotency_key=sid)
        first = await stub.CreateSession(request)
        again = await stub.CreateSession(request)
        assert first.session.uid == again.session.uid

    async def test_pages(self, stub, sid):
        for number in range(5):
            template = tpb.Template(name=f"{sid}-{number}")
            await stub.CreateTemplate(tpb.CreateTemplateRequest(template=template))
        names, token = [], ""
        while True:
            page = await stub.ListTemplates(tpb.ListTemplatesRequest(page_size=2, page_token=token))
            assert len(page.templates) <= 2
            names += [one.name for one in page.templates if one.name.startswith(sid)]
            if not (token := page.next_page_token):
                break
        assert names == [f"{sid}-{number}" for number in range(5)]
        found = await wire.failure(stub.ListTemplates(tpb.ListTemplatesRequest(page_token="nonsense")))
        assert found.reason == "PAGE_TOKEN_INVALID"

    async def test_errors_name_the_template(self, stub, sid):
        found = await wire.failure(stub.GetTemplate(tpb.GetTemplateRequest(name=sid)))
        assert (found.code, found.reason, found.metadata) == ("NOT_FOUND", "TEMPLATE_NOT_FOUND", {"template": sid})
        request = tpb.CreateTemplateRequest(template=tpb.Template(name=sid))
        await stub.CreateTemplate(request)
        found = await wire.failure(stub.CreateTemplate(request))
        assert (found.code, found.reason, found.metadata) == (
            "ALREADY_EXISTS", "TEMPLATE_ALREADY_EXISTS", {"template": sid},
        )  # fmt: skip
        found = await wire.failure(stub.CreateSession(pb.CreateSessionRequest(template="no/name")))
        assert found.metadata["field"] == "template"
