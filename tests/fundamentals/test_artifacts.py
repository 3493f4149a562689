"""Artifacts: files, screenshots and traces of a session. The bytes go to the blob store, an event attaches them."""

import hashlib


async def test_a_screenshot_before_and_after(client, name):
    session = await client.create_session(name)
    before = await session.put_artifact("home.png", b"the old page", phase="before")
    after = await session.put_artifact("home.png", b"the new page", phase="after", labels={"browser": "firefox"})
    assert (before.version, after.version, after.content_type) == (1, 2, "image/png")
    assert after.sha256 == hashlib.sha256(b"the new page").hexdigest()

    assert await session.get_artifact("home.png") == b"the new page"
    assert await session.get_artifact("home.png", version=1) == b"the old page"
    assert [artifact async for artifact in session.artifacts()] == [before, after]
    assert [artifact async for artifact in session.artifacts(phase="before")] == [before]
    assert (await session.refresh()).counters.artifacts == 2


async def test_a_file_up_and_down_again(client, name, tmp_path):
    session = await client.create_session(name)
    (tmp_path / "trace.zip").write_bytes(b"what happened")
    await session.put_artifact("trace.zip", tmp_path / "trace.zip")
    artifact = await session.download_artifact("trace.zip", tmp_path / "again.zip")
    assert (artifact.name, artifact.size_bytes, artifact.content_type) == ("trace.zip", 13, "application/zip")
    assert (tmp_path / "again.zip").read_bytes() == b"what happened"


async def test_bytes_in_pieces(client, name):
    session = await client.create_session(name)

    async def lines():
        for number in range(3):
            yield f"line {number}\n".encode()

    await session.put_artifact("run.log", lines())
    assert [piece async for piece in session.open_artifact("run.log", offset=7, length=6)] == [b"line 1"]


async def test_a_large_value_is_given_as_a_reference(client, name):
    session = await client.create_session(name)
    report = await session.put_artifact("report.json", b'{"passed": 1200}')
    await session.set_result("report", report.reference())
    reference = (await session.refresh()).results["report"]["$artifact"]
    assert await session.get_artifact(reference["name"], version=reference["version"]) == b'{"passed": 1200}'


async def test_watchers_see_it_come(client, name):
    session = await client.create_session(name)
    async with session.watch(after=0, kinds="artifact_attached") as watch:
        artifact = await session.put_artifact("home.png", b"the page")
        event = await anext(aiter(watch))
    assert (event.changes[0].name, event.changes[0].sha256) == ("home.png", artifact.sha256)
