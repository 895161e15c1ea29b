"""The detector `rcnn`: torchvision's Keypoint R-CNN and Mask R-CNN, the family that CoCon used."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coview.datatypes import Frame
from coview.errors import UserError
from coview.views.base import SourceVideo
from coview.views.persons.detectors.base import Part, PersonDetector, Persons

BUILDERS: Mapping[Part, str] = {"keypoints": "keypointrcnn_resnet50_fpn", "mask": "maskrcnn_resnet50_fpn"}
"""Functions of torchvision.models.detection."""
PERSON = 1
"""COCO's label of persons."""


class RcnnDetector(PersonDetector):
    """Keypoint R-CNN and Mask R-CNN (He et al. 2017) with ResNet-50 and feature pyramid; every person in the picture.

    The score of a point is the person's score times the sigmoid of the point's; the mask at a pixel is the highest
    score of a person times the probability of being in that person's mask.
    """

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._networks: dict[Part, Any] = {}

    def check(self, part: Part) -> None:
        """Load the network: its weights are then on the disk for every worker."""
        if self.options.device == "cuda" and not torch.cuda.is_available():
            raise UserError("device is cuda, but PyTorch sees no CUDA device here; set device to cpu")
        self._network(part)

    def detect(self, frames: Iterable[Frame], video: SourceVideo | None, parts: frozenset[Part]) -> Iterator[Persons]:
        """Yield the persons in each frame, in batches; see `PersonDetector.detect`."""
        networks = {part: self._network(part) for part in parts}
        least = self.options.min_confidence
        waiting = iter(frames)
        while batch := list(itertools.islice(waiting, self.options.batch_size)):
            pictures = [_picture(frame, self.options.device) for frame in batch]
            found = {part: _apply(network, pictures) for part, network in networks.items()}
            for place, frame in enumerate(batch):
                height, width = frame.shape[:2]
                yield Persons(
                    keypoints=_keypoints(found["keypoints"][place], height, width, least=least)
                    if "keypoints" in parts
                    else None,
                    mask=_mask(found["mask"][place], height, width, least=least) if "mask" in parts else None,
                )

    def _network(self, part: Part) -> Any:
        if part not in self._networks:
            network = _build(part, self.options.weights)
            self._networks[part] = network.eval().to(self.options.device)
        return self._networks[part]


def _build(part: Part, weights: Any) -> Any:
    """Make a network with its weights.

    Raises:
        UserError: no torchvision that works, or no weights.
    """
    name = BUILDERS[part]
    try:
        from torchvision.models import detection
    except (
        ImportError,
        RuntimeError,
        AttributeError,
    ) as error:  # one for another torch fails as it registers operators
        raise UserError(
            f"the detector rcnn needs torchvision in the version that belongs to torch {torch.__version__}, and it "
            f"cannot be imported ({_first_line(error)}); see https://pytorch.org/get-started, or choose "
            "the detector mediapipe"
        ) from None
    build = getattr(detection, name)
    if weights is None:
        try:
            return build(weights="DEFAULT", progress=False)
        except OSError as error:  # of which those of urllib are
            raise UserError(
                f"the weights of {name} cannot be downloaded ({_first_line(error)}); download them elsewhere and name "
                "the file with the option weights"
            ) from error
    if not weights.is_file():
        raise UserError(f"there is no file {weights}; the option weights names a state dict of torchvision's {name}")
    network = build(weights=None, weights_backbone=None)
    try:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as error:  # noqa: BLE001  (damaged files raise anything)
        raise UserError(f"{weights} holds no weights of torchvision's {name}: {_first_line(error)}") from error
    return network


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _picture(frame: Frame, device: str) -> Tensor:
    """Return (3, H, W) float32 in [0, 1], as torchvision wants it."""
    return torch.from_numpy(np.ascontiguousarray(frame)).to(device).permute(2, 0, 1).float() / 255


@torch.inference_mode()
def _apply(network: Any, pictures: Sequence[Tensor]) -> list[dict[str, Tensor]]:
    return [{key: value.cpu() for key, value in found.items()} for found in network(pictures)]


def _sure(found: Mapping[str, Tensor], least: float) -> Tensor:
    return (found["labels"] == PERSON) & (found["scores"] >= least)


def _keypoints(found: Mapping[str, Tensor], height: int, width: int, *, least: float) -> NDArray[np.float32]:
    """Return (R, 17, 3): fractions and score, of the persons that are sure enough."""
    chosen = _sure(found, least)
    places = found["keypoints"][chosen][..., :2] / torch.tensor([width, height])  # (R, 17, 2)
    scores = found["scores"][chosen][:, None] * found["keypoints_scores"][chosen].sigmoid()  # (R, 17)
    return np.asarray(torch.cat([places, scores[..., None]], dim=-1).numpy(), np.float32)


def _mask(found: Mapping[str, Tensor], height: int, width: int, *, least: float) -> NDArray[np.uint8]:
    """Return (H, W) uint8."""
    chosen = _sure(found, least)
    if not chosen.any():
        return np.zeros((height, width), np.uint8)
    sure = found["masks"][chosen][:, 0] * found["scores"][chosen][:, None, None]  # (R, H, W)
    return np.asarray((sure.amax(dim=0) * 255).round().to(torch.uint8).numpy())
