"""Does one video show what another shows, and when: looked for with coarse pictures, confirmed with finer ones.

Two videos of one event agree in how every place of the picture changes over time, whatever was done to size, colour,
codec, frame, direction or speed; two events in front of one background do not.
"""

import contextlib
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from coview.collection.pictures import COARSE_RATE, HEIGHT, WIDTH, Pictures, sample_frames, without_mean
from coview.collection.store import Floats

SPEEDS = (1.0, 25 / 24, 24 / 25, 1.25, 0.8, 1.5, 1 / 1.5, 2.0, 0.5)
"""How many times as fast the one may be; 25/24 is film on television."""
_CHUNK, _STEP = 8, 4
"""Coarse frames, 8 a second, that are compared as one; and from one such chunk to the next."""
_MOST_CHUNKS = 256
_FEWEST_VOTES = 0.1
_VOTE_FROM = 0.4
"""Correlation from which a chunk votes for an alignment."""
_NOISE = 1.0
"""Variance of grey values, of coarse pictures, that is taken for noise of the codec."""
_FINE_NOISE = 0.25
_REACH = 3
"""Frames by which a closer look may move an alignment."""
_WORTH_MORE = 0.5
_MOST_SCALED = 0.35
_LOCAL_SECONDS = 1.0
_LOCAL_FROM = 0.5
_FEWEST_FRAMES = 12
_SMOOTH_SECONDS = 3.0
"""What does not change over this long is scenery."""
_STILL = 0.02
"""Below this variance over time nothing moves, and pictures are compared as they are."""


@dataclass(frozen=True)
class Alignment:
    """How two videos may lie on each other: second t of the one is second `speed * t + shift` of the other.

    Attributes:
        votes: how much of the one voted for it, in chunks.
        speed: how many seconds of the other pass in a second of the one, which is that many times as fast.
        shift: second of the other at the beginning of the one.
        is_mirrored: one is the mirror image of the other.
    """

    votes: float
    speed: float
    shift: float
    is_mirrored: bool


@dataclass(frozen=True)
class Agreement:
    """An alignment, looked at closely.

    Attributes:
        alignment: with its shift made exact.
        correlation: of how every place of the picture changes over time, -1 to 1.
        start_seconds: of the one, from where on they agree.
        end_seconds: of the one, until when.
    """

    alignment: Alignment
    correlation: float
    start_seconds: float
    end_seconds: float


def _chunks(coarse: Floats, *, step: int) -> Floats:
    """Return (n, chunk * 9 * 12): how pictures differ from their mean over a chunk; rows of length 1 where they do."""
    count = len(coarse) - _CHUNK + 1
    if count <= 0:
        return np.zeros((0, _CHUNK * coarse[0].size), np.float32)
    at = np.arange(0, count, step)[:, None] + np.arange(_CHUNK)
    found = coarse[at]  # (n, chunk, 9, 12)
    found = (found - found.mean(axis=1, keepdims=True)).reshape(len(at), -1)
    energy = np.einsum("nd,nd->n", found, found) + _NOISE * found.shape[1]
    return np.asarray(found / np.sqrt(energy)[:, None], dtype=np.float32)


def target_chunks(coarse: Floats) -> Floats:
    """Return the chunks of the video in which others are looked for, for `propose`."""
    return _chunks(coarse[::2], step=1)


