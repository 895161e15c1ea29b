"""The numbers that the papers print, or their released code holds, are ours by default: one table, read by eye."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from coview import encoders, losses
from coview.config import ClipSettings, OptimiserSettings, ScheduleSettings, as_plain
from coview.config.files import load_config
from coview.evaluation.ensembles import DEFAULT_WEIGHTS
from coview.evaluation.metrics.linear import LinearRecipe
from coview.evaluation.metrics.recall import RECALL_AT
from coview.methods import CPC, METHODS, Classify, CoCon, ViCC
from coview.methods.base import Sizes
from coview.methods.classify import DROPOUT
from coview.training import LARS
from coview.training.schedules import DEFAULT_LEARNING_RATES, LARS_REFERENCE_BATCH

DENSE_PREDICTION = {"predict_blocks": 3, "temperature": 0.005, "dropout": 0.1}  # CoCon, section 4 and its code
METHOD_SETTINGS: dict[type, dict[str, Any]] = {
    CPC: DENSE_PREDICTION | {"epochs": 100},
    CoCon: DENSE_PREDICTION
    | {
        "single_view_epochs": 100,
        "cooperation_epochs": 60,
        "cooperation_weight": 10.0,  # lambda
        "sync_weight": 1.0,
        "sim_weight": 1.0,  # alpha
        "discrepancy": "l2",
        "max_pool_from": 2,
    },
    ViCC: {
        "temperature": 0.1,
        "epsilon": 0.05,
        "sinkhorn_iterations": 3,
        "projection_size": 128,
        "single_stream_epochs": 300,
        "cycles": 2,
        "cross_stream_epochs": 100,
        "predict_with": "all",
        "assign_from": "all",
        "second_clip_gradient": True,
    },
    Classify: {"context_dropout": 0.1, "epochs": 100},
}
"""The settings of each method that the papers give a value for."""
NO_TEACHER = {"teacher": None, "teacher_view": "rgb", "teacher_weight": 1.0, "teacher_temperature": 0.1}
OURS: dict[type, dict[str, Any]] = {
    CoCon: {**NO_TEACHER, "sim_temperature": None, "leading_views": ()},
    ViCC: {
        **NO_TEACHER,
        "prototypes": None,
        "queue": None,
        "frozen_prototypes_epochs": None,
        "single_stream_queue_from": {},
        "cross_stream_queue_from": None,
        "shuffle_groups": 1,
    },
    Classify: {"head": "features", "classes": (), "labels": None, "draw": 0, "dropout": None},
}
"""Those that are derived from a run's sizes, or are our own."""


@pytest.mark.parametrize("name", ["cpc", "cocon", "vicc", "classify"])
def test_every_setting_of_a_method(name: str) -> None:
    kind = METHODS.load(name)
    assert dataclasses.asdict(kind.Settings()) == METHOD_SETTINGS[kind] | OURS.get(kind, {})


def test_sizes_of_the_papers_give_their_prototypes_and_queue() -> None:
    resolved = ViCC.resolve_settings(ViCC.Settings(), Sizes(batch_size=192, num_videos=9537))
    assert (resolved.prototypes, resolved.queue, resolved.frozen_prototypes_epochs) == (300, 1920, 100)


