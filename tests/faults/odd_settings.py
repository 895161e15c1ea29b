"""Malformed settings: every one ends in one line within a second, and what is accepted is of the kind that it says."""

import dataclasses
import json
import math
import random as plain_random
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from campaign import Campaign

from coview.analysis import ANALYSES
from coview.config import RunConfig, parse
from coview.config.files import FOLDER, load_config
from coview.config.yaml_files import read_value
from coview.evaluation.protocols import PROTOCOLS
from coview.methods import METHODS
from coview.preparation.settings import PrepareSettings, build_views, resolve_settings
from coview.views import VIEWS

ODD_TEXTS = (
    "true", "on", "no", "null", "~", "", " ", "nan", ".nan", "inf", "-inf", ".inf", "1e999", "-1", "0", "1e-400", "1.5",
    "9" * 30, "9" * 5000, "1_0", "0x_", "0x10", "010", "1:30", "2026-13-45", "2026-01-01", "!!int x", "!!float y",
    "!!bool z", "!!timestamp q", "!!binary x", "!!python/object:os.system x", "[", "{", "[1, 2", "{a: 1}", "{a}",
    "[[[]]]", "[1, 2, 3]", "*a", "&a [*a]", "<<: 3", "? x", "- 1", "'", '"', "\"\\x00\"", "\t", "%", "@x", "`",
    "a: b: c", "../../x", "x" * 5000, "[" * 2000, "{a: " * 500, "é\u2028x", "--", "|", ">", "#", "a #b", "{1: 2}",
    "{true: 1}", "!x y",
)  # fmt: skip
"""As they are typed after an equals sign."""
ODD_VALUES = (
    True, None, -1, 0, 1.5, math.nan, math.inf, -math.inf, 10**30, -(10**30), "", "x", "8", "nan", [], [1], {},
    {"a": 1},     [[[]]], "\x00", "\ud800", 1e308, 5e-324, {"name": 3}, [True], b"x", object,
)  # fmt: skip
"""As a caller in Python gives them."""


def leaves(kind: type[Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of all settings of a dataclass."""
    for field in dataclasses.fields(kind):
        inner = [one for one in (field.type, *typing.get_args(field.type)) if dataclasses.is_dataclass(one)]
        yield f"{prefix}{field.name}"
        if inner:
            yield from leaves(inner[0], f"{prefix}{field.name}.")


def objection(value: Any, declared: Any) -> str:
    """Say what is wrong with an accepted setting: a truth value for a number, or a number that is none."""
    if dataclasses.is_dataclass(value):
        hints = typing.get_type_hints(type(value))
        found = [objection(getattr(value, name), kind) for name, kind in hints.items() if hasattr(value, name)]
        return next((text for text in found if text), "")
    if isinstance(value, bool) and bool not in (declared, *typing.get_args(declared)) and declared is not Any:
        return f"accepted {value} for {declared}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"accepted {value}"
    return ""


def _accepted(config: Any) -> str:
    return objection(config, type(config))


def try_settings(campaign: Campaign, folder: Path, *, each: int) -> None:
    """Give odd values to settings: `each` times on the command line, in Python, and in a file."""
    random = campaign.generator("settings")
    names = [
        *leaves(RunConfig),
        "views.rgb.size",
        "views.rgb.pad_channels",
        "method.name",
        "method.epochs",
        "encoder.name",
    ]
    kinds: list[tuple[str, type[Any]]] = [(name, METHODS.load(name).Settings) for name in METHODS]
    kinds += [(name, PROTOCOLS.load(name).Settings) for name in PROTOCOLS]
    kinds += [(name, ANALYSES.load(name).Settings) for name in ANALYSES]
    kinds += [(name, VIEWS.load(name).Options) for name in VIEWS]
    kinds.append(("prepare", PrepareSettings))
    for _ in range(each):
        name, text = str(random.choice(names)), ODD_TEXTS[int(random.integers(len(ODD_TEXTS)))]
        campaign.attempt(
            "settings on a command line",
            f"{name}={text[:40]}",
            lambda name=name, text=text: _accepted(load_config("demo", {name: read_value(text)})),
            limit_seconds=1.5,
        )
    for _ in range(each):
        of, kind = kinds[int(random.integers(len(kinds)))]
        own = list(leaves(kind)) or ["nothing"]
        name = own[int(random.integers(len(own)))] + ("x" if random.integers(10) == 0 else "")
        value = ODD_VALUES[int(random.integers(len(ODD_VALUES)))]

        def in_python(of: str = of, kind: type[Any] = kind, name: str = name, value: Any = value) -> str:
            if kind is PrepareSettings:
                build_views(resolve_settings({name: value}), stored={})
            nested: Any = value
            for part in reversed(name.split(".")):
                nested = {part: nested}
            return _accepted(parse(kind, nested, source=of))

        campaign.attempt("settings in Python", f"{of}.{name}={value!r}"[:80], in_python, limit_seconds=1.5)
    for number in range(each):
        path = folder / f"mutated{number}.yaml"
        text = _mutated(campaign.seed, number)
        path.write_text(text, encoding="utf-8", errors="replace")
        campaign.attempt(
            "settings in a file",
            json.dumps(text[-80:]),
            lambda path=path: _accepted(load_config(path)),
            limit_seconds=1.5,
        )
        path.unlink()


def _mutated(seed: int, number: int) -> str:
    """Return a config that comes with coview after some accidents."""
    random = plain_random.Random(f"{seed} {number}")
    text = random.choice(sorted(FOLDER.glob("*.yaml"))).read_text(encoding="utf-8")
    for _ in range(random.randint(1, 4)):
        lines, at = text.split("\n"), random.randrange(len(text) + 1)
        line = random.randrange(len(lines))
        accident = random.randrange(7)
        if accident == 0:
            text = text[:at] + random.choice(ODD_TEXTS)[:200] + text[at:]
        elif accident == 1:
            text = text[:at] + text[at + random.randint(1, 20) :]
        elif accident == 2:
            text = "\n".join([*lines[: line + 1], lines[line], *lines[line + 1 :]])
        elif accident == 3:
            text = text[:at] + random.choice(":{}[],&*!|>'\"%@`#-? \t\n\x00\x07é") + text[at:]
        elif accident == 4:
            text = "\n".join(
                f"{one.partition(':')[0]}: {random.choice(ODD_TEXTS)[:200]}" if place == line else one
                for place, one in enumerate(lines)
            )
        elif accident == 5:
            text = _bomb() + text
        else:
            text = text.replace("true", "on").replace("false", "off").replace("  ", "\t", 1)
    return text


def _bomb() -> str:
    """Return a few lines of YAML that stand for hundreds of millions of values."""
    lines = ["b0: &b0 {x: 1}"]
    for level in range(1, 10):
        repeated = ", ".join(f"k{key}: *b{level - 1}" for key in range(9))
        lines.append(f"b{level}: &b{level} {{{repeated}}}")
    return "\n".join(lines) + "\n"
