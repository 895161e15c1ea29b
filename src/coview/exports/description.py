"""What an exported file says of itself: inputs, classes, how frames are chosen and cropped, where it comes from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coview.config import ClipSettings, as_plain, parse
from coview.errors import UserError
from coview.exports.graph import GraphInput, Output

FORMAT = 1
KEY = "coview"
"""Of the metadata in an ONNX file."""
CROP = "the largest centred square, resized with antialiasing (bilinear) to size x size, rounded to bytes"


@dataclass(frozen=True)
class Description:
    """What a user of an exported file needs to know.

    Attributes:
        output: what comes out.
        inputs: one a view, in the order of the graph's inputs.
        clip: which frames of a video make a window; windows overlap by half.
        classes: names in the order of the probabilities; empty for vectors.
        source: run and checkpoint, without paths.
        versions: of coview and torch.
        format: of this description.
        crop: what is done to pictures of another size before they go in.
    """

    output: Output
    inputs: tuple[GraphInput, ...]
    clip: ClipSettings
    classes: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT
    crop: str = CROP

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(one.view for one in self.inputs)

    def as_values(self) -> dict[str, Any]:
        """Return it as plain values."""
        plain: dict[str, Any] = as_plain(self)
        return plain

    @classmethod
    def read(cls, text: str | None, *, source: str) -> "Description":
        """Return what a file says of itself.

        Args:
            text: JSON; None where it says nothing.
            source: the file, for messages.

        Raises:
            UserError: it is not of ours.
        """
        if text is None:
            raise UserError(f"{source} does not say what its inputs are: it was not written by coview export")
        try:
            return parse(cls, json.loads(text), source=source)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{source} is damaged: {error}") from None
