"""One label, and when two of them contradict each other."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from coview.errors import UserError

NONE = "(none of them)"
"""Stands for "none of the classes" where a file has one word a label; no class may be called so."""
MOST_LETTERS = 200
"""Of the name of a class."""
BEYOND_SECONDS = 0.5
"""How far a label may reach beyond a video: programs round lengths in their own ways."""


@dataclass(frozen=True)
class Label:
    """What somebody said of a video, or of some seconds of it.

    Attributes:
        path: of the video, absolute.
        classes: sorted; several where all of them are seen, empty for "none of the classes".
        start_seconds: None: from the beginning.
        end_seconds: None with `start_seconds`: the whole video.
        who: said it; "" where unknown.
        made_at: when, as ISO 8601 in UTC; "" where unknown.
        id: of the video; "" while the index does not hold it.
        video: its number in the index, None while it does not hold it.
    """

    path: str
    classes: tuple[str, ...]
    start_seconds: float | None = None
    end_seconds: float | None = None
    who: str = ""
    made_at: str = ""
    id: str = ""
    video: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is about the whole video."""
        return self.start_seconds is None

    @property
    def span(self) -> tuple[float, float]:
        """Start and end in seconds; infinite for a whole video."""
        if self.start_seconds is None or self.end_seconds is None:
            return 0.0, math.inf
        return self.start_seconds, self.end_seconds

    @property
    def words(self) -> str:
        """Its classes in words."""
        return ", ".join(self.classes) or NONE

    def contradicts(self, other: "Label") -> bool:
        """Whether one names a class and the other none at the same time of the same video.

        The same time: they share more than half of the shorter one. Neighbouring windows, which overlap by half, may
        well differ.
        """
        if bool(self.classes) == bool(other.classes) or self.path != other.path:
            return False
        (start, end), (first, last) = self.span, other.span
        shared = min(end, last) - max(start, first)
        shorter = min(end - start, last - first)
        return shared > shorter / 2 or (math.isinf(shared) and math.isinf(shorter))


def check_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of classes without outer spaces, sorted, each once.

    Raises:
        UserError: one is empty, too long, no text, or stands for none of them.
    """
    found = set()
    for name in [names] if isinstance(names, str) else names:
        if not isinstance(name, str):
            raise UserError(f"a class is called {name!r:.60}, expected a text")
        plain = name.strip()
        if not plain or len(plain) > MOST_LETTERS or not plain.isprintable():
            raise UserError(f"a class cannot be called {name!r:.80}; give it 1 to {MOST_LETTERS} letters in one line")
        if plain == NONE:
            raise UserError(f"no class may be called {NONE!r}: that says that it is none of the classes")
        found.add(plain)
    return tuple(sorted(found))


def check_span(start: float | None, end: float | None, *, duration: float | None) -> tuple[float | None, float | None]:
    """Return start and end of a label; None and None for a whole video.

    Raises:
        UserError: one of them alone, no numbers, the end before the start, or outside the video.
    """
    if start is None and end is None:
        return None, None
    if start is None or end is None:
        raise UserError(f"a label has the {'end' if start is None else 'start'} alone; give both, or neither")
    start, end = float(start), float(end)
    if not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end):
        raise UserError(f"a label goes from {start:g} s to {end:g} s; expected 0 <= start < end")
    if duration is not None and end > duration + BEYOND_SECONDS:
        raise UserError(f"a label ends at {end:g} s, outside the video, which is {duration:.2f} s long")
    return start, end
