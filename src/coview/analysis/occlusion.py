"""How much a score depends on each place and moment of a clip: by covering boxes of it, or by its gradient."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Score = Callable[[Tensor], Tensor]
"""Clips (n, C, T, H, W) to (n,) scores."""
BATCH = 16


def spans(length: int, *, side: int, stride: int) -> list[tuple[int, int]]:
    """Return (first, after the last) of windows that cover 0..length, the last one ending there."""
    side = min(side, length)
    starts = [*range(0, length - side, max(1, stride)), length - side]
    return [(start, start + side) for start in starts]


def boxes(
    shape: tuple[int, int, int], *, moments: int, across: int
) -> Iterator[tuple[tuple[int, int], tuple[int, int], tuple[int, int]]]:
    """Yield the (frames, rows, columns) of boxes that cover a clip: `moments` in time, half overlapping in space.

    Args:
        shape: (T, H, W).
        moments: how many spans the frames are cut into.
        across: how many boxes side by side would cover the width.
    """
    length, height, width = shape
    ends = [round(place * length / moments) for place in range(moments + 1)]
    for first, stop in zip(ends[:-1], ends[1:], strict=True):
        if stop == first:
            continue
        for rows in spans(height, side=-(-height // across), stride=-(-height // (2 * across))):
            for columns in spans(width, side=-(-width // across), stride=-(-width // (2 * across))):
                yield (first, stop), rows, columns


@torch.no_grad()
def occlusion_map(score: Score, clip: Tensor, *, moments: int, across: int) -> Tensor:
    """Return (T, H, W): how far the score falls where a place and moment is covered, the mean over boxes that do.

    A box is filled with the clip's mean of each channel. Below 0: the score rises without it.

    Args:
        score: see `Score`; larger means more alike.
        clip: (C, T, H, W).
        moments: spans of time that are covered one by one.
        across: boxes side by side; they overlap by half.
    """
    fill = clip.mean(dim=(1, 2, 3), keepdim=True)  # (C, 1, 1, 1)
    whole = float(score(clip[None])[0])
    total = torch.zeros(clip.shape[1:])
    count = torch.zeros(clip.shape[1:])
    places = list(boxes(tuple(clip.shape[1:]), moments=moments, across=across))  # type: ignore[arg-type]
    for start in range(0, len(places), BATCH):
        some = places[start : start + BATCH]
        covered = clip[None].repeat(len(some), 1, 1, 1, 1)  # (n, C, T, H, W)
        for one, (frames, rows, columns) in zip(covered, some, strict=True):
            one[:, slice(*frames), slice(*rows), slice(*columns)] = fill
        for fall, (frames, rows, columns) in zip((whole - score(covered)).cpu().tolist(), some, strict=True):
            total[slice(*frames), slice(*rows), slice(*columns)] += fall
            count[slice(*frames), slice(*rows), slice(*columns)] += 1
    return total / count.clamp_min(1)


def gradient_map(score: Score, clip: Tensor, *, draws: int, noise: float, seed: int) -> Tensor:
    """Return (T, H, W): the mean size of the score's gradient over clips with noise added.

    Source: Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017.

    Args:
        score: see `Score`, differentiable.
        clip: (C, T, H, W).
        draws: clips that are averaged over.
        noise: standard deviation as a share of the clip's range of values.
        seed: of the noise.
    """
    generator = torch.Generator().manual_seed(seed)
    spread = noise * float(clip.max() - clip.min())
    total = torch.zeros(clip.shape[1:])
    for _ in range(draws):
        noisy = clip + spread * torch.randn(clip.shape, generator=generator).to(clip.device)
        noisy = noisy.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(score(noisy[None]).sum(), noisy)
        total += gradient.abs().sum(dim=0).cpu()
    return total / draws
