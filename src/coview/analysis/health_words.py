"""What the numbers of a representation's health mean, in sentences."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from coview.analysis.context import OWN, RANDOM
from coview.training.health import COLLAPSED_RANK

if TYPE_CHECKING:
    from coview.analysis.health import OfView, ViewReading

FEW_DIRECTIONS = 5.0
"""Effective rank below which few directions carry everything."""
UNEVEN, EVEN = -0.5, -2.0
"""Uniformity above which all videos are nearly alike, and below which they fill the space."""
MOST_CHANCE = 0.4
"""Share of common neighbours by chance above which nothing can be read from them."""
HUBBY = 1.4
"""Skewness of k-occurrence from which hubs disturb retrieval (Radovanovic et al. call more than 1.4 strong)."""
UNSEEN, SEEN = 0.1, 0.3
"""Share of the distance between videos below which a change is not seen, and above which it plainly is."""


def health_sentences(
    found: Sequence["OfView"], seen: Sequence["ViewReading"], *, k: int, chance: float, clips: int
) -> tuple[str, ...]:
    """Say what was found of this run, the most telling first.

    Args:
        found: of all features and views.
        seen: of changed clips; may be empty.
        k: neighbours in a list.
        chance: share of common neighbours by chance.
        clips: videos of which changed clips were looked at.
    """
    own = [one for one in found if one.whose == OWN]
    random = {one.view: one for one in found if one.whose == RANDOM}
    stills = [_of_time(one, seen) for one in seen if one.whose == OWN]
    again = [_of_same_video(one, seen, clips=clips) for one in seen if one.whose == OWN]
    spreads = [_of_spread(one, random.get(one.view)) for one in own]
    return (*stills, *again, *_of_neighbours(own, k=k, chance=chance), *spreads, *_of_hubs(own, k=k))


def _of_time(one: "ViewReading", seen: Sequence["ViewReading"]) -> str:
    """Tell scene from motion."""
    verdict = motion_verdict(one.shares)
    if not verdict:
        return f"{one.view}: all videos are the same to the encoder; whether motion matters cannot be told."
    random = next((other for other in seen if other.whose == RANDOM and other.view == one.view), None)
    beside = f" (random weights {_three(random)})" if random else ""
    return (
        f"{one.view} {verdict}: still, shuffled, reversed clips are {_three(one)} of the way to another video{beside}."
    )


def motion_verdict(shares: Mapping[str, float]) -> str:
    """Say what an encoder looks at, by how far still, shuffled and reversed clips are; "" where that is not known."""
    still, shuffled, backward = (shares[name] for name in ("still", "shuffled", "reversed"))
    if math.isnan(still):
        return ""
    if still < UNSEEN:
        return "looks at pictures, hardly at motion"
    if shuffled < UNSEEN and backward < UNSEEN:
        return "sees that something moves, not in which order"
    if shuffled < SEEN and backward < SEEN:
        return "sees motion, and a little of its order"
    return "sees motion and its order"


def _of_same_video(one: "ViewReading", seen: Sequence["ViewReading"], *, clips: int) -> str:
    """Say how often a video is found again by another part of it: a score that needs no labels."""
    random = next((other for other in seen if other.whose == RANDOM and other.view == one.view), None)
    beside = f"random weights {random.same_video:.0%} ± {random.same_video_error:.0%}, " if random else ""
    return (
        f"{one.view} finds a video again by its other end for {one.same_video:.0%} ± {one.same_video_error:.0%} of "
        f"{clips} ({beside}chance {1 / clips:.0%})."
    )


def _three(one: "ViewReading") -> str:
    return ", ".join(f"{one.shares[name]:.0%}" for name in ("still", "shuffled", "reversed"))


def _of_neighbours(own: Sequence["OfView"], *, k: int, chance: float) -> list[str]:
    """Say whether pixels explain the neighbours."""
    sentences = []
    for one in own:
        pixels = {name: share for name, share in one.explained.items() if name != RANDOM}
        if not pixels:
            continue
        name, share = max(pixels.items(), key=lambda item: item[1])
        beyond = (share - chance) / (1 - chance)  # of what chance leaves
        if chance > MOST_CHANCE:
            verdict = "so few videos share most neighbours by chance"
        elif beyond > 0.5:
            verdict = "pixels explain most of what it finds alike"
        elif beyond > 0.15:
            verdict = "pixels explain a part of it"
        else:
            verdict = "pixels explain little of it"
        shared = f"{share:.0%} of the {k} nearest are also the nearest by {name} (chance {chance:.0%})"
        sentences.append(f"{one.view}: {shared}: {verdict}.")
    return sentences


def _of_spread(one: "OfView", random: "OfView | None") -> str:
    rank, uniformity = one.geometry.effective_rank, one.geometry.uniformity
    if rank < COLLAPSED_RANK or uniformity > -0.05:
        verdict = "collapsed: all videos are nearly the same"
    elif rank < FEW_DIRECTIONS:
        verdict = "few directions carry everything"
    elif uniformity > UNEVEN:
        verdict = "many directions, but all videos lie in a narrow cone"
    elif uniformity < EVEN:
        verdict = "videos fill the space well"
    else:
        verdict = "videos fill a part of the space"
    beside = (
        f", random weights {random.geometry.effective_rank:.1f} and {random.geometry.uniformity:.2f}" if random else ""
    )
    return f"{one.view}: effective rank {rank:.1f}, uniformity {uniformity:.2f}{beside}: {verdict}."


def _of_hubs(own: Sequence["OfView"], *, k: int) -> list[str]:
    hubby = [one for one in own if one.hubs.skewness > HUBBY]
    return [
        f"{one.view}: a few hubs are everyone's neighbour (skewness {one.hubs.skewness:.1f}; the largest is in "
        f"{one.hubs.largest:.0%} of all lists of {k}, {one.hubs.antihubs:.0%} of the videos are in none)."
        for one in hubby
    ]
