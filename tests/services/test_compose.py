"""docker-compose.yml says what we mean: known keys, commands and settings that exist, nothing open to the world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from arc_fabric.cli.app import MODULES
from arc_fabric.settings import env_name, setting_names

ROOT = Path(__file__).parents[2]

# The part of the Compose Specification that we use; a key outside it is a misspelling until it is added here.
STRINGS = {"type": "array", "items": {"type": "string"}}
CONDITIONS = ["service_started", "service_healthy", "service_completed_successfully"]
DEVICE = {
    "type": "object",
    "properties": {"driver": {"const": "nvidia"}, "device_ids": STRINGS, "capabilities": STRINGS},
    "required": ["driver", "device_ids", "capabilities"],
    "additionalProperties": False,
}
SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "build": {"const": "."},
        "image": {"type": "string"},
        "init": {"type": "boolean"},
        "command": STRINGS,
        "restart": {"enum": ["unless-stopped", "no"]},
        "environment": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
        "volumes": STRINGS,
        "ports": STRINGS,
        "stop_grace_period": {"type": "string", "pattern": r"^\d+s$"},
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {"condition": {"enum": CONDITIONS}},
                "required": ["condition"],
                "additionalProperties": False,
            },
        },
        "healthcheck": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"test": STRINGS, "interval": {}, "timeout": {}, "retries": {"type": "integer"}},
        },
        "deploy": {
            "type": ["object", "null"],
            "properties": {
                "resources": {
                    "type": "object",
                    "properties": {
                        "reservations": {
                            "type": "object",
                            "properties": {"devices": {"type": "array", "items": DEVICE}},
                        }
                    },
                }
            },
        },
    },
}
COMPOSE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["services"],
    "patternProperties": {"^x-": {}},
    "properties": {
        "name": {"type": "string"},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
        "services": {"type": "object", "additionalProperties": SERVICE, "minProperties": 1},
    },
}


class Loader(yaml.SafeLoader):
    """YAML as Compose reads it: with its `!reset` tag."""


Loader.add_constructor("!reset", lambda loader, node: None)


def load(name: str) -> dict[str, Any]:
    """A compose file, merged keys resolved."""
    return dict(yaml.load((ROOT / name).read_text(), Loader))


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of docker-compose.yml."""
    return dict(load("docker-compose.yml")["services"])


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.cpu.yml"])
def test_the_file_follows_the_schema(name: str) -> None:
    """Only keys of the Compose Specification, with values of the right form."""
    jsonschema.validate(load(name), COMPOSE)


def test_every_part_is_there(services: dict[str, Any]) -> None:
    """Redis, MinIO, web, a worker per GPU, media, Flower; each GPU is given to one worker."""
    assert set(services) == {"redis", "minio", "bucket", "web", "gpu.0", "gpu.1", "media", "flower"}
    devices = [services[f"gpu.{n}"]["deploy"]["resources"]["reservations"]["devices"][0]["device_ids"] for n in (0, 1)]
    assert devices == [["0"], ["1"]]


def test_what_is_depended_on_exists_and_can_be_healthy(services: dict[str, Any]) -> None:
    """No dangling or impossible condition, no unknown volume."""
    known_volumes = load("docker-compose.yml")["volumes"]
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services
            assert how["condition"] != "service_healthy" or "healthcheck" in services[needed]
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in known_volumes


def test_our_commands_and_settings_exist(services: dict[str, Any]) -> None:
    """Each of our containers runs a command that the command line has, with settings that exist."""
    commands = {command for names in MODULES.values() for command in names}
    known = {env_name(name) for name in setting_names()}
    for name, service in services.items():
        if service.get("image") != "arc-fabric":
            continue
        assert service["command"][0] in commands, name
        assert set(service["environment"]) <= known, name
        assert "ARC_FABRIC_TOKENS" in service["environment"], name


def test_nothing_is_published_beyond_loopback(services: dict[str, Any]) -> None:
    """Every published port is bound to 127.0.0.1, and no secret has a default."""
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    text = (ROOT / "docker-compose.yml").read_text()
    assert text.count("SECRET_KEY:?") >= 2
    assert "TOKENS:?" in text


def test_the_image_has_what_the_package_needs() -> None:
    """The Dockerfile copies every top-level package and pins from the constraints file."""
    text = (ROOT / "Dockerfile").read_text()
    for needed in ("arc_fabric", "workers", "webapp", "celeryconfig.py", "constraints.txt", "pyproject.toml"):
        assert needed in text
    assert (ROOT / "celeryconfig.py").exists()
    assert "USER arc" in text
    assert "'.[server,sdk]'" in text, "what tests/install proves to be enough for a worker"