def propose(coarse: Floats, target: Floats, *, most: int = 2) -> list[Alignment]:
    """Find how a video may lie on another: chunks that look alike vote for the diagonal that they lie on.

    Args:
        coarse: (T, 9, 12) of the one, the shorter, 16 a second.
        target: chunks of the other.
        most: how many alignments at most; one at the usual speed comes on top.

    Returns:
        Alignments, the one with most votes first.
    """
    found = []
    for speed in SPEEDS if len(target) else ():
        last = (len(coarse) - 1) * speed
        stretched = sample_frames(coarse, np.arange(0, last + 1e-6, 2) / speed)
        step = max(_STEP, len(stretched) // _MOST_CHUNKS)
        for is_mirrored in (False, True):
            own = _chunks(stretched[:, :, ::-1] if is_mirrored else stretched, step=step)
            if not len(own):
                continue
            alike = np.maximum(own @ target.T - _VOTE_FROM, 0)  # (n, m)
            reach = (len(own) - 1) * step
            votes = np.zeros(reach + len(target), np.float32)
            for number, row in enumerate(alike):
                votes[reach - number * step : reach - number * step + len(row)] += row
            best = int(votes.argmax())
            shift = (best - reach) / (COARSE_RATE / 2)
            found.append(Alignment(float(votes[best]), speed, shift, is_mirrored))
    ranked = sorted((one for one in found if one.votes >= _FEWEST_VOTES), key=lambda one: -one.votes)
    usual = [one for one in ranked if one.speed == 1][:1]  # short videos leave the speed open, and most keep it
    return list(dict.fromkeys([*ranked[:most], *usual]))


def confirm(one: Pictures, other: Pictures, proposed: Alignment) -> Agreement | None:
    """Look closely at an alignment: pictures are laid on each other, and detail that moves is compared.

    Args:
        one: the video that was looked for.
        other: the video in which it may be.
        proposed: how they may lie on each other, within a quarter of a second.

    Returns:
        The stretch in which they agree best; None where they overlap too little.
    """
    mine, theirs = one.detail[:, :, ::-1] if proposed.is_mirrored else one.detail, other.detail
    overlap = _Overlap(one, other, proposed)
    if len(overlap.frames) < _FEWEST_FRAMES:
        return None
    warp, mask = _lay_over(one, other, overlap, is_mirrored=proposed.is_mirrored)
    places = np.unique(np.clip(np.arange(overlap.places[0] - _REACH - 1, overlap.places[-1] + _REACH + 2), 0, None))
    used = places[places < len(theirs)].astype(np.int64)  # frames of the other that any shift needs
    laid = np.stack([_warped(theirs[place], warp)[mask] for place in used])  # (n, P)
    own = mine.astype(np.float32)[:, mask]  # (T, P)

    def look(steps: float) -> Agreement | None:
        aligned = replace(proposed, shift=proposed.shift + steps / max(one.fps, other.fps))
        found = _Overlap(one, other, aligned)
        if len(found.frames) < _FEWEST_FRAMES:
            return None
        there = sample_frames(laid, np.clip(found.places - used[0], 0, len(laid) - 1))
        agreed = _agree(*_moving(own[found.frames], there, one.fps), one.fps)
        if agreed is None:
            return None
        correlation, begin, end = agreed
        first, last = float(found.frames[begin]), float(found.frames[end - 1])
        return Agreement(aligned, correlation, first / one.fps, (last + 1) / one.fps)

    best, at = None, 0.0
    for steps in (0.0, -1.0, 1.0, -2.0, 2.0):
        agreed = look(steps)
        if agreed is not None and (best is None or agreed.correlation > best.correlation):
            best, at = agreed, steps
    for steps in (at - 0.5, at + 0.5) if best is not None and best.correlation > _WORTH_MORE else ():
        agreed = look(steps)
        if agreed is not None and best is not None and agreed.correlation > best.correlation:
            best = agreed
    return best


def _moving(mine: Floats, theirs: Floats, fps: float) -> tuple[Floats, Floats]:
    """Return what moves in two stretches (n, P) of the same times; still pictures are compared as they are.

    What stands still is taken away over the shared times alone: a video that goes on beyond them has no other mean.
    """
    half = max(round(fps * _SMOOTH_SECONDS / 2), 1)
    moving = without_mean(mine, half=half), without_mean(theirs, half=half)
    return (mine, theirs) if max(float(np.var(values)) for values in moving) < _STILL else moving


class _Overlap:
    """Frames (n,) of the one and where (n,) in the other they lie."""

    def __init__(self, one: Pictures, other: Pictures, aligned: Alignment) -> None:
        frames = np.arange(len(one.frames))
        places = (aligned.speed * frames / one.fps + aligned.shift) * other.fps
        inside = (places >= -0.5) & (places <= len(other.frames) - 0.5)
        self.frames, self.places = frames[inside], np.clip(places[inside], 0, len(other.frames) - 1)


def _lay_over(
    one: Pictures, other: Pictures, overlap: _Overlap, *, is_mirrored: bool
) -> tuple[Floats, NDArray[np.bool_]]:
    """Find how the other's pictures are cropped or scaled against the one's.

    Returns:
        An affine map (2, 3), and which places (36, 48) both show.
    """
    warp = np.eye(2, 3, dtype=np.float32)
    mean = one.frames[overlap.frames].mean(axis=0, dtype=np.float32)
    mean = np.ascontiguousarray(mean[:, ::-1]) if is_mirrored else mean
    others = other.frames[np.round(overlap.places).astype(np.int64)].mean(axis=0, dtype=np.float32)
    enough = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
    with contextlib.suppress(cv2.error):  # nothing to hold on to, such as black pictures
        _, found = cv2.findTransformECC(mean, others, warp.copy(), cv2.MOTION_AFFINE, enough, None, 3)
        if np.abs(found[:, :2] - np.eye(2)).max() < _MOST_SCALED:
            warp = np.asarray(found, np.float32)
    return warp, _warped(np.ones((HEIGHT, WIDTH), np.float32), warp, border=cv2.BORDER_CONSTANT) > 0.99


def _warped(frame: NDArray[Any], warp: Floats, border: int = cv2.BORDER_REPLICATE) -> Floats:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    values = frame.astype(np.float32)
    return np.asarray(cv2.warpAffine(values, warp, (WIDTH, HEIGHT), flags=flags, borderMode=border), np.float32)


def _agree(mine: Floats, theirs: Floats, fps: float) -> tuple[float, int, int] | None:
    """Return the correlation in the longest stretch in which two videos agree, its first frame and the one behind it.

    Args:
        mine: (n, P) of the overlapping frames.
        theirs: (n, P) of the other.
        fps: of both.
    """
    both = np.einsum("np,np->n", mine, theirs)
    noise = _FINE_NOISE * mine.shape[1]
    energy, energy_too = (np.einsum("np,np->n", values, values) + noise for values in (mine, theirs))
    box = np.ones(min(max(round(_LOCAL_SECONDS * fps), 1), len(both)), np.float32)
    local, first, second = (np.convolve(values, box, mode="same") for values in (both, energy, energy_too))
    agrees = np.r_[False, local >= _LOCAL_FROM * np.sqrt(first * second), False].astype(np.int8)
    begins, ends = np.flatnonzero(np.diff(agrees) == 1), np.flatnonzero(np.diff(agrees) == -1)
    if not len(begins):
        return None
    longest = int((ends - begins).argmax())
    begin, end = int(begins[longest]), int(ends[longest])
    if end - begin < _FEWEST_FRAMES:
        return None
    correlation = both[begin:end].sum() / np.sqrt(energy[begin:end].sum() * energy_too[begin:end].sum())
    return float(correlation), begin, end
