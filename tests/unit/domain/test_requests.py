"""Scopes: what they are called, which a request needs, and how many each admits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn_server.domain.requests import (
    Quotas,
    RequestKey,
    Scope,
    ScopeKind,
    digest,
    parse_holder,
    scopes_of,
)
from sojourn_server.domain.session import SessionKey

EVERYTHING = Quotas(requests_per_user=1, requests_per_project=2, requests_per_tenant=3, requests_per_server=4)


def test_scarce_slots_are_taken_first():
    assert list(ScopeKind) == [
        ScopeKind.POOL, ScopeKind.USER, ScopeKind.PROJECT, ScopeKind.TENANT, ScopeKind.SERVER
    ]  # fmt: skip


def test_callers_are_told_the_limit_by_its_name():
    assert [kind.limit_name for kind in ScopeKind] == [
        "pool", "requests_per_user", "requests_per_project", "requests_per_tenant", "requests_per_server"
    ]  # fmt: skip


def test_only_limits_that_are_set_need_slots():
    assert Quotas().wide("") == ()
    assert Quotas().wide("browsers") == (ScopeKind.POOL,)
    assert Quotas(requests_per_tenant=5, requests_per_user=1).wide("") == (ScopeKind.USER, ScopeKind.TENANT)
    assert EVERYTHING.wide("browsers") == tuple(ScopeKind)


def test_the_limit_of_each_kind():
    assert [EVERYTHING.limit(kind) for kind in ScopeKind] == [0, 1, 2, 3, 4]
    assert [Quotas().limit(kind) for kind in ScopeKind] == [0] * 5


def test_the_scopes_of_a_request_in_the_order_of_taking():
    scopes = scopes_of("acme", tuple(ScopeKind), pool="browsers", user_id="ann", project="shop")
    assert scopes == (
        Scope(ScopeKind.POOL, "acme", "browsers"),
        Scope(ScopeKind.USER, "acme", "ann"),
        Scope(ScopeKind.PROJECT, "acme", "shop"),
        Scope(ScopeKind.TENANT, "acme"),
        Scope(ScopeKind.SERVER, ""),
    )


def test_a_session_without_a_user_or_project_is_counted_for_none():
    scopes = scopes_of("acme", EVERYTHING.wide(""), pool="", user_id="", project="")
    assert scopes == (Scope(ScopeKind.TENANT, "acme"), Scope(ScopeKind.SERVER, ""))


def test_all_tenants_share_the_scope_of_the_server():
    kinds = (ScopeKind.SERVER, ScopeKind.TENANT)
    ours, theirs = (scopes_of(tenant, kinds, pool="", user_id="", project="") for tenant in ("a", "b"))
    assert ours[0].path == theirs[0].path
    assert ours[1].path != theirs[1].path


def test_pools_are_called_by_their_names():
    assert Scope(ScopeKind.POOL, "acme", "browsers").path == "acme/1:browsers"


@given(st.text(), st.sampled_from([kind for kind in ScopeKind if kind is not ScopeKind.POOL]))
def test_labels_may_hold_anything(label, kind):
    """A path is part of keys and of the names of leases: `|` and `{` would break those."""
    path = Scope(kind, "acme", label).path
    assert path.startswith(f"acme/{int(kind)}:")
    assert not set(path) & set("|{} \n")
    assert len(digest(label)) == 16


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Scope(ScopeKind.USER, "acme", "ann"), Scope(ScopeKind.PROJECT, "acme", "ann")),
        (Scope(ScopeKind.USER, "acme", "ann"), Scope(ScopeKind.USER, "acme", "bob")),
        (Scope(ScopeKind.USER, "acme", "ann"), Scope(ScopeKind.USER, "other", "ann")),
        (Scope(ScopeKind.TENANT, "acme"), Scope(ScopeKind.SERVER, "")),
    ],
)
def test_different_scopes_have_different_paths(one, other):
    assert one.path != other.path


def test_a_request_is_named_in_a_scope_by_its_session_and_its_id():
    key = RequestKey(SessionKey("acme", "s-1"), "r.1")
    assert key.holder == "acme/s-1/r.1"
    assert parse_holder(key.holder) == key
