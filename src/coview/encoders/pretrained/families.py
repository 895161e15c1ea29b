"""The networks that can be loaded: what each takes, where its layers are, and by what feature its authors compare."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from coview.datatypes import RGB_MEAN, RGB_STD
from coview.errors import UserError
from coview.registry import did_you_mean

NAME = "transformers"
"""Row of `ENCODERS`."""

Pooling = Literal["auto", "patches", "class"]
Numbers = tuple[float, ...]
_HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Family:
    """One kind of network.

    Attributes:
        config: class of its settings in transformers.
        network: class of the network.
        takes: clips whole, or frames one by one.
        blocks: dotted name of its list of layers.
        embeddings: dotted name of what comes before them.
        pooled: what "class" gives: the class token, the pooled output, or a projection; "" where there is none.
        default: what "auto" is: how its authors compare by it.
        patches: order of the tokens of a clip: "t h w" or "h w t".
        has_free_size: whether pictures may have another size than it was trained with.
        needs_frames: whether the number of frames is fixed.
        parts: key of config.json under which the settings of the vision tower stand, where it is one of two.
        mean: of the pictures, where no preprocessor file says it.
        idle: parameters without a part in the feature, by what is pooled: they are kept and do not learn.
    """

    config: str
    network: str
    takes: Literal["clips", "frames"]
    blocks: str
    embeddings: str
    pooled: str
    default: Literal["patches", "class"]
    patches: str = "t h w"
    has_free_size: bool = False
    needs_frames: bool = False
    parts: str = ""
    mean: Numbers = RGB_MEAN
    std: Numbers = RGB_STD
    idle: tuple[tuple[str, str], ...] = ()


_DINO = {"pooled": "class token", "default": "class", "has_free_size": True, "idle": (("", "mask_token"),)}
_CLIP_PREFIX = "vision_model"
_CLIP = Family(
    "CLIPVisionConfig",
    "CLIPVisionModelWithProjection",
    "frames",
    f"{_CLIP_PREFIX}.encoder.layers",
    f"{_CLIP_PREFIX}.embeddings",
    pooled="image_embeds",
    default="class",
    parts="vision_config",
    mean=(0.48145466, 0.4578275, 0.40821073),
    std=(0.26862954, 0.26130258, 0.27577711),
    idle=(("patches", "post_layernorm"), ("patches", "visual_projection")),
)
_SIGLIP = Family(
    "SiglipVisionConfig",
    "SiglipVisionModel",
    "frames",
    "encoder.layers",
    "embeddings",
    pooled="pooler_output",
    default="class",
    parts="vision_config",
    mean=_HALF,
    std=_HALF,
    idle=(("patches", "head."),),
)
FAMILIES: Mapping[str, Family] = {
    "vjepa2": Family(
        "VJEPA2Config", "VJEPA2Model", "clips", "encoder.layer", "encoder.embeddings", "", "patches", has_free_size=True
    ),
    "videomae": Family(
        "VideoMAEConfig", "VideoMAEModel", "clips", "encoder.layer", "embeddings", "", "patches", needs_frames=True
    ),
    "timesformer": Family(
        "TimesformerConfig",
        "TimesformerModel",
        "clips",
        "encoder.layer",
        "embeddings",
        "class token",
        "class",
        patches="h w t",
        needs_frames=True,
        mean=(0.45, 0.45, 0.45),
        std=(0.225, 0.225, 0.225),
    ),
    "dinov2": Family("Dinov2Config", "Dinov2Model", "frames", "encoder.layer", "embeddings", **_DINO),  # type: ignore[arg-type]
    "dinov2_with_registers": Family(
        "Dinov2WithRegistersConfig",
        "Dinov2WithRegistersModel",
        "frames",
        "encoder.layer",
        "embeddings",
        **_DINO,  # type: ignore[arg-type]
    ),
    "dinov3_vit": Family("DINOv3ViTConfig", "DINOv3ViTModel", "frames", "model.layer", "embeddings", **_DINO),  # type: ignore[arg-type]
    "clip": _CLIP,
    "clip_vision_model": _CLIP,
    "siglip": _SIGLIP,
    "siglip_vision_model": _SIGLIP,
}
"""`model_type` of config.json -> network."""


def family_of(kind: object, *, source: str) -> Family:
    """Return the family of a `model_type`.

    Raises:
        UserError: it is none of `FAMILIES`.
    """
    if not isinstance(kind, str) or kind not in FAMILIES:
        hint = did_you_mean(str(kind), FAMILIES) or "."
        raise UserError(f"{source}: model_type is {kind!r}{hint} Known: {', '.join(FAMILIES)}")
    return FAMILIES[kind]
