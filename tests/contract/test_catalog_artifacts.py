"""Artifacts in the catalog: every condition, the order, the pages, and nobody sees another session's."""

from typing import Any

import pytest

from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.domain.artifacts import Artifact
from sojourn_server.domain.details import ArtifactDetail
from sojourn_server.ports.artifacts import ArtifactFilter
from tests.support.stories import BEGAN_US, Story, tell

SHA256 = "ab" * 32


def picture(name: str, version: int, phase: str = "") -> ArtifactDetail:
    return ArtifactDetail(name, version, "image/png", 10 * version, SHA256, phase, {"n": str(version)})


@pytest.fixture
async def story(catalog: SqlCatalog) -> Story:
    """Two events with two artifacts each, and one with a name that has been there before."""
    story = Story("s", created_us=BEGAN_US)
    story.add(picture("home", 1, "before"), ArtifactDetail("trace%", 1, "text/plain"))
    story.add(picture("home", 2, "after"), ArtifactDetail("log", content_type="text/x-log", uri="https://x/log"))
    story.add(ArtifactDetail("log", content_type="TEXT/plain"))
    other = Story("s", tenant="other").add(picture("home", 7))
    await tell(catalog, story, other)
    return story


async def found(catalog: SqlCatalog, story: Story, **conditions: Any) -> list[tuple[str, int, int]]:
    """(name, version, revision) of the artifacts that match."""
    artifacts = await catalog.artifacts(story.session.uid, ArtifactFilter(**conditions), after=None, count=100)
    return [(one.name, one.version, one.revision) for one in artifacts]


async def test_an_artifact_is_all_that_its_event_told(catalog, story):
    assert await catalog.artifact(story.session.uid, "home", 1) == Artifact(
        "s", "home", 1, "image/png", 10, SHA256, "before", {"n": "1"}, "", 2, 0, story.events[1].commit_us
    )


async def test_conditions(catalog, story):
    everything = [("home", 1, 2), ("trace%", 1, 2), ("home", 2, 3), ("log", 0, 3), ("log", 0, 4)]
    assert await found(catalog, story) == everything
    assert await found(catalog, story, name="home") == [("home", 1, 2), ("home", 2, 3)]
    assert await found(catalog, story, name="trace") == []
    assert await found(catalog, story, phase="before") == [("home", 1, 2)]
    assert await found(catalog, story, content_type="text/plain") == [("trace%", 1, 2)]
    assert await found(catalog, story, content_type="text/*") == [("trace%", 1, 2), ("log", 0, 3)]
    assert await found(catalog, story, content_type="%/*") == []
    assert await found(catalog, story, newest_only=True) == [("trace%", 1, 2), ("home", 2, 3), ("log", 0, 4)]
    assert await found(catalog, story, newest_only=True, content_type="text/x-log") == [("log", 0, 3)]
    assert await found(catalog, story, newest_only=True, phase="before") == [("home", 1, 2)]


@pytest.mark.parametrize("newest_only", [False, True])
async def test_pages_are_the_whole_list_whatever_their_size(catalog, story, newest_only):
    wanted = ArtifactFilter(newest_only=newest_only)
    whole = await catalog.artifacts(story.session.uid, wanted, after=None, count=100)
    pages, after = [], None
    while page := await catalog.artifacts(story.session.uid, wanted, after=after, count=1):
        pages += page
        after = (page[-1].revision, page[-1].position)
    assert pages == whole


async def test_the_newest_is_the_one_attached_last(catalog, story):
    async def newest(name: str, version: int = 0) -> Any:
        artifact = await catalog.artifact(story.session.uid, name, version)
        return artifact and (artifact.version, artifact.revision)

    assert await newest("home") == (2, 3)
    assert await newest("home", 1) == (1, 2)
    assert await newest("home", 7) is None
    assert await newest("log") == (0, 4)
    assert await newest("LOG") is None
    assert await newest("none") is None
    assert await catalog.artifact("00", "home", 0) is None
