"""What a config may say, read from the code itself: `make docs` writes it, for the site and for `coview list`."""

import ast
import dataclasses
import importlib
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from coview.cli.listing import DESCRIBED, Described, listing
from coview.config import RunConfig, ViewInput, as_plain
from coview.files import write_text
from coview.registry import Registry

REGISTRIES = {
    "views": "coview.views:VIEWS",
    "encoders": "coview.encoders:ENCODERS",
    "methods": "coview.methods:METHODS",
    "layouts": "coview.datasets:LAYOUTS",
    "protocols": "coview.evaluation:PROTOCOLS",
    "metrics": "coview.evaluation:METRICS",
    "analyses": "coview.analysis:ANALYSES",
    "augmentations": "coview.augmentation:AUGMENTATIONS",
}


def describe() -> Described:
    """Return what the code and the plugins that are loaded say of themselves."""
    return Described({name: list(_rows(name)) for name in REGISTRIES}, all_settings())


def _rows(name: str) -> Iterator[str]:
    """Yield "name  its first line of documentation" for each row of a list."""
    registry = _registry(name)
    for row in registry:
        plugin = registry.plugin_of(row)
        yield f"{row:24} {_first_line(registry.load(row))}" + (f" ({plugin})" if plugin else "")


def _registry(name: str) -> Registry[Any]:
    module, _, attribute = REGISTRIES[name].partition(":")
    registry: Registry[Any] = getattr(importlib.import_module(module), attribute)
    return registry


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").splitlines()[0] if inspect.getdoc(thing) else ""


def _field_meanings(kind: type[Any]) -> dict[str, str]:
    """Return field name -> the docstring under it, for a dataclass."""
    meanings: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if dataclasses.is_dataclass(base):
            meanings |= _own_meanings(base)
    return meanings


def _own_meanings(kind: type[Any]) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    meanings = {}
    for field, after in zip(body.body[:-1], body.body[1:], strict=True):
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
            assert isinstance(after, ast.Expr)
            assert isinstance(after.value, ast.Constant)
            meanings[field.target.id] = " ".join(str(after.value.value).split())
    return meanings


def _settings_of(kind: type[Any], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield (dotted name, default, meaning) for every setting of a dataclass and of those inside it."""
    meanings = _field_meanings(kind)
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(field.type):
            yield from _settings_of(field.type, f"{prefix}{field.name}.")  # type: ignore[arg-type]
            continue
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        yield f"{prefix}{field.name}", as_plain(default), meanings.get(field.name, "")


def _arguments_of(build: Callable[..., Any], prefix: str) -> Iterator[tuple[str, Any, str]]:
    """Yield (dotted name, default, meaning) for every option of an encoder's constructor."""
    signature = inspect.signature(build)
    described = "\n".join(inspect.getdoc(one) or "" for one in (build, signature.return_annotation))
    meanings = dict(re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", described, re.MULTILINE))
    for argument in signature.parameters.values():
        if argument.name != "in_channels" and argument.default is not argument.empty:
            meaning = " ".join(meanings.get(argument.name, "").split())
            yield f"{prefix}{argument.name}", as_plain(argument.default), meaning


def all_settings() -> dict[str, list[tuple[str, Any, str]]]:
    """Return heading -> settings, for runs, methods, views and synthetic videos."""
    from coview.datasets.synthetic import SyntheticSettings

    sections = {
        "pretrain": list(_settings_of(RunConfig)),
        "pretrain, for each view": list(_settings_of(ViewInput, "views.<name>.")),
    }
    for what, heading, prefix, attribute in (
        ("methods", "pretrain with method {}", "method.", "Settings"),
        ("protocols", "evaluate with protocol {}", "{}.", "Settings"),
        ("analyses", "analyse, {}", "{}.", "Settings"),
        ("augmentations", "pretrain, one of augment.operations named {}", "", "Settings"),
        ("views", "prepare, view {}", "{}.", "Options"),
    ):
        registry = _registry(what)
        for name in registry:
            kind = getattr(registry.load(name), attribute)
            sections[heading.format(name)] = list(_settings_of(kind, prefix.format(name)))
    for name in (encoders := _registry("encoders")):
        if options := list(_arguments_of(encoders.load(name), "encoder.")):
            sections[f"pretrain with encoder {name}"] = options
    sections["prepare, layout synthetic"] = list(_settings_of(SyntheticSettings, "synthetic."))
    return sections


def _as_markdown(text: str) -> Iterator[str]:
    """Yield the lines of a command's docstring, its examples as a block of code."""
    described, _, examples = text.partition("\nExamples:\n")
    yield from described.splitlines()
    if examples:
        yield from ("", "```bash", *textwrap.dedent(examples).strip().splitlines(), "```")


def _options_of(kind: type[Any]) -> Iterator[str]:
    """Yield a row of a table for each argument of a command."""
    meanings = _field_meanings(kind)
    for field in dataclasses.fields(kind):
        is_needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        default = (
            "" if is_needed else f"`{as_plain(field.default)}`" if field.default is not dataclasses.MISSING else "`[]`"
        )
        meaning = meanings.get(field.name, "").replace("|", "/")
        yield f"| `{field.name.replace('_', '-')}` | {default} | {meaning} |"


def _write_reference(folder: Path, described_at: Path = DESCRIBED) -> list[Path]:
    """Write commands.md, settings.md and lists.md into a folder, and what `coview list` reads; return the files."""
    from coview.cli import COMMANDS

    described = describe()
    lines = ["# Settings", "", "Written by `make docs` from the code; change the docstrings there.", ""]
    for heading, settings in described.settings.items():
        lines += [f"## {heading}", "", "| setting | default | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | `{default}` | {meaning.replace('|', '/')} |" for name, default, meaning in settings]
        lines.append("")
    lists = "# What a config or command may name\n\nWritten by `make docs` from the code.\n\n"
    commands = ["# Commands", "", "Written by `make docs` from the code; change the docstrings there.", ""]
    for name, kind in COMMANDS.items():
        commands += [f"## coview {name}", "", *_as_markdown(inspect.getdoc(kind) or ""), ""]
        if options := list(_options_of(kind)):
            commands += ["| option | default | meaning |", "|---|---|---|", *options, ""]
    pages = {
        folder / "commands.md": "\n".join(commands),
        folder / "settings.md": "\n".join(lines),
        folder / "lists.md": f"{lists}```\n{listing('all', described)}\n```\n",
        described_at: json.dumps(dataclasses.asdict(described), indent=1) + "\n",
    }
    for page, text in pages.items():
        write_text(page, text)
    return list(pages)


if __name__ == "__main__":
    for page in _write_reference(*map(Path, sys.argv[1:])):
        print(page)
