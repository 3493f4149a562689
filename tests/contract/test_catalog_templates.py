"""Templates in the catalog: as they were stored, by name, each tenant its own."""

import pytest

from sojourn_server.domain.errors import TemplateExistsError
from sojourn_server.domain.template import Template

WHOLE = Template(
    "nightly", "what runs at night", "qa", "shop", "Nightly run", ("b", "a"), {"team": b'"web"'},
    {"n": b"1", "deep": b'{"x": [1.0, null]}'}, 0, 86_400_000, 3, 1_700_000_000_000_000,
)  # fmt: skip


@pytest.fixture
def templates(catalog):
    return catalog.templates


async def test_a_template_is_as_it_was_stored(templates):
    assert await templates.get("t", "nightly") is None
    bare = Template("bare")
    for template in (WHOLE, bare):
        assert await templates.put("t", template, replace=False) is False
        assert await templates.get("t", template.name) == template


async def test_a_name_is_taken_until_it_is_replaced_or_deleted(templates):
    await templates.put("t", WHOLE, replace=False)
    other = Template("nightly", "other", created_us=2)
    with pytest.raises(TemplateExistsError):
        await templates.put("t", other, replace=False)
    assert await templates.get("t", "nightly") == WHOLE
    assert await templates.put("t", other, replace=True) is True
    assert await templates.get("t", "nightly") == other
    assert await templates.delete("t", "nightly") is True
    assert await templates.delete("t", "nightly") is False
    assert await templates.put("t", WHOLE, replace=True) is False


async def test_lists_by_name_of_one_tenant(templates):
    for name in ("b", "A", "a.1", "a-1"):
        await templates.put("t", Template(name), replace=False)
    await templates.put("other", Template("foreign"), replace=False)
    names = [template.name for template in await templates.list("t", after="", count=10)]
    assert names == sorted(names) == ["A", "a-1", "a.1", "b"]
    assert [template.name for template in await templates.list("t", after="a-1", count=1)] == ["a.1"]
    assert await templates.get("t", "foreign") is None
    assert await templates.delete("t", "foreign") is False
