"""Configs: the presets that come with coview, a user's own YAML files, and what one is based on."""

import re
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from coview.config.parsing import as_plain, merge, override, parse
from coview.config.settings import RunConfig
from coview.config.yaml_files import read_yaml
from coview.errors import UserError
from coview.files import as_path
from coview.registry import did_you_mean

FOLDER = Path(__file__).parent / "presets"
"""One YAML file an experiment; its first line is the command that runs it."""
GROUPS = {
    "own": (
        "for videos of your own; `coview init` and `coview pretrain --data DIR` choose by themselves",
        "^(small|medium|joint)$",
    ),
    "demo": ("what `coview demo` runs", "^demo"),
    "cpu": ("twins of the papers' experiments for a laptop, on ten classes of UCF101", "-ucf10-"),
    "synthetic": ("the smallest twins, on synthetic clips", "-synthetic-"),
    "paper": ("the papers' experiments at their own sizes, for GPUs", ""),
}
"""Group -> what it is for, and the names that belong to it. `paper/NAME` and `NAME` are the same config."""
_LONGEST_MEANING = 130
BASE = "base"
"""A config's key for another that it changes: a name, or a path from its own folder."""


def config_names() -> list[str]:
    """Return the names of the configs that come with coview."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def config_groups() -> dict[str, tuple[str, list[str]]]:
    """Return group -> (what it is for, names of the configs that come with coview), every one in one group."""
    left = config_names()
    groups = {}
    for group, (meaning, belongs) in GROUPS.items():
        groups[group] = (meaning, [name for name in left if re.search(belongs, name)])
        left = [name for name in left if name not in groups[group][1]]
    return groups


def config_meaning(name: str) -> str:
    """Return what a config that comes with coview is for: the first sentence below the command in its file.

    Of a sentence too long for a list, what stands before its colon.
    """
    lines = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[1:]
    comment = " ".join(line.removeprefix("# ") for line in takewhile(lambda line: line.startswith("#"), lines))
    sentence = re.split(r"(?<=\.) (?=[A-Z`])", comment, maxsplit=1)[0]
    return sentence if len(sentence) <= _LONGEST_MEANING else f"{sentence.partition(': ')[0]}."


def load_config(config: RunConfig | Path | str, settings: Mapping[str, Any] | None = None) -> RunConfig:
    """Return a run's settings: a config, on top of its base, with some settings replaced.

    Args:
        config: the name of one that comes with coview, the path of a YAML file, or settings that are ready.
        settings: dotted names or nested tables; see `override`.

    Raises:
        TypeError: `config` or `settings` is nothing of that.
        UserError: the config, its base or a setting cannot be used.
    """
    if isinstance(config, RunConfig):
        return parse(RunConfig, override(as_plain(config), settings), source="settings") if settings else config
    path = _find_config(str(as_path(config, name="config", what="a RunConfig, or the name or path of a config")))
    written = _read_with_base(path)
    try:
        return parse(RunConfig, override(written, settings or {}), source=str(path))
    except UserError:
        if settings:
            parse(RunConfig, written, source=str(path))  # the file is at fault by itself
            parse(RunConfig, override(written, settings), source="the settings given beside the config")
        raise


def _find_config(given: str) -> Path:
    """Return the file that a name or path means.

    Raises:
        UserError: there is none.
    """
    path = Path(given)
    if path.is_file():
        return path
    shipped = FOLDER / f"{path.name.removesuffix('.yaml')}.yaml"
    if shipped.is_file() and (len(path.parts) == 1 or (len(path.parts) == 2 and path.parts[0] in GROUPS)):
        return shipped
    beside = [file.name for file in path.parent.glob("*.yaml")] if path.suffix == ".yaml" else []
    hint = did_you_mean(path.name, beside) or did_you_mean(path.name.removesuffix(".yaml"), config_names(), most=3)
    raise UserError(f"no config file {given}{hint or '.'} All that come with coview: coview list configs")


def _read_with_base(path: Path, *, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a config merged into its base, table by table; what the file itself says counts.

    Args:
        path: the YAML file.
        above: the files that led to this one.
    """
    chain = (*above, path.resolve())
    if chain[-1] in above:
        raise UserError(f"{above[0]}: its bases go round in a circle: {' -> '.join(file.name for file in chain)}")
    own = read_yaml(path, is_written_by_hand=True)
    base = own.pop(BASE, None)
    if base is None:
        return own
    if not isinstance(base, str):
        raise UserError(f"{path}: {BASE} is {base!r}, expected the name or the path of one config")
    try:
        found = _find_config(str(path.parent / base) if (path.parent / base).is_file() else base)
    except UserError as error:
        raise UserError(f"{path}: {BASE}: {error}") from None
    return merge(_read_with_base(found, above=chain), own)
