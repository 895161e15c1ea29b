"""Counting of what is broken on purpose: an event is right, or it is a fault, which says what it was."""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from coview.errors import UserError

Event = Callable[[], str]
"""Something that is tried; returns "" where the outcome is right, else what was wrong. A `UserError` is right."""


@dataclass
class Campaign:
    """What was tried.

    Attributes:
        seed: of every random choice.
        tried: kind -> number of events.
        faults: kind -> what went wrong.
    """

    seed: int
    tried: dict[str, int] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def generator(self, kind: str) -> np.random.Generator:
        """Return the random numbers of one kind: the same whatever other kinds are tried."""
        return np.random.default_rng([self.seed, *kind.encode()])

    def attempt(self, kind: str, what: str, event: Event, *, limit_seconds: float = 20.0) -> None:
        """Try one event; a traceback, several lines, no end and whatever the event itself objects to are faults.

        The limit is of this process's own time; waiting for something may take ten times that.
        """
        self.tried[kind] = self.tried.get(kind, 0) + 1
        self.faults.setdefault(kind, [])
        fault = _outcome(event, limit_seconds)
        if fault:
            self.faults[kind].append(f"{what}: {fault}")
            print(f"FAULT {kind}: {what}: {fault}", file=sys.stderr, flush=True)

    def add(self, summary: Mapping[str, Any]) -> None:
        """Take in what `summary` of another campaign said."""
        for kind, counts in summary["kinds"].items():
            self.tried[kind] = self.tried.get(kind, 0) + counts["tried"]
            told = [fault.removeprefix(f"{kind}: ") for fault in summary["faults"] if fault.startswith(f"{kind}: ")]
            self.faults.setdefault(kind, []).extend(told)

    def table(self) -> str:
        """Return kind, tried, faults as lines."""
        rows = [(kind, count, len(self.faults[kind])) for kind, count in self.tried.items()]
        rows.append(("all", sum(self.tried.values()), sum(map(len, self.faults.values()))))
        width = max(len(kind) for kind, *_ in rows)
        return "\n".join(f"{kind:{width}}  {tried:5} tried  {faults:3} faults" for kind, tried, faults in rows)

    def summary(self) -> dict[str, Any]:
        """Return the same as plain values."""
        kinds = {kind: {"tried": count, "faults": len(self.faults[kind])} for kind, count in self.tried.items()}
        total = {"tried": sum(self.tried.values()), "faults": sum(map(len, self.faults.values()))}
        told = [f"{kind}: {text}" for kind, texts in self.faults.items() for text in texts]
        return {"seed": self.seed, "kinds": kinds, "all": total, "faults": told}


class _NoEndError(BaseException):
    """An event did not end; no code under test catches it."""


def _outcome(event: Event, limit_seconds: float) -> str:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _NoEndError

    clocks = ((signal.SIGALRM, signal.ITIMER_REAL, 10.0), (signal.SIGPROF, signal.ITIMER_PROF, 1.0))
    before = [signal.signal(number, stop) for number, *_ in clocks]
    for _, clock, factor in clocks:
        signal.setitimer(clock, factor * limit_seconds)
    try:
        return event()
    except UserError as error:
        return f"several lines: {error}" if "\n" in str(error) else ""
    except _NoEndError:
        return f"no end after {limit_seconds:.0f} s"
    except Exception as error:  # noqa: BLE001  (that is what is looked for)
        return f"traceback: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    finally:
        for (number, clock, _), handler in zip(clocks, before, strict=True):
            signal.setitimer(clock, 0)
            signal.signal(number, handler)


class Words(logging.Handler):
    """Holds the warnings of coview while a block runs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextlib.contextmanager
def heard() -> Iterator[list[str]]:
    """Give the warnings that are logged in the block; nothing is printed."""
    logger, words = logging.getLogger("coview"), Words()
    before = logger.handlers[:], logger.propagate
    logger.handlers, logger.propagate = [words], False
    try:
        yield words.texts
    finally:
        logger.handlers, logger.propagate = before


def left_behind(folder: Path) -> list[str]:
    """Return the temporary files and folders that nobody has removed."""
    names = [name for _, folders, files in os.walk(folder) for name in [*folders, *files]]
    return [name for name in names if name.startswith(".part-") or name.endswith(".tmp")]
