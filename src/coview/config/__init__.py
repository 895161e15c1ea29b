"""The settings of a run: frozen dataclasses, spelled as YAML, every one overridable by its dotted name.

Strict: an unknown key is an error with a suggestion. A default lives in `settings` and nowhere else.
"""

from coview.config.parsing import as_plain, override, parse
from coview.config.settings import (
    AugmentSettings,
    BlurSettings,
    ClipSettings,
    ColourSettings,
    CropSettings,
    EvaluationSettings,
    OptimiserSettings,
    RunConfig,
    ScheduleSettings,
    TrainingSettings,
    ViewInput,
)
from coview.config.types import Count, Fraction, NonNegativeFloat, Positive, PositiveFloat
from coview.config.yaml_files import read_yaml, write_yaml

__all__ = [
    "AugmentSettings",
    "BlurSettings",
    "ClipSettings",
    "ColourSettings",
    "CropSettings",
    "Count",
    "EvaluationSettings",
    "Fraction",
    "NonNegativeFloat",
    "OptimiserSettings",
    "Positive",
    "PositiveFloat",
    "RunConfig",
    "ScheduleSettings",
    "TrainingSettings",
    "ViewInput",
    "as_plain",
    "override",
    "parse",
    "read_yaml",
    "write_yaml",
]
