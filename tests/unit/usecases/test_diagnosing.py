"""What the facts of an engine, a catalog, a blob store and of settings mean: each check with what makes it fail."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from sojourn_server.domain.checks import CheckStatus
from sojourn_server.domain.errors import BlobsUnavailableError, CatalogUnavailableError, StoreUnavailableError
from sojourn_server.domain.events import Durability
from sojourn_server.ports.outbox import Backlog
from sojourn_server.ports.probes import CatalogFacts, EngineFacts
from sojourn_server.settings import Settings
from sojourn_server.settings_checks import settings_checks
from sojourn_server.usecases.diagnosing import Diagnosing

OK, WARNING, FAILED = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.FAILED
GIB = 1 << 30
ENGINE = EngineFacts(
    "", "valkey", "9.0.1", "0123456789abcdef", 7_200, True, "always", "", 0, GIB, "noeviction", 0, 0, 0.001, 0.001
)
CATALOG = CatalogFacts("PostgreSQL 16.2", "", 0.002, 0.0)


class Given:
    """What is asked; an error is raised."""

    def __init__(self, answer):
        self.answer = answer

    async def facts(self):
        return self._given()

    async def backlog(self):
        return self._given()

    def _given(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Blobs:
    """Keeps one object."""

    def __init__(self, *, spoils=False, keeps=False, error=None):
        self.content = None
        self.spoils, self.keeps, self.error = spoils, keeps, error

    async def put(self, path, pieces):
        if self.error:
            raise self.error
        self.content = b"".join([piece async for piece in pieces])

    async def read(self, path, *, start=0, end=None) -> AsyncIterator[bytes]:
        yield b"?" if self.spoils else self.content

    async def delete(self, path):
        if not self.keeps:
            self.content = None

    async def head(self, path):
        return self.content


async def checks(*nodes, catalog=CATALOG, blobs=None, backlog=None, level=Durability.LOCAL_FSYNC, error=None):
    """The checks by name; of those of one name the worst."""
    diagnosing = Diagnosing(
        Given(error or list(nodes) or [ENGINE]), Given(catalog), blobs or Blobs(), Given(backlog or Backlog()),
        lambda: level, [],
    )  # fmt: skip
    found = sorted(await diagnosing.checks(), key=lambda check: check.status)
    return {check.name: check for check in found}


async def test_a_deployment_that_is_well():
    found = await checks()
    assert {check.status for check in found.values()} == {OK}
    assert not any(check.advice for check in found.values())
    assert set(found) == {
        "engine", "engine.memory", "durability", "clock", "catalog", "catalog.schema", "outbox", "blobs",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "status", "facts"),
    [
        ("engine", FAILED, {"product": "redis", "version": "6.2.14"}),
        ("engine", FAILED, {"version": "7.1.9"}),
        ("engine", OK, {"product": "redis", "version": "7.0.0"}),
        ("engine", WARNING, {"product": "other", "version": "7.2.4"}),
        ("engine.memory", FAILED, {"memory_policy": "allkeys-lru", "maxmemory": 2 * GIB}),
        ("engine.memory", WARNING, {"memory_policy": "allkeys-lru"}),
        ("engine.memory", WARNING, {"maxmemory": GIB + 1}),
        ("engine.memory", OK, {"maxmemory": 2 * GIB}),
        ("engine.memory", FAILED, {"evicted_keys": 3}),
        ("engine.disk", FAILED, {"disk_error": "aof last write"}),
        ("clock", WARNING, {"ahead_seconds": -3.0}),
        ("clock", FAILED, {"ahead_seconds": 90.0}),
        ("clock", OK, {"ahead_seconds": 3.0, "within_seconds": 2.0}),
    ],
)
async def test_the_engine(name, status, facts):
    check = (await checks(replace(ENGINE, **facts)))[name]
    assert (check.status, bool(check.advice)) == (status, status is not OK)


async def test_one_bad_node_of_several_is_named():
    found = await checks(replace(ENGINE, node="a:1"), replace(ENGINE, node="b:2", evicted_keys=1))
    assert found["engine.memory"].found.startswith("node b:2:")


@pytest.mark.parametrize(
    ("level", "facts", "status", "words"),
    [
        (Durability.LOCAL_FSYNC, {}, OK, "on disk"),
        (Durability.RELAXED, {"appendfsync": "everysec"}, WARNING, "everysec"),
        (Durability.RELAXED, {"appendonly": False, "appendfsync": ""}, WARNING, "nothing is written to disk"),
        (Durability.REPLICATED, {"replicas": 2}, OK, "2 or more"),
        (Durability.REPLICATED, {"replicas": 0}, FAILED, "replicas"),
    ],
)
async def test_durability(level, facts, status, words):
    check = (await checks(replace(ENGINE, **facts), level=level))["durability"]
    assert check.status is status
    assert words in check.found


async def test_the_catalog():
    behind = await checks(catalog=replace(CATALOG, schema_problem="the catalog is empty"))
    assert (behind["catalog.schema"].status, behind["catalog.schema"].found) == (FAILED, "the catalog is empty")
    assert "sojourn migrate" in behind["catalog.schema"].advice
    assert (await checks(catalog=replace(CATALOG, answered_seconds=1.5)))["catalog"].status is WARNING
    assert (await checks(catalog=replace(CATALOG, ahead_seconds=9.0)))["catalog.clock"].status is WARNING
    assert "catalog.clock" not in await checks(catalog=replace(CATALOG, ahead_seconds=None))


@pytest.mark.parametrize(("seconds", "status"), [(1, OK), (31, WARNING), (601, FAILED)])
async def test_the_outbox(seconds, status):
    check = (await checks(backlog=Backlog(1_200, seconds)))["outbox"]
    assert check.status is status
    assert "1,200 sessions" in check.found


async def test_the_blob_store():
    assert (await checks(blobs=Blobs(spoils=True)))["blobs"].status is FAILED
    assert (await checks(blobs=Blobs(keeps=True)))["blobs"].status is WARNING


async def test_what_does_not_answer_has_failed_and_the_rest_is_told():
    found = await checks(
        error=StoreUnavailableError("the engine does not answer", cause="down"),
        catalog=CatalogUnavailableError("it cannot be reached"), blobs=Blobs(error=BlobsUnavailableError("no route")),
        backlog=StoreUnavailableError("the engine does not answer", cause="down"),
    )  # fmt: skip
    assert {name: check.status for name, check in found.items()} == dict.fromkeys(
        ("engine", "catalog", "outbox", "blobs"), FAILED
    )
    assert all(check.found and check.advice for check in found.values())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"listen": "0.0.0.0:7431"}, "0.0.0.0"),
        ({"listen": ":7431"}, "all addresses"),
        ({"ephemeral": True}, "ephemeral"),
        ({"retention_seconds": 10}, "deleted for ever"),
        ({"archive_after_seconds": 10}, "archive objects"),
        ({"sweep_grace_seconds": 60}, "uploads"),
    ],
)
def test_settings_that_ask_for_trouble(given, words):
    assert [check.status for check in settings_checks(Settings())] == [OK]
    (check,) = settings_checks(Settings(**given))
    assert (check.status, words in check.found, bool(check.advice)) == (WARNING, True, True)
