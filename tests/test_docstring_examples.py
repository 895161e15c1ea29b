"""The examples in docstrings run: parts of torch for real, what needs videos or a run against its own signature."""

import ast
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock, create_autospec

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import coview
from coview.adaptation.adapting import Adaptation
from coview.augmentation import ClipAugmentation
from coview.clips import ClipDataset
from coview.collection.heads.head import Head
from coview.collection.index import Index
from coview.collection.labels.faults import Faults
from coview.collection.labels.labels import Labels
from coview.datasets.listing import Listing, with_example
from coview.encoders import tiny3d
from coview.encoders.base import Encoder, build_encoder
from coview.encoders.pretrained.weights import load_pretrained
from coview.evaluation.predicted import score_predictions
from coview.exports import ExportedEncoder
from coview.losses import similarity_distillation_loss
from coview.methods import CoCon, Method
from coview.views import tvl1_flow

SOURCE = Path(coview.__file__).parent


def examples() -> Iterator[tuple[str, str]]:
    """(file and name, code) of every block below "Example:" in a docstring."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                _, found, after = (ast.get_docstring(node) or "").partition("Example:\n")
                indented = list(iter_block(after.splitlines()))
                if found:
                    yield f"{path.relative_to(SOURCE)}:{node.name}", textwrap.dedent("\n".join(indented))


def iter_block(lines: list[str]) -> Iterator[str]:
    """The lines up to the first that is not indented."""
    for line in lines:
        if line.strip() and not line.startswith(" "):
            return
        yield line


EXAMPLES = dict(examples())


def stand_in(kind: type, **parts: object) -> MagicMock:
    """What has the methods of a class, with their signatures."""
    made = create_autospec(kind, instance=True)
    for name, part in parts.items():
        setattr(made, name, part)
    return made


@pytest.fixture(scope="module")
def names() -> dict[str, object]:
    """What the examples speak of."""
    head = stand_in(Head)
    head.predict.return_value = []
    index = stand_in(Index, labels=stand_in(Labels))
    index.head.return_value = head
    clips = stand_in(ClipDataset)
    clips.__len__.return_value, clips.__getitem__.side_effect = (
        8,
        lambda place: {"views": {"rgb": torch.zeros(3, 2, 4, 4)}},
    )
    public = {
        name: create_autospec(getattr(coview, name)) for name in coview.__all__ if callable(getattr(coview, name))
    }
    public["open_index"].return_value = index
    public["load_head"].return_value = head
    public["adapt"].return_value = stand_in(Adaptation, verdict="")
    public["register"] = lambda kind, name: lambda given: given
    exported = stand_in(ExportedEncoder)
    exported.return_value = {"rgb": None}
    frames = np.zeros((2, 16, 24), np.uint8)
    return {
        **public,
        "coview": SimpleNamespace(**public),
        "index": index,
        "head": head,
        "run": stand_in(coview.Run),
        "data": stand_in(coview.PreparedDataset),
        "ClipDataset": create_autospec(ClipDataset, return_value=clips),
        "DataLoader": lambda dataset, **given: DataLoader(dataset, **{**given, "num_workers": 0}),
        "ExportedEncoder": create_autospec(ExportedEncoder, return_value=exported),
        "load_pretrained": create_autospec(load_pretrained, return_value=stand_in(Encoder)),
        "score_predictions": create_autospec(score_predictions),
        "Faults": Faults,
        "path": Path("labels.csv"),
        "lines": ["a", "b"],
        "read": str,
        "clip": frames,
        "before": frames[0],
        "after": frames[1],
        "frames": frames,
        "clips": torch.zeros(1, 3, 4, 16, 16),
        "rgb": torch.zeros(2, 3, 4, 16, 20, dtype=torch.uint8),
        "flow": torch.zeros(2, 2, 4, 16, 20, dtype=torch.uint8),
        "batches": [{view: torch.randn(2, size, 16, 32, 32) for view, size in (("rgb", 3), ("flow", 2))}],
        "Path": Path,
        "torch": torch,
        **{
            part.__name__: part
            for part in (
                ClipAugmentation,
                CoCon,
                Listing,
                Method,
                build_encoder,
                similarity_distillation_loss,
                tiny3d,
                tvl1_flow,
                with_example,
            )
        },
    }


@pytest.mark.parametrize("place", EXAMPLES)
def test_the_example_runs(place, names):
    exec(EXAMPLES[place], dict(names))


def test_examples_are_found():
    assert len(EXAMPLES) >= 20
    assert any("index.search(" in code for code in EXAMPLES.values())
