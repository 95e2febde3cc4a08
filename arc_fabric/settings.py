"""Every setting of Arc Fabric: one place, one class.

A value comes from the first of these that names it: a command-line flag (or a keyword of `load_settings`),
an `ARC_FABRIC_<NAME>` environment variable, the TOML file, the default below.

>>> settings = load_settings(model="tabletop", host_cache_bytes="1 GiB")
>>> settings.host_cache_bytes == 1 << 30, settings.source("host_cache_bytes")
(True, 'flag')
>>> load_settings(max_checkpoint=3)
Traceback (most recent call last):
arc_fabric.errors.UnknownSetting: No setting is called 'max_checkpoint' (from the command line).

The TOML file is the one that `ARC_FABRIC_CONFIG` names, else `./arc-fabric.toml` where it exists.
Child processes get the whole of it through `Settings.to_env()`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from arc_fabric import rules
from arc_fabric.errors import InvalidRequest, UnknownSetting
from arc_fabric.rules.addresses import check_url, without_password

PREFIX = "ARC_FABRIC_"
CONFIG_VARIABLE = "ARC_FABRIC_CONFIG"
OTHER_VARIABLES = (
    CONFIG_VARIABLE, "ARC_FABRIC_DREAMZERO_SRC", "ARC_FABRIC_DREAMZERO_DEVICE", "ARC_FABRIC_SELFFORCING_SRC",
    "ARC_FABRIC_MATRIXGAME_SRC",
)  # fmt: skip
"""Variables with our prefix that name no setting: this module, the DreamZero adapter and its tests read them."""
DEFAULT_CONFIG = Path("arc-fabric.toml")
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")

Scope = Literal["read", "write", "admin"]
Source = Literal["flag", "environment", "file", "default"]
MIB, GIB = 1 << 20, 1 << 30


class Token(BaseModel):
    """An access token, written `name:scope:secret`.

    `read` may look, `write` may also work, `admin` may also log in to Flower.
    """

    model_config = ConfigDict(frozen=True)

    name: str = Field(min_length=1)
    scope: Scope
    secret: SecretStr = Field(min_length=16)

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = value.split(":", 2)
        if len(parts) != 3:
            raise ValueError("a token is written name:scope:secret")
        return dict(zip(("name", "scope", "secret"), parts, strict=True))

    def reveal(self) -> str:
        """`name:scope:secret`, for handing to a child process; never for a log."""
        return f"{self.name}:{self.scope}:{self.secret.get_secret_value()}"


class Settings(BaseModel):
    """What an operator may choose. Frozen: make another with `load_settings`."""

    model_config = ConfigDict(frozen=True, validate_default=True, hide_input_in_errors=True, allow_inf_nan=False)

    # Where things are kept and reached.
    data_dir: Path = Field(Path(".arc-fabric"), description="Folder of the embedded servers' data, secrets and logs.")
    redis_url: str = Field("", repr=False, description="Redis to use; empty: an embedded one is started in data_dir.")
    s3_endpoint: str = Field("", description="host:port of the object store; empty: an embedded one is started.")
    s3_access_key: str = Field("", description="Access key of the object store.")
    s3_secret_key: SecretStr = Field(SecretStr(""), description="Secret key of the object store.")
    s3_bucket: str = Field("arc-fabric", min_length=3, max_length=63, description="Bucket that holds everything.")
    s3_secure: bool = Field(False, description="Speak TLS to the object store.")

    # The web app and its neighbours.
    host: str = Field("127.0.0.1", min_length=1, description="Address the web app binds; beyond loopback needs tokens.")
    port: int = Field(0, ge=0, le=65535, description="Port of the web app; 0: 8321 if free, else any free one.")
    root_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="Path below which a reverse proxy shows the web app (/arc); empty: at the top.",
    )
    tokens: list[Token] = Field(
        default_factory=list,
        description="Access tokens, each name:scope:secret (scope read, write or admin).",
    )
    flower: bool = Field(True, description="Run Flower, the view on the workers and their tasks.")
    flower_port: int = Field(0, ge=0, le=65535, description="Port of Flower; 0: a free one.")
    openpi_port: int = Field(0, ge=0, le=65535, description="Port of the openpi policy server; 0: off.")
    openpi_key: SecretStr = Field(
        SecretStr(""), description="API key that openpi clients must send; needed where tokens are set, empty: none."
    )
    max_viewers: int = Field(64, ge=1, description="WebSocket connections served at once.")
    max_body_bytes: ByteSize = Field(ByteSize(16 * MIB), ge=1024, description="Largest request body.")
    max_prompt_chars: int = Field(2000, ge=1, description="Longest prompt.")

    # The command line and the client.
    url: str = Field(
        "", repr=False, description="Web app that commands talk to; empty: the `up` that runs on data_dir."
    )
    quotas: list[str] = Field(
        default_factory=list,
        description="What holders of tokens may have: name=sessions/bytes, * for every other token, - for no bound, as "
        "in ci=5/200GB. Empty: no bounds.",
    )
    token: SecretStr = Field(SecretStr(""), description="Secret of the token that commands send.")

    # Model and devices.
    model: str = Field("tabletop", min_length=1, description="Model to serve: tabletop, or dreamzero:<checkpoint dir>.")
    devices: str = Field(
        "auto",
        min_length=1,
        description="One worker per entry (cuda:0,cuda:1; cuda:0+cuda:1: one with a model over two GPUs); auto: all "
        "GPUs, else cpu,cpu.",
    )
    worker_threads: int = Field(
        0, ge=0, description="Torch threads of one worker; 0: cores shared out over the workers."
    )
    worker_allocator: str = Field(
        "auto",
        min_length=1,
        description="Memory allocator of workers with a model: auto (tcmalloc or jemalloc where installed), system, "
        "or the path of a library.",
    )

    # Limits on work.
    max_open_sessions: int = Field(5, ge=1, description="Sessions open at once; the next one is refused (409).")
    max_jobs_per_session: int = Field(1000, ge=1, description="Jobs one session may have waiting.")
    max_jobs_total: int = Field(10000, ge=1, description="Jobs that may wait in all.")
    max_steps_per_job: int = Field(1000, ge=1, description="Steps one job may ask for.")
    max_pinned: int = Field(50, ge=0, description="Checkpoints pinned at once; the next one is refused (409).")
    lease_ttl_s: float = Field(
        3.0, gt=0, description="Seconds without a sign of life after which a worker counts as dead."
    )
    batch_rows: int = Field(
        0, ge=0, le=256,
        description="Variants of evaluations that one worker steps together at most; 0: 4 on a CPU, on a GPU as memory "
        "allows, up to 16; 1: none.",
    )  # fmt: skip
    step_deadline_s: float = Field(300.0, gt=0, description="Longest time one model step may take, in seconds.")
    idle_park_s: float = Field(600.0, gt=0, description="Seconds idle after which a session's state leaves its worker.")
    affinity_queue_bound: int = Field(
        4, ge=1, description="Jobs waiting at a session's worker before another may take it."
    )

    # Snapshots.
    max_checkpoints: int = Field(50, ge=1, description="Snapshots one worker keeps at hand.")
    host_cache_bytes: ByteSize = Field(
        ByteSize(4 * GIB), ge=0, description="Host memory for cached snapshot pieces, per worker."
    )
    disk_cache_bytes: ByteSize = Field(
        ByteSize(0), ge=0, description="Local disk for cached snapshot pieces; 0: no disk tier."
    )
    upload_budget_bytes: ByteSize = Field(
        ByteSize(2 * GIB), ge=MIB, description="Bytes that may wait for upload, per worker."
    )
    snapshot_policy: Literal["auto", "full", "light"] = Field(
        "auto",
        description="Keep KV caches always (full), never (light: rebuilt from latents) or as it pays (auto).",
    )
    storage_budget_bytes: ByteSize = Field(
        ByteSize(0), ge=0, description="With policy auto: checkpoints in storage beyond this lose old KV; 0: no bound."
    )
    jobs_kept_s: float = Field(
        30 * 86_400.0, ge=86_400, description="Seconds for which the record of a finished job is kept."
    )
    jobs_kept: int = Field(
        100_000, ge=1, description="Job records kept; beyond it the oldest go that finished more than a day ago."
    )
    rest_after_s: float = Field(
        86_400.0,
        ge=0,
        description="Seconds after its last change at which a tree without open sessions goes to object storage; it "
        "comes back when it is needed. 0: never.",
    )
    retention: list[str] = Field(
        default_factory=list,
        description="Trees that are deleted once nobody touched them for so long: tag=seconds for those with a "
        "checkpoint of that tag, *=seconds for every one; the shortest rule counts. Empty: none.",
    )
    kept_tag: str = Field(
        "keep", min_length=1, description="Trees with a checkpoint of this tag are never deleted by age."
    )
    gc_grace_s: float = Field(
        3600.0, ge=0, description="Age in seconds before an unreferenced object may be collected."
    )
    clips_kept_s: float = Field(
        30 * 86_400.0,
        ge=3600,
        description="Seconds for which a clip is kept; it is made again when asked for.",
    )
    video_job_frames: int = Field(
        600, ge=0, description="Clips with more frames than this are made by a job on the media worker."
    )
    scorer_modules: list[str] = Field(
        default_factory=list,
        description="Modules whose functions evaluations may name as scorers (module:function), separated by commas.",
    )
    scorer_seconds: float = Field(60.0, gt=0, description="Seconds that the scorers of one variant may take.")
    log_bytes: ByteSize = Field(
        ByteSize(32 * MIB), ge=64 * 1024, description="Size at which `up` turns over a log; three older ones are kept."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="How much is logged.")

    _sources: dict[str, Source] = PrivateAttr(default_factory=dict)

    @field_validator("tokens", "scorer_modules", "retention", "quotas", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("retention")
    @classmethod
    def _is_retention(cls, value: list[str]) -> list[str]:
        rules.retention(value)
        return value

    @field_validator("quotas")
    @classmethod
    def _are_quotas(cls, value: list[str]) -> list[str]:
        rules.quotas(value)
        return value

    @field_validator("url", "redis_url", "s3_endpoint")
    @classmethod
    def _is_url(cls, value: str, info: ValidationInfo) -> str:
        if value and info.field_name == "url":
            check_url(value, "http", "https")
        elif value and info.field_name == "redis_url":
            check_url(value, "redis", "rediss", "unix")
        elif "@" in value:
            raise ValueError("takes no user and password: keys are settings of their own")
        elif value:
            check_url(value if "://" in value else f"http://{value}", "http", "https")
        return value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        try:
            return value.expanduser().absolute()
        except RuntimeError as error:  # ~somebody who is not known here
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _not_open_to_the_world(self) -> Settings:
        if self.host not in LOOPBACK_HOSTS and not self.tokens:
            raise ValueError(f"host {self.host} is reachable from other machines and no tokens are set")
        return self

    def source(self, name: str) -> Source:
        """Where the value of a setting came from."""
        return self._sources.get(name, "default")

    def shown(self, name: str) -> str:
        """The value as text, without any secret in it."""
        value = getattr(self, name)
        if isinstance(value, SecretStr):
            return "(set)" if value.get_secret_value() else ""
        if name == "tokens":
            return ", ".join(f"{token.name}:{token.scope}:***" for token in value)
        if isinstance(value, list):
            return ", ".join(value)
        return without_password(value) if name in ("redis_url", "url") else str(value)

    def to_env(self) -> dict[str, str]:
        """Every setting as `ARC_FABRIC_*` variables, secrets included: the environment of a child process."""
        return {env_name(name): _env_text(getattr(self, name)) for name in setting_names()}

    def replaced(self, **changes: Any) -> Settings:
        """A copy with some values changed; the changed ones count as flags."""
        values = {name: getattr(self, name) for name in setting_names()} | changes
        return _build(values, self._sources | dict.fromkeys(changes, "flag"))


def setting_names() -> list[str]:
    """The names of all settings, in the order of the class."""
    return list(Settings.model_fields)


def env_name(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def load_settings(*, config: Path | str | None = None, **overrides: Any) -> Settings:
    """Settings from `overrides` (flags), the environment, the TOML file and the defaults, in that order.

    Overrides that are None count as not given. Raises UnknownSetting and InvalidRequest.
    """
    flags = {name: value for name, value in overrides.items() if value is not None}
    _refuse_unknown(flags, "the command line")
    layers: list[tuple[Source, Mapping[str, Any]]] = [
        ("file", _read_file(config)),
        ("environment", _read_env()),
        ("flag", flags),
    ]
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for source, layer in layers:
        values.update(layer)
        sources.update(dict.fromkeys(layer, source))
    return _build(values, sources)


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once from the environment and the TOML file."""
    return load_settings()


def _build(values: Mapping[str, Any], sources: Mapping[str, Source]) -> Settings:
    for name, value in values.items():
        if isinstance(value, str) and any("\ud800" <= one <= "\udfff" or one == "\0" for one in value):
            raise InvalidRequest(f"Settings refused: {name} is no text.", hint="Write it as UTF-8.", settings=[name])
    try:
        settings = Settings(**values)
    except ValidationError as error:
        problems = {str(problem["loc"][0] if problem["loc"] else ""): problem["msg"] for problem in error.errors()}
        raise InvalidRequest(
            "Settings refused: " + "; ".join(f"{name + ': ' if name else ''}{text}" for name, text in problems.items()),
            hint="'arc-fabric settings' and docs/reference/settings.md say what each setting takes.",
            settings=sorted(problems),
        ) from None
    settings._sources = dict(sources)
    return settings


def _read_env() -> dict[str, str]:
    names = {key[len(PREFIX) :].lower(): value for key, value in os.environ.items() if _is_ours(key)}
    _refuse_unknown(names, "the environment", env_name)
    return names


def _is_ours(variable: str) -> bool:
    return variable.startswith(PREFIX) and variable not in OTHER_VARIABLES


def _read_file(config: Path | str | None) -> dict[str, Any]:
    named = config or os.environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else DEFAULT_CONFIG
    if not named and not path.is_file():
        return {}
    try:
        values = tomllib.loads(path.read_text("utf-8-sig"))  # Windows' editors put a mark in front
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"The settings file {path} cannot be read: {error}.", hint="It must be TOML.") from None
    _refuse_unknown(values, str(path))
    return values


def _refuse_unknown(names: Iterable[str], where: str, spell: Any = str) -> None:
    known = setting_names()
    for name in names:
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"Did you mean {spell(near[0])!r}?" if near else "'arc-fabric settings' lists them all."
        raise UnknownSetting(
            f"No setting is called {spell(name)!r} (from {where}).",
            hint=hint,
            name=name,
            nearest=near[0] if near else None,
        )


def _env_text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list):
        return ",".join(item if isinstance(item, str) else item.reveal() for item in value)
    return str(int(value)) if isinstance(value, int) else str(value)
