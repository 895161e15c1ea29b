"""What contrastive methods share: each view's clips through its encoder and head, and how well the views meet."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations

import torch
from einops import rearrange
from torch import Tensor, nn

from coview.datatypes import ViewBatch
from coview.errors import UserError
from coview.losses.global_batch import world_size
from coview.losses.info_nce import info_nce_loss
from coview.losses.sphere import alignment, retrieval, uniformity
from coview.methods.base import LossOutput, Method
from coview.methods.dense_predictor import cut_blocks


@dataclass(frozen=True)
class ProjectedClip:
    """One clip of each video in one view, as the projections of its N blocks.

    Attributes:
        view: its name.
        number: which of the M clips, from 0.
        z: (B*N, size), unit, with gradient; the blocks of a clip lie in turn.
        shown: (B*N, size), z as other views meet it; of a leading view without gradient to its encoder.
    """

    view: str
    number: int
    z: Tensor
    shown: Tensor


@dataclass(frozen=True)
class ProjectedClips:
    """All clips of a batch.

    Attributes:
        clips: V*M, view by view.
        pooled: view name -> pooled features (B*M*N, D) of the blocks, without gradient.
        maps: view name -> their feature maps (B*M*N, D, T', S, S), with gradient.
    """

    clips: Sequence[ProjectedClip]
    pooled: Mapping[str, Tensor]
    maps: Mapping[str, Tensor]


def project_clips(
    method: Method, heads: nn.ModuleDict, batch: ViewBatch, views: Sequence[str], *, leading_views: Sequence[str] = ()
) -> ProjectedClips:
    """Encode and project the blocks of every clip of some views, all of a view in one call.

    Args:
        method: gives the encoders, and N.
        heads: view name -> module that maps pooled features (n, D) to z (n, size), unit.
        batch: clips (B, M, C, N*L, size, size) of each view; M may differ between views.
        views: which, in order.
        leading_views: those that other views may not change.

    Raises:
        UserError: clips that cannot be cut into N blocks.
    """
    num_blocks = method.num_blocks
    clips, pooled, maps = [], {}, {}
    for view in views:
        blocks = cut_blocks(batch.clips[view].flatten(0, 1), num_blocks=num_blocks)  # (B*M*N, C, L, size, size)
        maps[view] = method.encode(view, blocks)
        features = method.pool(maps[view])  # (B*M*N, D)
        pooled[view] = features.detach()
        z = heads[view](features)  # (B*M*N, size)
        shown = heads[view](features.detach()) if view in leading_views else z
        for_each_clip = partial(rearrange, pattern="(b m n) d -> m (b n) d", m=batch.clips[view].shape[1], n=num_blocks)
        pairs = zip(for_each_clip(z), for_each_clip(shown), strict=True)
        clips += [ProjectedClip(view, number, own, met) for number, (own, met) in enumerate(pairs)]
    return ProjectedClips(clips, pooled, maps)


def contrast_clips(
    method: Method, projected: ProjectedClips, *, own_negatives: bool, same_clip: bool = True
) -> LossOutput:
    """Return the mean InfoNCE of ordered pairs of clips, (view, number) each, and each asking view's part of it.

    What must be found is the same block of the other clip; the other blocks of the video are no wrong answers.

    Args:
        method: gives in its settings the temperature, and N.
        projected: what `project_clips` made of all views that take part.
        own_negatives: other videos in the asking clip's own view are wrong answers, too.
        same_clip: two views of one and the same clip are a pair, too; they always are where that is the only clip.

    Raises:
        UserError: a single clip of a single view, which has nothing to find.
    """
    clips, num_blocks = projected.clips, method.num_blocks
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
        is_own = asking.view == answering.view
        loss = info_nce_loss(
            asking.z if is_own else asking.shown,
            answering.z if is_own else answering.shown,
            temperature=method.settings.temperature,
            own_negatives=own_negatives,
            rows_per_video=num_blocks,
        )
        terms.setdefault(asking.view, []).append(loss)
    losses = {view: torch.stack(own).mean() for view, own in terms.items()}
    parts = {f"{view}/info-nce": loss.detach() for view, loss in losses.items()}
    num_wrong = (len(clips[0].z) * world_size() - num_blocks) * (2 if own_negatives else 1)
    return LossOutput(
        total=torch.stack(list(losses.values())).mean(),
        parts=parts,
        chance_level=dict.fromkeys(parts, math.log(1 + num_wrong)),
        features=projected.pooled,
        meters=contrast_meters(clips),
    )


def contrast_meters(clips: Sequence[ProjectedClip]) -> dict[str, Tensor]:
    """Return alignment and uniformity of z and retrieval inside this process's batch, with plain names.

    `<view>/uniformity` for each view; `<view>/retrieval-<other>` for each ordered pair of views, or of a view with
    itself where it is the only one, the mean over its clips: the share of clips that find their own video (of
    blocks, that find themselves); `alignment` over all those pairs.
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
