"""What is wrong with a file of labels: gathered place by place, so that all of it is named at once."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from coview.errors import UserError
from coview.wording import counted

_MOST_NAMED = 20


class Faults:
    """Mistakes of one file.

    Example:
        faults = Faults(path)
        for line in lines:
            with faults.gathered("line 7"):
                read(line)
        faults.raise_if_any()

    Args:
        source: the file.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        self._found: list[str] = []

    @contextlib.contextmanager
    def gathered(self, place: str) -> Iterator[None]:
        """Note a UserError of the block with its place in the file, and go on after the block."""
        try:
            yield
        except UserError as error:
            self._found.append(f"{place}: {error}")

    def raise_if_any(self) -> None:
        """End where something is wrong.

        Raises:
            UserError: names all of it, up to 20 places.
        """
        if not self._found:
            return
        if len(self._found) == 1:
            raise UserError(f"{self.source}, {self._found[0]}; nothing was taken from it")
        ordered = sorted(self._found, key=lambda one: [int(number) for number in re.findall(r"\d+", one.split(":")[0])])
        named = "".join(f"\n  {one}" for one in ordered[:_MOST_NAMED])
        more = len(self._found) - _MOST_NAMED
        rest = f"\n  and {more:,} more" if more > 0 else ""
        mistakes = counted(len(self._found), "mistake")
        raise UserError(f"{self.source}: {mistakes}, nothing was taken from it:{named}{rest}")
