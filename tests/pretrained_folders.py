"""Small networks of transformers with random weights, saved as their authors save theirs."""

import json
from pathlib import Path
from typing import Any

import pytest

try:
    import transformers
except ImportError:
    transformers = None
needs_transformers = pytest.mark.skipif(transformers is None, reason="needs the extra `pretrained` (transformers)")

_SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 16}
SMALL_NETWORKS: dict[str, dict[str, Any]] = {
    "vjepa2": {
        **_SMALL,
        "crop_size": 32,
        "frames_per_clip": 4,
        "mlp_ratio": 2,
        "pred_hidden_size": 24,
        "pred_num_attention_heads": 2,
        "pred_num_hidden_layers": 1,
        "pred_num_mask_tokens": 2,
    },
    "videomae": {**_SMALL, "num_frames": 4, "intermediate_size": 48, "decoder_hidden_size": 24},
    "timesformer": {**_SMALL, "num_frames": 4, "intermediate_size": 48},
    "dinov2": {**_SMALL, "mlp_ratio": 2},
    "dinov2_with_registers": {**_SMALL, "mlp_ratio": 2, "num_register_tokens": 2},
    "dinov3_vit": {**_SMALL, "intermediate_size": 48, "num_register_tokens": 2},
    "clip_vision_model": {**_SMALL, "intermediate_size": 48, "projection_dim": 20},
    "siglip_vision_model": {**_SMALL, "intermediate_size": 48},
}
SMALL_NETWORKS = {name: {"model_type": name, **settings} for name, settings in SMALL_NETWORKS.items()}
PRETRAINING = {"videomae": "VideoMAEForPreTraining", "vjepa2": "VJEPA2ForVideoClassification"}
"""What the published files of a kind hold: the network within a larger one."""


def write_folder(folder: Path, kind: str, *, whole: bool = False) -> Path:
    """Save a small network with config.json, safetensors and a preprocessor file.

    Args:
        folder: new.
        kind: a key of `SMALL_NETWORKS`, or "clip" and "siglip": both towers.
        whole: the larger network that it is published in.
    """
    from coview.encoders.pretrained import FAMILIES

    family = FAMILIES[kind]
    if kind in ("clip", "siglip"):
        tower = {**SMALL_NETWORKS[f"{kind}_vision_model"]}
        words = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
        words |= {"vocab_size": 99, "eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 0, "projection_dim": 20}
        name = {"clip": "CLIP", "siglip": "Siglip"}[kind]
        shared = {"projection_dim": 20} if kind == "clip" else {}
        config = getattr(transformers, f"{name}Config")(vision_config=tower, text_config=words, **shared)
        network = getattr(transformers, f"{name}Model")(config)
    else:
        settings = {name: value for name, value in SMALL_NETWORKS[kind].items() if name != "model_type"}
        config = getattr(transformers, family.config)(**settings)
        network = getattr(transformers, PRETRAINING[kind] if whole else family.network)(config)
    network.save_pretrained(folder)
    told = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3], "do_rescale": True}
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder
