"""What `coview list` prints, without importing what it names: that would take seconds and half a gigabyte.

The first lines and settings of our own rows lie beside this file, written by `make docs` from the code; a test holds
them fresh. Where a plugin adds rows, the code itself is read.
"""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coview.config.files import config_groups, config_meaning
from coview.registry import has_plugins

LISTS = ("views", "encoders", "methods", "layouts", "protocols", "metrics", "analyses", "augmentations", "configs")
DESCRIBED = Path(__file__).parent / "described.json"


@dataclass(frozen=True)
class Described:
    """What the code says of itself.

    Attributes:
        rows: list -> its rows, "name  first line of its documentation"; every list but the configs.
        settings: heading -> (dotted name, default, meaning) of each setting.
    """

    rows: Mapping[str, list[str]]
    settings: Mapping[str, list[tuple[str, Any, str]]]


def read_described() -> Described:
    """Return what `make docs` found in the code, or what the code says now if plugins add to it."""
    if has_plugins():
        from coview.cli.reference import describe

        return describe()
    return Described(**json.loads(DESCRIBED.read_text(encoding="utf-8")))


def listing(what: str, described: Described) -> str:
    """Return a list as text: one of LISTS, "settings", or "all" (every list but the settings)."""
    if what == "settings":
        return "\n\n".join(_settings_block(heading, rows) for heading, rows in described.settings.items())
    rows = {**described.rows, "configs": list(_config_rows())}
    chosen = LISTS if what == "all" else (what,)
    return "\n\n".join("\n".join([f"{name}:", *(f"  {row}" for row in rows[name])]) for name in chosen)


def _config_rows() -> Iterator[str]:
    for group, (meaning, configs) in config_groups().items():
        yield f"{group}: {meaning}"
        for config in configs:
            shown = config if group in ("own", "demo") else f"{group}/{config}"
            yield f"  {shown:40} {config_meaning(config)}"


def _settings_block(heading: str, settings: list[tuple[str, Any, str]]) -> str:
    """Return the settings under a heading, each with its default and meaning, as text."""
    lines = [f"{heading}:"]
    for name, default, meaning in settings:
        lines.append(f"  {name} (default {default})")
        lines.extend(textwrap.wrap(meaning, 100, initial_indent="      ", subsequent_indent="      "))
    return "\n".join(lines)
