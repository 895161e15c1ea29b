"""A folder of a pretrained network: what its config.json and preprocessor file say. Reads no weights, runs nothing."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coview.encoders.pretrained.families import FAMILIES, Family, Numbers, family_of
from coview.encoders.pretrained.library import NOT_OF_THE_NETWORK, is_plain, network_settings
from coview.errors import UserError

logger = logging.getLogger(__name__)

CONFIG, WEIGHTS, SHARDS = "config.json", "model.safetensors", "model.safetensors.index.json"
PREPROCESSING = ("video_preprocessor_config.json", "preprocessor_config.json")


def read_folder(path: Path | str) -> dict[str, Any]:
    """Return options of `Pretrained` from a folder: the network's settings, mean and deviation. Reads no weights.

    Raises:
        UserError: it is no such folder, or of another kind of network.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UserError(
            f"{path} is no folder; give one that holds {CONFIG} and {WEIGHTS}. Nothing is downloaded: fetch a model "
            "once with the tool of its hub"
        )
    told = _read_json(folder / CONFIG)
    family = family_of(told.get("model_type"), source=str(folder / CONFIG))
    if not (folder / WEIGHTS).is_file() and not (folder / SHARDS).is_file():
        raise UserError(f"{folder} has no {WEIGHTS}: weights are read from safetensors alone, pickled ones never")
    settings = network_settings(_vision_part(told, family), family)
    plain = {"model_type": settings.model_type, **settings.to_diff_dict()}
    kept = {name: value for name, value in plain.items() if name not in NOT_OF_THE_NETWORK and is_plain(value)}
    kept.pop("dtype", None)
    mean, std = _normalisation(folder, family)
    return {"model": kept, "mean": list(mean), "std": list(std)}


def is_pretrained_folder(path: Path | str) -> bool:
    """Say whether a folder holds one of these networks, by its config.json alone."""
    folder = Path(path)
    if not (folder / CONFIG).is_file():
        return False
    try:
        return _read_json(folder / CONFIG).get("model_type") in FAMILIES
    except UserError:
        return False


def _vision_part(told: Mapping[str, Any], family: Family) -> dict[str, Any]:
    """Return the settings of the tower that sees, where there is another that reads."""
    if not family.parts or family.parts not in told:
        return dict(told)
    shared = {"projection_dim": told["projection_dim"]} if "projection_dim" in told else {}
    return {**shared, **dict(told[family.parts])}


def _normalisation(folder: Path, family: Family) -> tuple[Numbers, Numbers]:
    for name in PREPROCESSING:
        if (folder / name).is_file():
            told = _read_json(folder / name)
            found = [told.get(key) for key in ("image_mean", "image_std")]
            if all(isinstance(one, list) and len(one) == 3 and all(map(_is_number, one)) for one in found):
                return tuple(found[0]), tuple(found[1])  # type: ignore[arg-type]
    logger.info("%s does not say how pictures are normalised; the usual numbers of its kind are taken", folder)
    return family.mean, family.std


def _read_json(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path.parent} holds no {path.name}: it is not a folder of such a model") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    if not isinstance(told, dict):
        raise UserError(f"{path} holds a {type(told).__name__}, expected names and values")
    return told


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
