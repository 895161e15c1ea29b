"""What the figures do: each arm turns about its shoulder, like a windmill; the class is how the two arms turn.

An arm turns inwards or outwards, fast or slowly, and a class is what the two arms do, whichever of them is the left
one. So all classes pass through the same poses, at any moment each arm may point anywhere, and a mirrored clip is of
the same class: only motion tells the ten classes apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement

TURNS_PER_SECOND: Mapping[str, float] = {
    "fast-in": -25 / 16,
    "slow-in": -25 / 32,
    "fast-out": 25 / 16,
    "slow-out": 25 / 32,
}
"""How one arm turns: outwards is down, to its own side, up, and over the head and the chest to down again."""


@dataclass(frozen=True)
class Action:
    """Turns a second of the arm that leads, the left or the right one by chance, and of the other; outwards is > 0."""

    lead: float
    other: float


ACTIONS: Mapping[str, Action] = {
    f"{lead}_{other}": Action(TURNS_PER_SECOND[lead], TURNS_PER_SECOND[other])
    for lead, other in combinations_with_replacement(sorted(TURNS_PER_SECOND), 2)
}
"""Label, such as "fast-in_slow-out" -> what the arms do: ten classes."""
