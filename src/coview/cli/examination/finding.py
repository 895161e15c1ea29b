"""One thing that was looked at, and what came of it."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "missing", "broken", "note"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    Attributes:
        what: what was looked at.
        verdict: "ok"; "missing" for what only some features need; "note" for what is worth knowing; "broken".
        detail: what was seen.
        remedy: what to do about it; every finding that is not ok has one.

    Raises:
        ValueError: a finding that is not ok has no remedy.
    """

    what: str
    verdict: Verdict
    detail: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if (self.verdict == "ok") == bool(self.remedy):
            raise ValueError(f"{self.what}: what is not ok has a remedy, and nothing else has")
