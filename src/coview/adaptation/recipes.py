"""Two configs for the same videos: the base trained on, and training from scratch beside it. Fixed beforehand."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coview.config import OptimiserSettings, RunConfig, ViewInput
from coview.config.files import load_config
from coview.datasets.prepared import PreparedDataset
from coview.embedding.run import Run
from coview.encoders.pretrained import is_pretrained_folder, load_pretrained, read_folder
from coview.errors import UserError
from coview.evaluation.pretrained_baseline import VIEW, baseline_config
from coview.training.runfolder import RESOLVED
from coview.training.sizing import joint_config

_NETWORK_RATE, _LAYER_DECAY = 5e-5, 0.75
"""Of a transformer: a small learning rate that falls towards the first layers."""
_RUN_RATE_SHARE = 1 / 3
"""Of the rate at which encoders of ours begin, for weights that have been trained before."""


@dataclasses.dataclass(frozen=True)
class Recipes:
    """What is trained.

    Attributes:
        adapted: begins with the base's weights.
        scratch: the same method, views and clips from random weights: of a network of transformers the small encoder
            that coview pretrain would take, of a run its own encoders.
    """

    adapted: RunConfig
    scratch: RunConfig


def choose_recipes(base: Path, data: PreparedDataset, settings: Mapping[str, Any] | None = None) -> Recipes:
    """Return how a base is adapted to a data set, and the training from scratch beside it; epochs are still to be set.

    Args:
        base: folder of a pretrained network, or of a run.
        data: the user's videos, with their views.
        settings: changes to both, by dotted name.

    Raises:
        UserError: it is neither, or shares no view with the data.
    """
    if (base / RESOLVED).is_file():
        return _of_run(Run.load(base), data, settings)
    if not is_pretrained_folder(base):
        read_folder(base)  # says what is wrong with it
    return _of_network(base, data, settings)


def _of_network(base: Path, data: PreparedDataset, settings: Mapping[str, Any] | None) -> Recipes:
    """Begin rgb with the network, other views of the data with the small encoder; all learn together."""
    if VIEW not in data.view_options:
        raise UserError(
            f"{data.root} has no rgb view, which the network of {base} looks at; prepare it with --views rgb"
        )
    scratch = joint_config(data, settings)
    network = load_pretrained(base)
    clip = baseline_config(network, scratch).clip
    clip = dataclasses.replace(
        clip,
        clips_per_video=scratch.clip.clips_per_video,
        different_times_probability=scratch.clip.different_times_probability,
    )
    views = {
        view: ViewInput(size=network.image_size, encoder={"name": "transformers", "path": str(base)})
        if view == VIEW
        else dataclasses.replace(given, learning_rate_factor=(scratch.optimiser.learning_rate or 1e-3) / _NETWORK_RATE)
        for view, given in scratch.views.items()
    }
    optimiser = OptimiserSettings(learning_rate=_NETWORK_RATE, layer_decay=_LAYER_DECAY, weight_decay=0.0)
    adapted = dataclasses.replace(scratch, views=views, clip=clip, optimiser=optimiser)
    return Recipes(load_config(adapted, settings), scratch)


def _of_run(run: Run, data: PreparedDataset, settings: Mapping[str, Any] | None) -> Recipes:
    """Views that the run and the data share begin with the run's weights; method joint on blocks of its length."""
    shared = [view for view in run.views if view in data.view_options]
    if not shared:
        raise UserError(
            f"{data.root} has the views {', '.join(data.view_options)}, {run.path} learnt {', '.join(run.views)}; "
            "prepare one of those"
        )
    preset = joint_config(data, settings)
    own = run.config
    block = max(own.clip.block_length, 4)
    scratch = dataclasses.replace(
        preset,
        views={view: own.views[view] for view in shared},
        encoder=own.encoder,
        clip=dataclasses.replace(preset.clip, block_length=block, frame_stride=own.clip.frame_stride),
        evaluation=own.evaluation,
    )
    rate = (preset.optimiser.learning_rate or 1e-3) * _RUN_RATE_SHARE
    optimiser = dataclasses.replace(preset.optimiser, learning_rate=rate)
    adapted = dataclasses.replace(scratch, optimiser=optimiser, start_from=str(run.checkpoint.resolve()))
    return Recipes(load_config(adapted, settings), load_config(scratch, settings))