@pytest.mark.parametrize(
    ("call", "defaults"),
    [
        (CPC, {"num_blocks": 8}),
        (CoCon, {"num_blocks": 8}),
        (losses.dense_prediction_loss, {"temperature": 0.005}),
        (losses.DensePredictionLoss, {"temperature": 0.005}),
        (losses.sinkhorn, {"epsilon": 0.05, "iterations": 3}),
        (losses.SwappedAssignmentLoss, {"temperature": 0.1, "epsilon": 0.05, "iterations": 3}),
        (losses.sync_loss, {"discrepancy": "l2"}),
        (losses.cooperation, {"discrepancy": "l2"}),
        (losses.CooperationLoss, {"weight": 10.0, "sync_weight": 1.0, "sim_weight": 1.0, "discrepancy": "l2"}),
        (losses.info_nce_loss, {"temperature": 0.1}),
        (losses.InfoNCELoss, {"temperature": 0.1}),
        (encoders.ConvGRU, {"dropout": 0.1}),
        (encoders.ProjectionHead, {"projection_size": 128}),
        (LARS, {"momentum": 0.9, "trust": 1e-3}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_defaults_of_parts(call: Callable[..., Any], defaults: dict[str, Any]) -> None:
    parameters = inspect.signature(call).parameters
    assert {name: parameters[name].default for name in defaults} == defaults


@pytest.mark.parametrize(
    ("settings", "defaults"),
    [
        (ClipSettings(), {"num_blocks": 8, "block_length": 5, "frame_stride": 3}),
        (OptimiserSettings(), {"name": "adam", "weight_decay": 1e-5, "momentum": 0.9, "trust": 1e-3}),
        (ScheduleSettings(), {"name": "plateau", "factor": 0.1, "patience": 10, "milestones": (0.5, 0.7, 0.9)}),
        (
            LinearRecipe(),
            {"learning_rate": 0.1, "weight_decay": 1e-3, "epochs": 100, "milestones": (60, 80), "head": "batchnorm"},
        ),
    ],
    ids=lambda value: type(value).__name__ if dataclasses.is_dataclass(value) else "",
)
def test_defaults_of_settings(settings: Any, defaults: dict[str, Any]) -> None:
    assert {name: getattr(settings, name) for name in defaults} == defaults


def test_constants() -> None:
    assert DEFAULT_LEARNING_RATES["adam"] == 1e-3
    assert (DEFAULT_LEARNING_RATES["lars"], LARS_REFERENCE_BATCH) == (0.6, 192)
    assert DROPOUT == {"features": 0.9, "context": 0.7}
    assert RECALL_AT == (1, 5, 10, 20, 50)
    assert DEFAULT_WEIGHTS == {"rgb": 2.0, "flow": 2.0, "segmentation": 1.0, "pose": 1.0}


COCON = {
    "preset": "paper",
    "encoder.name": "r2d3d18",
    "views.rgb.size": 128,
    "views.flow.size": 128,
    "clip.num_blocks": 8,
    "clip.block_length": 5,
    "clip.frame_stride": 3,
    "augment.geometry": "shared",
    "augment.colour_per": "frame",
    "optimiser.name": "adam",
    "optimiser.learning_rate": 1e-3,
    "optimiser.weight_decay": 1e-5,
}
PLATEAU = {
    "schedule.name": "plateau",
    "schedule.factor": 0.1,
    "schedule.patience": 10,
    "schedule.final_learning_rate": 1e-4,
}
VICC_CHANGES = {
    "augment.crop_area": [0.2, 1.0],
    "augment.crop_aspect": [0.75, 1.3333],
    "augment.flip_probability": 0.5,
    "augment.colour_per": "clip",
    "augment.brightness": 0.4,
    "augment.contrast": 0.4,
    "augment.saturation": 0.4,
    "augment.hue": 0.1,
    "augment.grey_probability": 0.2,
}
VICC = VICC_CHANGES | {
    "preset": "paper",
    "views.rgb.size": 128,
    "views.flow.size": 128,
    "views.flow.pad_channels": 3,
    "method.prototypes": 300,
    "method.queue": 1920,
    "method.frozen_prototypes_epochs": 100,
    "method.single_stream_queue_from": {"rgb": 150, "flow": 200},
    "method.cross_stream_queue_from": 25,
    "clip.clips_per_video": 2,
    "clip.different_times_probability": 0.5,
    "augment.geometry": "shared",
    "augment.jitter_probability": 0.8,
    "augment.blur_probability": 0.5,
    "augment.blur_sigma": [0.1, 2.0],
    "augment.blur_views": ["rgb"],
    "augment.strong_probability": 1.0,
    "augment.one_strong_at_same_times": False,
    "augment.colour_views": [],
    "training.batch_size": 192,
    "optimiser.name": "lars",
    "optimiser.learning_rate": 0.6,
    "optimiser.reference_batch": 192,
    "optimiser.weight_decay": 1e-6,
    "optimiser.momentum": 0.9,
    "optimiser.trust": 1e-3,
    "schedule.name": "cosine",
    "schedule.final_learning_rate": 6e-4,
    "schedule.horizon_epochs": None,
}
S3D_CLIP = {"encoder.name": "s3d", "clip.num_blocks": 1, "clip.block_length": 32, "clip.frame_stride": 1}
R2PLUS1D_CLIP = {"encoder.name": "r2plus1d10", "clip.num_blocks": 1, "clip.block_length": 16, "clip.frame_stride": 2}
VICC_RELEASED = {
    "preset": "released-code",
    "method.second_clip_gradient": False,
    "schedule.horizon_epochs": 500,
    "augment.strong_probability": 0.3,
    "augment.one_strong_at_same_times": True,
    "augment.colour_views": ["flow"],
}
FINETUNE_VICC = VICC_CHANGES | {
    "augment.jitter_probability": 0.3,
    "augment.blur_probability": 0.0,
    "method.head": "features",
    "method.dropout": 0.9,
    "method.epochs": 500,
    "optimiser.name": "sgd",
    "optimiser.learning_rate": 0.1,
    "optimiser.reference_batch": 128,
    "optimiser.weight_decay": 1e-3,
    "schedule.name": "steps",
    "schedule.factor": 0.1,
    "schedule.milestones": [0.4, 0.6, 0.8, 0.9],  # 200, 300, 400, 450 of 500 epochs
    "training.batch_size": 128,
}
COCON_RELEASED = {
    "preset": "released-code",
    "method.temperature": 0.0049,
    "method.discrepancy": "l1",
    "method.max_pool_from": 3,
    "augment.geometry": "independent",
    "schedule.final_learning_rate": 1e-5,
}
SIZE_224 = {"encoder.name": "r2d3d34", "views.rgb.size": 224, "views.flow.size": 224}
KINETICS_224 = SIZE_224 | {"method.single_view_epochs": 80, "method.cooperation_epochs": 40}
FINETUNE_COCON = {
    "method.head": "context",
    "method.dropout": 0.7,
    "method.epochs": 100,
    "schedule.name": "steps",
    "schedule.factor": 0.1,
    "schedule.milestones": [0.5, 0.7, 0.9],
}
PRESETS: dict[str, dict[str, Any]] = {
    "cpc-ucf101": COCON | PLATEAU | {"method.temperature": 0.005, "method.epochs": 100},
    "cocon-ucf101-2view": COCON | PLATEAU | {"method.single_view_epochs": 100, "method.cooperation_epochs": 60},
    "cocon-ucf101-4view": COCON | PLATEAU | {"views.pose.size": 64, "views.segmentation.size": 64},
    "cocon-kinetics-2view": COCON | PLATEAU | {"method.single_view_epochs": 80, "method.cooperation_epochs": 40},
    "cocon-ucf101-2view-released": COCON | PLATEAU | COCON_RELEASED,
    "cocon-kinetics-2view-224": COCON | PLATEAU | KINETICS_224,
    "cocon-kinetics-2view-224-released": COCON | PLATEAU | KINETICS_224 | COCON_RELEASED,
    "finetune-cocon-ucf101": COCON | FINETUNE_COCON,
    "finetune-cocon-ucf101-224": COCON | FINETUNE_COCON | SIZE_224,
    "vicc-ucf101-s3d": VICC | S3D_CLIP,
    "vicc-ucf101-r2plus1d": VICC | R2PLUS1D_CLIP,
    "vicc-ucf101-s3d-released": VICC | S3D_CLIP | VICC_RELEASED,
    "vicc-ucf101-r2plus1d-released": VICC | R2PLUS1D_CLIP | VICC_RELEASED,
    "finetune-vicc-ucf101": S3D_CLIP | FINETUNE_VICC,
    "finetune-vicc-ucf101-r2plus1d": R2PLUS1D_CLIP | FINETUNE_VICC,
}
"""Config name -> dotted setting -> value."""


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets(name: str) -> None:
    config = as_plain(load_config(name))

    def value(dotted: str) -> Any:
        found = config
        for part in dotted.split("."):
            found = found[part]
        return found

    assert {dotted: value(dotted) for dotted in PRESETS[name]} == PRESETS[name]
