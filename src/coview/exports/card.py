"""README.md of an exported model: what goes in, what comes out, where it comes from, how to run it."""

from pathlib import Path

from coview.embedding.run import Run
from coview.exports.description import CROP, Description
from coview.exports.graph import GraphInput
from coview.exports.parity import Parity
from coview.files import write_text

_FRONT = """---
library_name: coview
pipeline_tag: {tag}
tags:
- video
- {tag}
---

"""
_CODE = {
    "onnx": """from coview.exports import ExportedEncoder

encoder = ExportedEncoder("{name}")
answers = encoder({{{example}}})   # {answer}

# or without coview, on pictures of the right size:
import onnxruntime

session = onnxruntime.InferenceSession("{name}/model.onnx")
answers = session.run(None, {{{example}}})   # one array a view, in the order of the table""",
    "torch-export": """import torch

module = torch.export.load("{name}/model.pt2").module()
answers = module({tensors})   # one tensor a view, in the order of the table""",
    "hf": """import coview

run = coview.load("{name}")
vectors = run.embed("my_videos/")

# or one encoder alone, an ordinary torch module:
import json
from coview.encoders import build_encoder
from safetensors.torch import load_file

view = json.load(open("{name}/config.json"))["views"]["{first}"]
prefix, weights = view["weights_prefix"], load_file("{name}/model.safetensors")
encoder = build_encoder(view["encoder"], in_channels=view["channels"]).eval()
encoder.load_state_dict({{key.removeprefix(prefix): one for key, one in weights.items() if key.startswith(prefix)}})
features = encoder.pooled(clips)   # (B, C, T, H, W) normalised as `coview.augmentation` does -> (B, D)""",
}


def write_card(folder: Path, description: Description, *, run: Run, form: str, parity: Parity | None) -> None:
    """Write README.md into the folder of an exported model.

    Args:
        folder: where.
        description: of the graph.
        run: where it comes from.
        form: onnx, torch-export or hf.
        parity: how it compares to the run; None where it is the run itself.
    """
    are_classes = description.output == "probabilities"
    tag = "video-classification" if are_classes else "feature-extraction"
    answer = "view -> (B, classes), probabilities" if are_classes else "view -> (B, D), unit rows"
    code = _CODE[form].format(
        name=folder.name,
        first=description.views[0],
        example=", ".join(f'"{one.view}": {one.view}' for one in description.inputs),
        tensors=", ".join(one.view for one in description.inputs),
        answer=answer,
    )
    rows = "\n".join(_row(one) for one in description.inputs)
    clip = description.clip
    trained = ", ".join(run.trained_views) or "none"
    lines = [
        _FRONT.format(tag=tag) + f"# {run.name}",
        "",
        f"Encoder {_encoders(run, description)}, learnt by method "
        f"`{run.config.method['name']}`, checkpoint `{run.checkpoint.name}` (views trained: {trained}).",
        "",
        f"Goes in: one window of a video, {clip.num_frames} frames, each {clip.frame_stride} frames after the one "
        f"before. Comes out: {answer}. The vector of a video is the mean of those of its half-overlapping windows, "
        "made unit again.",
        "",
        "| view | shape | type | values |",
        "|---|---|---|---|",
        rows,
        "",
        f"Pictures of another size: {CROP}. Scaling and normalising are inside.",
        "",
        *(["Classes: " + ", ".join(description.classes), ""] if are_classes else []),
        "```python",
        code,
        "```",
        "",
        *([parity.describe().replace("\n", "  \n"), ""] if parity is not None else []),
        "What it was trained on decides what it is good for: its own results (`coview evaluate`) are on those data.",
        "",
    ]
    write_text(folder / "README.md", "\n".join(lines))


def _encoders(run: Run, description: Description) -> str:
    """Return "`s3d` of rgb, flow"."""
    by_name: dict[str, list[str]] = {}
    for view in description.views:
        by_name.setdefault(str(run.config.encoder_of(view)["name"]), []).append(view)
    return " and ".join(f"`{name}` of {', '.join(views)}" for name, views in by_name.items())


def _row(one: GraphInput) -> str:
    values = "bytes as stored" if one.dtype == "uint8" else "as the view renders and standardises them"
    return f"| {one.view} | (B, {', '.join(map(str, one.shape))}) | {one.dtype} | {values} |"
