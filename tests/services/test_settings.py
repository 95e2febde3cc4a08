"""Settings: where values come from, what is refused, and that no secret is shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from arc_fabric.errors import ArcFabricError, InvalidRequest, UnknownSetting
from arc_fabric.settings import Settings, env_name, load_settings, setting_names

TOKEN = "lab:write:a-secret-of-the-lab"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No ARC_FABRIC_* variables and no settings file."""
    for name in list(os.environ):
        if name.startswith("ARC_FABRIC_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_flags_win_over_environment_over_file_over_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of the sources, and that each value knows its own."""
    Path("arc-fabric.toml").write_text("port = 1111\nflower_port = 1112\nmax_viewers = 7\n")
    monkeypatch.setenv("ARC_FABRIC_PORT", "2222")
    monkeypatch.setenv("ARC_FABRIC_FLOWER_PORT", "2223")
    settings = load_settings(port=3333)
    assert (settings.port, settings.flower_port, settings.max_viewers, settings.max_open_sessions) == (3333, 2223, 7, 5)
    names = ("port", "flower_port", "max_viewers", "max_open_sessions")
    assert [settings.source(name) for name in names] == ["flag", "environment", "file", "default"]


def test_the_file_that_is_named_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """ARC_FABRIC_CONFIG names the file; a named file that is missing or broken is an error."""
    file = tmp_path / "other.toml"
    file.write_text('model = "dreamzero:/x"\ntokens = ["' + TOKEN + '"]\n')
    monkeypatch.setenv("ARC_FABRIC_CONFIG", str(file))
    assert load_settings().model == "dreamzero:/x"
    assert load_settings().tokens[0].name == "lab"
    file.write_text("model = ")
    with pytest.raises(InvalidRequest, match="cannot be read"):
        load_settings()
    file.unlink()
    with pytest.raises(InvalidRequest, match="cannot be read"):
        load_settings()


@pytest.mark.parametrize("where", ["flag", "environment", "file"])
def test_an_unknown_setting_is_refused_with_the_nearest_name(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt setting never goes unnoticed."""
    overrides = {"max_open_session": 3} if where == "flag" else {}
    if where == "environment":
        monkeypatch.setenv("ARC_FABRIC_MAX_OPEN_SESSION", "3")
    if where == "file":
        Path("arc-fabric.toml").write_text("max_open_session = 3\n")
    with pytest.raises(UnknownSetting, match=r"(?i)max_open_session") as refused:
        load_settings(**overrides)
    assert refused.value.context["nearest"] == "max_open_sessions"
    assert "max_open_sessions" in refused.value.what_to_do.lower()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 70_000),
        ("port", "many"),
        ("max_open_sessions", 0),
        ("host_cache_bytes", "4 parsecs"),
        ("snapshot_policy", "sometimes"),
        ("tokens", "lab:write"),
        ("tokens", "lab:emperor:a-secret-of-the-lab"),
        ("tokens", "lab:write:short"),
        ("host", ""),
        ("url", "http://["),
        ("url", "127.0.0.1:8321"),
        ("url", "http://127.0.0.1:99999"),
        ("redis_url", "http://127.0.0.1:6379"),
        ("redis_url", "redis://127.0.0.1:many/0"),
        ("s3_endpoint", "http://["),
        ("rest_after_s", float("inf")),
        ("lease_ttl_s", float("nan")),
        ("retention", "*=nan"),
        ("quotas", "ci=-1/5"),
        ("data_dir", "~no-such-user/x"),
        ("data_dir", "a\0b"),
        ("s3_endpoint", "me:secret-of@host:9000"),
    ],
)
def test_a_value_without_sense_is_refused_by_name(name: str, value: object) -> None:
    """The refusal names the setting and shows no secret."""
    with pytest.raises(InvalidRequest, match=name) as refused:
        load_settings(**{name: value})
    assert name in refused.value.context["settings"]
    assert "secret-of" not in str(refused.value.to_dict())


def test_sizes_take_units() -> None:
    """Bytes may be written with a unit."""
    assert load_settings(host_cache_bytes="1.5 GiB").host_cache_bytes == 3 << 29


def test_beyond_loopback_a_token_is_required() -> None:
    """Nothing listens beyond loopback without a token."""
    with pytest.raises(InvalidRequest, match="no tokens are set"):
        load_settings(host="0.0.0.0")
    assert load_settings(host="0.0.0.0", tokens=TOKEN).host == "0.0.0.0"
    assert load_settings(host="::1").host == "::1"


def test_no_secret_is_shown() -> None:
    """Neither repr nor `shown` gives a secret away."""
    settings = load_settings(
        tokens=TOKEN,
        s3_secret_key="a-secret-of-s3",
        redis_url="redis://me:a-secret-of-redis@host/0",
        token="a-secret-of-me",
        url="http://me:a-secret-of-the-proxy@host",
    )
    assert "secret-of" not in repr(settings) + str(settings)
    assert "secret-of" not in " ".join(settings.shown(name) for name in setting_names())
    assert settings.shown("redis_url") == "redis://me:***@host/0"


def test_children_get_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """`to_env` carries every value, and wins over a file that the child finds."""
    parent = load_settings(
        tokens=TOKEN, port=1234, flower=False, host_cache_bytes="1 GiB", lease_ttl_s=1.5, s3_secret_key="key"
    )
    for name, value in parent.to_env().items():
        monkeypatch.setenv(name, value)
    Path("arc-fabric.toml").write_text("port = 4321\n")
    child = load_settings()
    assert all(getattr(child, name) == getattr(parent, name) for name in setting_names())


def test_settings_do_not_change() -> None:
    """A Settings object is frozen; a changed copy remembers that."""
    settings = load_settings()
    with pytest.raises(Exception, match="frozen"):
        settings.port = 1  # type: ignore[misc]
    assert settings.replaced(port=1).source("port") == "flag"
    assert settings.port == 0


def test_every_setting_is_documented() -> None:
    """docs/reference/settings.md has a row for each setting with its description, and for nothing else."""
    text = (Path(__file__).parents[2] / "docs" / "reference" / "settings.md").read_text()
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    assert sorted(rows) == sorted(setting_names())
    for name, field in Settings.model_fields.items():
        assert field.description
        assert field.description in rows[name], f"docs/reference/settings.md describes {name} otherwise than the code"
    assert env_name("data_dir") == "ARC_FABRIC_DATA_DIR"


def test_every_variable_that_the_docs_name_is_taken() -> None:
    """`arc-fabric settings` starts with all of them set: no variable of a how-to stops every command."""
    root = Path(__file__).parents[2]
    pages = [*root.glob("*.md"), *root.glob("docs/**/*.md")]
    named = {name for page in pages for name in re.findall(r"ARC_FABRIC_[A-Z0-9_]*[A-Z0-9]\b", page.read_text())}
    named -= {"ARC_FABRIC_PROT", "ARC_FABRIC_CONFIG"}  # an example of a misspelt one; a file that must be there
    assert "ARC_FABRIC_DREAMZERO_SRC" in named
    given = dict.fromkeys(named, "x") | {name: value for name, value in Settings().to_env().items() if name in named}
    command = [sys.executable, "-m", "arc_fabric", "settings"]
    done = subprocess.run(command, env={**os.environ, **given}, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_that_are_no_settings_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence: nested without end, not UTF-8, a folder. A byte order mark is none of their faults, and a pipe
    that happens to lie here is no settings file."""
    file = tmp_path / "some.toml"
    for data in (b"a = " + b"[" * 100_000, b"\xff\xfe\0", b'data_dir = "a\\u0000b"', b"[settings]\nport = 1"):
        file.write_bytes(data)
        with pytest.raises(ArcFabricError):
            load_settings(config=file)
    with pytest.raises(InvalidRequest, match="cannot be read"):
        load_settings(config=tmp_path)
    file.write_bytes(b"\xef\xbb\xbfport = 1234")
    assert load_settings(config=file).port == 1234
    monkeypatch.chdir(tmp_path)
    os.mkfifo("arc-fabric.toml")
    assert load_settings().source("port") == "default"
