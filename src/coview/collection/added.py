"""What came of bringing videos into an index."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Added:
    """What a call of `Index.add` did, in videos.

    Attributes:
        added: new ones that can now be found.
        changed: those whose file had changed, embedded again.
        unchanged: those that the index had already.
        gone: those that their source no longer holds, or that came back unreadable.
        returned: those that were gone and are there again as they were.
        failed: path -> reason of those that could not be embedded, now or in an earlier call.
        remarks: what listing the sources had to say.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    gone: int = 0
    returned: int = 0
    failed: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = ("added", "changed", "unchanged", "gone", "returned")
        parts = [f"{getattr(self, name):,} {name}" for name in names if getattr(self, name) or name == "added"]
        return ", ".join([*parts, *([f"{len(self.failed):,} failed"] if self.failed else [])])

    def __add__(self, other: "Added") -> "Added":
        return Added(
            self.added + other.added,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.gone + other.gone,
            self.returned + other.returned,
            self.failed + other.failed,
            self.remarks + other.remarks,
        )
