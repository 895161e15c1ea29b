"""What contrastive methods share: each view's clips through its encoder and head, and how well the views meet."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor, nn

from coview.datatypes import ViewBatch
from coview.errors import UserError
from coview.losses.global_batch import world_size
from coview.losses.sphere import alignment, retrieval, uniformity
from coview.methods.base import Method


@dataclass(frozen=True)
class ProjectedClip:
    """One clip of each video in one view.

    Attributes:
        view: its name.
        number: which of the M clips, from 0.
        z: (B, size), unit, with gradient.
    """

    view: str
    number: int
    z: Tensor


def project_clips(
    method: Method, heads: nn.ModuleDict, batch: ViewBatch, views: Sequence[str]
) -> tuple[list[ProjectedClip], dict[str, Tensor]]:
    """Encode and project every clip of some views, all clips of a view in one call.

    Args:
        method: gives the encoders.
        heads: view name -> module that maps pooled features (n, D) to z (n, size), unit.
        batch: clips (B, M, C, T, size, size) of each view; M may differ between views.
        views: which, in order.

    Returns:
        V*M projected clips, view by view, and view name -> pooled features (B*M, D) without gradient.
    """
    projected, pooled = [], {}
    for view in views:
        clips = batch.clips[view]
        features = method.pool(method.encode(view, clips.flatten(0, 1)))  # (B*M, D)
        pooled[view] = features.detach()
        z = heads[view](features).unflatten(0, clips.shape[:2])  # (B, M, size)
        projected += [ProjectedClip(view, number, one) for number, one in enumerate(z.unbind(dim=1))]
    return projected, pooled


def require_two(clips: Sequence[ProjectedClip], *, method: str) -> None:
    """Raise UserError where a video has a single clip of a single view: there is nothing to find again."""
    if len(clips) < 2:
        raise UserError(
            f"method {method} needs two clips of each video or two views, got one clip of {clips[0].view}; set "
            "clip.clips_per_video to 2"
        )


def contrast_chance_level(batch: ViewBatch, *, own_negatives: bool) -> float:
    """Return the loss of scores that say nothing: ln of the number of candidates in the global batch."""
    keys = batch.num_videos * world_size()
    return math.log(2 * keys - 1 if own_negatives else keys)


def contrast_meters(clips: Sequence[ProjectedClip]) -> dict[str, Tensor]:
    """Return alignment and uniformity of z and retrieval inside this process's batch, with plain names.

    `<view>/uniformity` for each view; `<view>/retrieval-<other>` for each ordered pair of views, or of a view with
    itself where it is the only one, the mean over its clips: the share of clips that find their own video; `alignment`
    over all those pairs.
    """
    meters: dict[str, list[Tensor]] = {}
    is_alone = len({clip.view for clip in clips}) == 1
    for clip in clips:
        meters.setdefault(f"{clip.view}/uniformity", []).append(uniformity(clip.z))
    for one, other in permutations(clips, 2):
        if is_alone or one.view != other.view:
            meters.setdefault("alignment", []).append(alignment(one.z, other.z))
            meters.setdefault(f"{one.view}/retrieval-{other.view}", []).append(retrieval(one.z, other.z))
    return {name: torch.stack(values).mean() for name, values in meters.items()}


def means_by_view(losses: Mapping[str, Sequence[Tensor]]) -> dict[str, Tensor]:
    """Return view name -> the mean of its losses, with gradient."""
    return {view: torch.stack(list(terms)).mean() for view, terms in losses.items()}
