"""What to do about source files that are more than a plain sequence of pictures."""

from dataclasses import dataclass
from typing import Literal

from coview.errors import UserError


@dataclass(frozen=True)
class SourceSettings:
    """How source files are read; every choice that changes a video is told in its remark."""

    stream: int | None = None
    """Number of the stream to read in files that hold several videos, as ffprobe counts; not set: as players choose."""
    deinterlace: Literal["auto", "never"] = "auto"
    """auto: pictures whose two fields were taken at different times get one of them filled up; never: left combed."""
    pixel_shape: Literal["square", "stored"] = "square"
    """square: oblong pixels are stretched, so that pictures look as in a player; stored: one pixel is one pixel."""
    tone_map: Literal["auto", "never"] = "auto"
    """auto: HDR pictures (PQ, HLG) become ordinary ones; never: their values are taken as if they were ordinary."""
    damaged: Literal["refuse", "keep"] = "refuse"
    """refuse: a video with damage in its middle fails; keep: what cannot be decoded soundly is left out and counted."""

    def __post_init__(self) -> None:
        if self.stream is not None and self.stream < 0:
            raise UserError(f"stream is {self.stream}, expected 0 or more")
