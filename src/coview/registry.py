"""A name in a config -> the object behind it, imported only when it is asked for.

Each folder that holds interchangeable things (encoders, views, methods, data set layouts) has one `Registry`
in its `__init__.py`. A new thing is one file and one row there; the contract tests run over the rows.
"""

import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar, cast

from coview.errors import UserError

T = TypeVar("T")


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the choice closest to `word`, or an empty string."""
    close = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


class Registry(Generic[T]):
    """Rows of name -> "package.module:attribute", all of one kind.

    Args:
        kind: what the rows are, in the singular, for messages ("encoder").
        rows: the table.
    """

    def __init__(self, kind: str, rows: Mapping[str, str]) -> None:
        self.kind = kind
        self._rows = dict(rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def load(self, name: str) -> T:
        """Import and return the object called `name`.

        Raises:
            UserError: no such name; the message lists the names and suggests the closest.
        """
        if name not in self._rows:
            known = ", ".join(self._rows)
            hint = did_you_mean(name, self._rows)
            raise UserError(f"unknown {self.kind} {name!r}{hint or '.'} Known: {known}.")
        module, _, attribute = self._rows[name].partition(":")
        return cast(T, getattr(importlib.import_module(module), attribute))
