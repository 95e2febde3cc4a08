"""Every page names only what there is: its links lead somewhere, its commands, modules and paths exist."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from arc_fabric.cli.app import MODULES, app

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")])
ROOMS = "arc_fabric|benchmarks|docs|tests|webapp|workers"
for _name in MODULES:
    importlib.import_module(f"arc_fabric.cli.{_name}")
CLI = typer.main.get_command(app)


def code(text: str) -> Iterator[str]:
    """The lines of blocks, continued ones joined, without what follows a #; and what stands between backticks."""
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from (line.split(" # ")[0] for line in block.replace("\\\n", " ").splitlines())
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def slugs(text: str) -> set[str]:
    """The anchors of the headings."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads}


def unknown_options(line: str) -> list[str]:
    """What a command line of `arc-fabric` names that it does not have."""
    words = shlex.split(line.replace("…", ""))
    words = words[1 : next((at for at, word in enumerate(words) if word in ("|", "&&", ">", "&")), None)]
    context = click.Context(CLI)
    command: click.Command = CLI
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] in ("--config", "--url", "--set", "-s") else words[1:]
    while words and hasattr(command, "get_command") and re.fullmatch("[a-z]+", words[0]):
        found = command.get_command(context, words[0])
        if found is None:
            return [words[0]]
        command, words = found, words[1:]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help", "--"}
    given = words[: words.index("--")] if "--" in words else words
    return [word for word in given if re.match(r"--?[a-z]", word) and word.split("=")[0] not in known]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Relative ones: the file is there, and the heading in it."""
    text = page.read_text()
    for target in re.findall(r"\]\((?![a-z]+:)([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in slugs(file.read_text()), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    """Targets of make, modules of `python -m`, commands of `arc-fabric` with their options."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in code(page.read_text()):
        assert set(re.findall(r"^make ([a-z-]+)", line)) <= targets, line
        for module in re.findall(r"python[\d.]* -m ([\w.]+)", line):
            assert importlib.util.find_spec(module), line
        if found := re.match(r"(?:\.venv/bin/)?(arc-fabric(?: .*)?)$", line):
            assert unknown_options(found[1]) == [], line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    """Paths below the rooms of the repository, also with an asterisk."""
    for line in code(page.read_text()):
        for path in re.findall(rf"(?:^|\s)((?:{ROOMS})/[\w./*-]*\w)", line):
            assert any(ROOT.glob(path)) or (ROOT / f"{path}.py").exists(), line
