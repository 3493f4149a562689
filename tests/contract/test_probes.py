"""What engines and databases say of themselves, as real ones say it."""

from sqlalchemy import text

from sojourn_server.catalog.engine import writing
from sojourn_server.usecases.engine_checks import OLDEST


async def test_the_engine_tells_what_it_is(store, engine):
    facts = await store.probe.facts()
    assert len(facts) == (3 if engine.name == "cluster" else 1)
    for node in facts:
        numbers = tuple(int(part) for part in node.version.split(".")[:2])
        assert numbers >= OLDEST[node.product]
        assert len(node.run_id) == 40
        assert node.used_memory > 0
        assert node.memory_policy == "noeviction"
        assert node.disk_error == ""
        assert abs(node.ahead_seconds) <= node.within_seconds + 0.1
        assert bool(node.node) == (len(facts) > 1)
    assert len({node.run_id for node in facts}) == len(facts)


async def test_a_catalog_tells_what_it_is(catalog, catalog_url):
    facts = await catalog.probe.facts()
    assert facts.database.startswith("SQLite 3." if catalog_url.startswith("sqlite") else "PostgreSQL ")
    assert facts.schema_problem == ""
    assert (facts.ahead_seconds is None) == catalog_url.startswith("sqlite")
    assert facts.ahead_seconds is None or abs(facts.ahead_seconds) <= facts.answered_seconds + 0.1


async def test_a_catalog_of_another_version(catalog, catalog_engine):
    async with writing(catalog_engine) as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert "newer version" in (await catalog.probe.facts()).schema_problem
