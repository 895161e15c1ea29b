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
from coview.losses.info_nce import info_nce_loss
from coview.losses.sphere import alignment, retrieval, uniformity
from coview.methods.base import LossOutput, Method


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


def contrast_clips(
    method: Method,
    clips: Sequence[ProjectedClip],
    pooled: Mapping[str, Tensor],
    *,
    own_negatives: bool,
    same_clip: bool = True,
) -> LossOutput:
    """Return the mean InfoNCE of ordered pairs of clips, (view, number) each, and each asking view's part of it.

    Args:
        method: gives in its settings the temperature.
        clips: of all views that take part, as `project_clips` returns them.
        pooled: their features, for the health meters.
        own_negatives: other videos in the asking clip's own view are wrong answers, too.
        same_clip: two views of one and the same clip are a pair, too; they always are where that is the only clip.

    Raises:
        UserError: a single clip of a single view, which has nothing to find.
    """
    if len(clips) < 2:
        raise UserError(
            f"method {type(method).__name__.lower()} needs two clips of each video or two views, got one clip of "
            f"{clips[0].view}; set clip.clips_per_video to 2"
        )
    terms: dict[str, list[Tensor]] = {}
    same_clip = same_clip or all(clip.number == 0 for clip in clips)
    for asking, answering in permutations(clips, 2):
        if asking.number == answering.number and not same_clip:
            continue
        temperature = method.settings.temperature
        loss = info_nce_loss(asking.z, answering.z, temperature=temperature, own_negatives=own_negatives)
        terms.setdefault(asking.view, []).append(loss)
    losses = {view: torch.stack(own).mean() for view, own in terms.items()}
    parts = {f"{view}/info-nce": loss.detach() for view, loss in losses.items()}
    num_keys = len(clips[0].z) * world_size()
    return LossOutput(
        total=torch.stack(list(losses.values())).mean(),
        parts=parts,
        chance_level=dict.fromkeys(parts, math.log(2 * num_keys - 1 if own_negatives else num_keys)),
        features=pooled,
        meters=contrast_meters(clips),
    )


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
