"""The embedded engine's configuration."""

from pathlib import Path

from sojourn_server.store.engine_config import EngineFiles, engine_directives, render_config

FILES = EngineFiles(Path("/data/valkey"), Path("/run/engine.sock"))


def values(*, durable: bool, maxmemory: int | None = None) -> dict[str, tuple[str, ...]]:
    return {name: tuple(rest) for name, *rest in engine_directives(FILES, durable=durable, maxmemory=maxmemory)}


def test_a_durable_engine_syncs_every_write_and_never_makes_an_exception():
    config = values(durable=True)
    assert config["appendonly"] == ("yes",)
    assert config["appendfsync"] == ("always",)
    assert config["no-appendfsync-on-rewrite"] == ("no",)
    assert config["save"] == ("",)


def test_an_ephemeral_engine_writes_nothing():
    config = values(durable=False)
    assert config["appendonly"] == ("no",)
    assert config["save"] == ("",)


def test_it_is_reached_by_its_socket_alone():
    config = values(durable=True)
    assert config["port"] == ("0",)
    assert config["unixsocket"] == ("/run/engine.sock",)
    assert config["unixsocketperm"] == ("600",)


def test_full_is_an_error_not_an_eviction():
    assert values(durable=True)["maxmemory"] == ("0",)
    config = values(durable=True, maxmemory=1 << 30)
    assert config["maxmemory"] == ("1073741824",)
    assert config["maxmemory-policy"] == ("noeviction",)


def test_arguments_are_quoted():
    assert render_config([("save", ""), ("dir", '/a "b"\\c\n')]) == 'save ""\ndir "/a \\"b\\"\\\\c\\n"\n'
