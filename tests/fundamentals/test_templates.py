"""Templates: what new sessions of a kind begin with. What `create_session` says wins."""

from datetime import timedelta

import pytest

import sojourn


async def test_sessions_begin_with_a_template(client, name):
    await client.create_template(
        name, kind="qa", purpose="nightly run", tags=["nightly"], state={"browser": "firefox", "retries": 2},
        idle_timeout=timedelta(hours=1), max_concurrent_requests=1,
    )  # fmt: skip
    session = await client.create_session(template=name, tags=["shop"], state={"retries": 0})
    info = session.info
    assert session.id.startswith("qa-")
    assert (info.purpose, info.tags) == ("nightly run", ("nightly", "shop"))
    assert info.state == {"browser": "firefox", "retries": 0}
    assert (info.idle_timeout, info.max_concurrent_requests) == (timedelta(hours=1), 1)


async def test_a_template_is_there_until_it_is_deleted(client, name):
    stored = await client.create_template(name, description="for tests", metadata={"team": "web"})
    assert stored == await client.get_template(name)
    assert stored in [template async for template in client.templates()]
    await client.delete_template(name)
    with pytest.raises(sojourn.TemplateNotFoundError):
        await client.get_template(name)
    with pytest.raises(sojourn.TemplateNotFoundError):
        await client.create_session(template=name)


async def test_a_name_is_taken_until_it_is_replaced(client, name):
    await client.create_template(name, purpose="old")
    with pytest.raises(sojourn.TemplateAlreadyExistsError):
        await client.create_template(name, purpose="new")
    await client.create_template(name, purpose="new", replace=True)
    assert (await client.create_session(template=name)).info.purpose == "new"
