"""What to call runs in a table: their method, and whatever their settings do not all have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

_SPEED = (
    "workers", "frame_cache", "log_every", "checkpoint_every_seconds", "checkpoint_every_steps", "keep_checkpoints",
)  # fmt: skip
"""Settings under "training" that no number depends on."""


def without_speed_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's settings without its seed and without what no number depends on.

    Of the weights that a run started from it says that there were some, not where: each seed has its own.
    """
    kept = {name: value for name, value in config.items() if name != "seed"}
    if kept.get("start_from"):
        kept["start_from"] = "other runs"
    training = {name: value for name, value in config.get("training", {}).items() if name not in _SPEED}
    return {**kept, "training": training}


def names_of_configs(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name runs by method, then by views and by each setting in which they differ.

    Args:
        configs: settings as in resolved.yaml.

    Returns:
        Such as ["cpc", "cocon, sim_weight 0", "cocon"]; settings of different methods are not compared.
    """
    plain = [_settings(config) for config in configs]
    methods = [str(config["method"].get("name")) for config in configs]
    return [
        ", ".join([method, *_own(settings, plain, methods, method=method)])
        for method, settings in zip(methods, plain, strict=True)
    ]


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted name -> value; the views as one setting beside those of each view."""
    flat = _flat(without_speed_settings(config))
    del flat["method.name"]
    return {"views": " + ".join(config["views"]), **flat}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _own(
    settings: Mapping[str, Any], everyone: Sequence[Mapping[str, Any]], methods: Sequence[str], *, method: str
) -> list[str]:
    """Return the settings of one run in which others differ, as words."""
    words = []
    for name, value in settings.items():
        if name.startswith("method."):
            others = [other.get(name) for other, kind in zip(everyone, methods, strict=True) if kind == method]
        else:
            others = [other[name] for other in everyone if name in other]
        if any(other != value for other in others):
            words.append(str(value) if name == "views" else f"{name.removeprefix('method.')} {value}")
    return words
