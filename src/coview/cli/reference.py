"""What a config may say, read from the code itself: `coview list` prints it, `make docs` writes it."""

import ast
import dataclasses
import inspect
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coview.config import RunConfig, as_plain
from coview.config.files import FOLDER, config_names
from coview.registry import Registry

LISTS = ("views", "encoders", "methods", "layouts", "protocols", "analyses", "configs")


def listing(what: str) -> str:
    """Return a list as text: one of LISTS, "settings", or "all" (every list but the settings)."""
    if what == "settings":
        return settings_text()
    chosen = LISTS if what == "all" else (what,)
    return "\n\n".join("\n".join([f"{name}:", *(f"  {row}" for row in _rows(name))]) for name in chosen)


def _rows(name: str) -> Iterator[str]:
    """Yield "name  its first line of documentation" for each row of a list."""
    if name == "configs":
        for config in config_names():
            first = (FOLDER / f"{config}.yaml").read_text(encoding="utf-8").splitlines()[0]
            yield f"{config:24} {first.removeprefix('# ')}"
        return
    registry = _registry(name)
    for row in registry:
        plugin = registry.plugin_of(row)
        yield f"{row:24} {_first_line(registry.load(row))}" + (f" ({plugin})" if plugin else "")


def _registry(name: str) -> Registry[Any]:
    from coview.analysis import ANALYSES
    from coview.datasets import LAYOUTS
    from coview.encoders import ENCODERS
    from coview.evaluation import PROTOCOLS
    from coview.methods import METHODS
    from coview.views import VIEWS

    registries: dict[str, Registry[Any]] = {
        "views": VIEWS,
        "encoders": ENCODERS,
        "methods": METHODS,
        "layouts": LAYOUTS,
        "protocols": PROTOCOLS,
        "analyses": ANALYSES,
    }
    return registries[name]


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").splitlines()[0] if inspect.getdoc(thing) else ""


def field_meanings(kind: type[Any]) -> dict[str, str]:
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


def settings_of(kind: type[Any], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield (dotted name, default, meaning) for every setting of a dataclass and of those inside it."""
    meanings = field_meanings(kind)
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(field.type):
            yield from settings_of(field.type, f"{prefix}{field.name}.")  # type: ignore[arg-type]
            continue
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        yield f"{prefix}{field.name}", as_plain(default), meanings.get(field.name, "")


def all_settings() -> Mapping[str, list[tuple[str, Any, str]]]:
    """Return heading -> settings, for runs, methods, views and synthetic videos."""
    from coview.analysis import ANALYSES
    from coview.config import ViewInput
    from coview.datasets.synthetic import SyntheticSettings
    from coview.evaluation import PROTOCOLS
    from coview.methods import METHODS
    from coview.views import VIEWS

    sections = {
        "pretrain": list(settings_of(RunConfig)),
        "pretrain, for each view": list(settings_of(ViewInput, "views.<name>.")),
    }
    for name in METHODS:
        sections[f"pretrain with method {name}"] = list(settings_of(METHODS.load(name).Settings, "method."))
    for name in PROTOCOLS:
        sections[f"evaluate with protocol {name}"] = list(settings_of(PROTOCOLS.load(name).Settings, f"{name}."))
    for name in ANALYSES:
        sections[f"analyse, {name}"] = list(settings_of(ANALYSES.load(name).Settings, f"{name}."))
    for name in VIEWS:
        sections[f"prepare, view {name}"] = list(settings_of(VIEWS.load(name).Options, f"{name}."))
    sections["prepare, layout synthetic"] = list(settings_of(SyntheticSettings, "synthetic."))
    return sections


def settings_text() -> str:
    """Return every setting with its default and meaning, as text."""
    blocks = []
    for heading, settings in all_settings().items():
        lines = [f"{heading}:"]
        for name, default, meaning in settings:
            lines.append(f"  {name} (default {default})")
            lines.extend(textwrap.wrap(meaning, 100, initial_indent="      ", subsequent_indent="      "))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def write_reference(folder: Path) -> list[Path]:
    """Write docs/settings.md and docs/lists.md; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["# Settings", "", "Written by `make docs` from the code; change the docstrings there.", ""]
    for heading, settings in all_settings().items():
        lines += [f"## {heading}", "", "| setting | default | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | `{default}` | {meaning.replace('|', '/')} |" for name, default, meaning in settings]
        lines.append("")
    settings_page, lists_page = folder / "settings.md", folder / "lists.md"
    settings_page.write_text("\n".join(lines), encoding="utf-8")
    lists_page.write_text(
        "# What a config or command may name\n\nWritten by `make docs` from the code.\n\n```\n"
        + listing("all")
        + "\n```\n",
        encoding="utf-8",
    )
    return [settings_page, lists_page]


if __name__ == "__main__":
    for page in write_reference(Path(sys.argv[1])):
        print(page)
