"""The tables of both papers as data: what they publish, and which runs of ours belong beside each row."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from coview.config import parse, read_yaml
from coview.errors import UserError
from coview.methods import METHODS
from coview.registry import did_you_mean

FILE = Path(__file__).with_name("published.yaml")
WITHOUT_NUMBERS = {"cocon-4": "holds names of classes and no numbers; ours come from: coview analyse RUN --data DIR"}
Trait = Literal[
    "objective", "phase", "views", "pretrained", "encoder", "prototypes", "queue", "predict_with", "assign_from"
]


@dataclass(frozen=True)
class PublishedColumn:
    """A column of numbers, and how ours are measured."""

    name: str
    """Heading."""
    data: Literal["UCF101", "HMDB51"]
    """Data set of the numbers."""
    protocol: str = "finetune"
    """Protocol that measures ours."""
    metric: str = "top-1"
    """Its metric."""
    variant: str = ""
    """Its variant."""
    features: tuple[str, ...] = ()
    """The rows of ours to look for, the first that there is; not set: those of the published row."""


@dataclass(frozen=True)
class PublishedRow:
    """A row of numbers, and which runs belong beside it."""

    name: str
    """What the row is of."""
    values: tuple[float | None, ...]
    """As many as columns; None where the paper has no number."""
    features: tuple[str, ...] = ()
    """The rows of ours to look for, where the column does not say."""
    kind: Literal["trained", "random"] = "trained"
    """Whether ours are of the trained or of random weights."""
    ours: Mapping[Trait, tuple[str | int, ...]] | None = None
    """Trait of a run -> its allowed values; not set: no run of ours belongs here."""


@dataclass(frozen=True)
class PublishedTable:
    """One table of a paper."""

    paper: str
    """CoCon or ViCC."""
    table: int
    """Its number."""
    where: str
    """Where in the paper it is discussed."""
    columns: tuple[PublishedColumn, ...]
    """From left to right."""
    rows: tuple[PublishedRow, ...]
    """From top to bottom."""
    split: Literal["split1", "mean"] = "split1"
    """Of the numbers: the first split, or the mean over splits."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.values) != len(self.columns):
                raise ValueError(f"{row.name}: {len(row.values)} values for {len(self.columns)} columns")


@dataclass(frozen=True)
class _Tables:
    tables: Mapping[str, PublishedTable] = field(default_factory=dict)


@cache
def published_tables() -> Mapping[str, PublishedTable]:
    """Return shape name -> table: cocon-1 ... vicc-7."""
    return parse(_Tables, {"tables": read_yaml(FILE)}, source=FILE.name).tables


def published_table(shape: str) -> PublishedTable:
    """Return one table by its name.

    Raises:
        UserError: no such table, or one without numbers.
    """
    if shape in WITHOUT_NUMBERS:
        raise UserError(f"{shape} {WITHOUT_NUMBERS[shape]}")
    tables = published_tables()
    if shape not in tables:
        raise UserError(f"no table {shape!r}{did_you_mean(shape, tables) or '.'} There are: {', '.join(tables)}.")
    return tables[shape]


def traits(config: Mapping[str, Any], *, stage: str, learnt_from: str) -> dict[str, str | int]:
    """Return what tells rows of the papers' tables apart, for a run.

    Args:
        config: its settings, as in resolved.yaml.
        stage: the stage it stands in.
        learnt_from: the data set it learnt from.
    """
    name = str(config["method"]["name"])
    given = {key: value for key, value in config["method"].items() if key != "name"}
    defaults = {item.name: item.default for item in dataclasses.fields(METHODS.load(name).Settings)}
    settings = {**defaults, **given}
    phase = "alone" if stage in config["views"] else "together"
    found: dict[str, str | int] = {
        "objective": _objective(name, settings, phase),
        "phase": phase,
        "views": len(config["views"]),
        "pretrained": "kinetics" if "kinetics" in Path(learnt_from).name.lower() else "own",
        "encoder": str(config["encoder"]["name"]),
    }
    for trait in ("prototypes", "queue", "predict_with", "assign_from"):
        if settings.get(trait) is not None:
            found[trait] = settings[trait]
    return found


def _objective(name: str, settings: Mapping[str, Any], phase: str) -> str:
    """Return the method's name or, for views that cooperate, the losses that are at work."""
    if "cooperation_weight" not in settings:
        return name
    weights = {loss: settings["cooperation_weight"] * settings[f"{loss}_weight"] for loss in ("sim", "sync")}
    at_work = [loss for loss, weight in weights.items() if weight > 0 and phase == "together"]
    return {0: "cpc", 1: at_work[0] if at_work else "", 2: name}[len(at_work)]
