"""A run as a folder for a model hub: config.json, model.safetensors, README.md; `coview.load` opens it as a run.

It holds what a run is and its weights, and no optimiser, log or embedding; no absolute path goes into it.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from coview.config import as_plain, write_yaml
from coview.embedding.run import Run
from coview.exports.card import write_card
from coview.exports.description import Description
from coview.files import write_json, write_sums
from coview.training.checkpoint import META, WEIGHTS
from coview.training.runfolder import RESOLVED
from coview.wording import without_folders


def write_hub_folder(run: Run, description: Description, folder: Path) -> None:
    """Write a run into an empty folder.

    config.json says in one place what other programs look for; resolved.yaml and meta.json are the run's own.
    """
    resolved = _shareable(run.resolved)
    write_yaml(folder / RESOLVED, resolved, is_sealed=True)
    shutil.copyfile(run.checkpoint / WEIGHTS, folder / WEIGHTS)
    (folder / META).write_text(json.dumps(asdict(run.position), indent=1), encoding="utf-8")
    config = {
        "model_type": "coview",
        "architectures": [type(run.method).__name__],
        "library_name": "coview",
        "method": as_plain(run.config.method),
        "views": {
            view: {
                **as_plain(run.config.views[view]),
                "encoder": as_plain(run.config.encoder_of(view)),
                "channels": run.resolved["channels"][view],
                "feature_size": run.method.feature_sizes[view],
                "weights_prefix": f"encoders.{view}.",
            }
            for view in run.views
        },
        "clip": as_plain(run.config.clip),
        "classes": list(description.classes),
        "torch_dtype": "float32",
        "coview": description.as_values(),
    }
    write_json(folder / "config.json", config)
    write_sums(folder, [WEIGHTS, META])
    write_card(folder, description, run=run, form="hf", parity=None)


def _shareable(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Return what resolved.yaml says without absolute paths: they tell nobody else anything."""
    plain: dict[str, Any] = without_folders(as_plain(resolved))
    plain.pop("start_from", None)
    if "start_from" in resolved:
        plain["start_from"] = {
            view: {"checkpoint": Path(one["checkpoint"]).name} for view, one in resolved["start_from"].items()
        }
    return plain
