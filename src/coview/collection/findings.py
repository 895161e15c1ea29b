"""Answers of an index as a list: iterated, turned into a table, and shown in a notebook."""

import abc
import html
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
_SHOWN = 10


class Findings(Sequence[T], abc.ABC, Generic[T]):
    """Findings, the first one first. A subclass says how one of them reads in words.

    Attributes:
        title: what was asked for, in words.
    """

    def __init__(self, found: Sequence[T], *, title: str) -> None:
        self._found, self.title = tuple(found), title

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]  # an integer gives one, a slice gives several
        """Return one finding, or those of a slice."""
        return type(self)(self._found[place], title=self.title) if isinstance(place, slice) else self._found[place]

    def __iter__(self) -> Iterator[T]:
        return iter(self._found)

    def __repr__(self) -> str:
        lines = [f"  {' '.join(cell for cell in self.cells(one).values() if cell)}" for one in self._found[:_SHOWN]]
        more = [f"  ... {len(self) - _SHOWN} more"] if len(self) > _SHOWN else []
        return "\n".join([f"{type(self).__name__}({len(self):,}: {self.title})", *lines, *more])

    @abc.abstractmethod
    def cells(self, one: T) -> dict[str, str]:
        """Return what is shown of a finding: name of a column -> text."""

    def rows(self) -> list[dict[str, Any]]:
        """Return each finding as plain values by name."""
        return [asdict(one) for one in self._found]  # type: ignore[call-overload]

    def to_pandas(self) -> "pd.DataFrame":
        """Return a row a finding."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def _repr_html_(self) -> str:
        """Return a table for notebooks; names of files and labels stay text, whatever they hold."""
        cells = [self.cells(one) for one in self._found]
        head = "".join(f"<th>{html.escape(name)}</th>" for name in (cells[0] if cells else {}))
        body = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row.values()) for row in cells]
        rows = "".join(f"<tr>{row}</tr>" for row in body)
        title = html.escape(self.title)
        return f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def span(start_seconds: float | None, end_seconds: float | None) -> str:
    """Return "[1.0 s to 2.5 s]", nothing where there are no times."""
    return "" if start_seconds is None else f"[{start_seconds:.1f} s to {end_seconds:.1f} s]"
