"""The graph written as a file of its own: ONNX for onnxruntime and others, or a program of torch.export."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from coview.errors import MissingExtraError, UserError
from coview.exports.description import KEY, Description
from coview.exports.exported import ONNX_NAME, ExportedEncoder, output_names
from coview.exports.parity import Answers, Frames, Model
from coview.files import write_bytes

PROGRAM_NAME = "model.pt2"


def write_onnx(graph: nn.Module, description: Description, folder: Path, *, threads: int) -> Model:
    """Write model.onnx into a folder; return it, run by onnxruntime.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        UserError: the graph holds what ONNX cannot say.
    """
    for package in ("onnx", "onnxscript"):
        try:
            __import__(package)
        except ImportError:
            raise MissingExtraError("export to ONNX", package=package, extra="export") from None
    examples = _examples(description)
    with _quiet():
        try:
            made = torch.onnx.export(
                graph,
                examples,
                input_names=list(description.views),
                output_names=list(output_names(description.views)),
                dynamo=True,
                dynamic_shapes=((_batch(description)),),
                verbose=False,
            )
        except Exception as error:
            raise _not_exported(error, "onnx") from error
        assert made is not None
        made.model.metadata_props[KEY] = json.dumps(description.as_values())
        made.save(folder / ONNX_NAME)
    return ExportedEncoder(folder, threads=threads)


def write_program(graph: nn.Module, description: Description, folder: Path) -> Model:
    """Write model.pt2 into a folder, as torch.export.load reads it; return it as it is read back.

    Raises:
        UserError: the graph holds what torch.export cannot say.
    """
    with _quiet():
        try:
            program = torch.export.export(graph, _examples(description), dynamic_shapes=(_batch(description),))
        except Exception as error:
            raise _not_exported(error, "torch-export") from error
        told = {"coview.json": json.dumps(description.as_values())}
        held = io.BytesIO()  # torch's own writer ends the process where the disk is full
        torch.export.save(program, held, extra_files=told)
        write_bytes(folder / PROGRAM_NAME, held.getvalue())
        module = torch.export.load(folder / PROGRAM_NAME).module()

    @torch.inference_mode()
    def answer(frames: Frames) -> Answers:
        made = module(*(torch.from_numpy(np.asarray(frames[view])) for view in description.views))
        return {view: one.numpy() for view, one in zip(description.views, made, strict=True)}

    return answer


def _examples(description: Description) -> tuple[torch.Tensor, ...]:
    """Return inputs of two windows: a batch of one would be taken for a constant."""
    return tuple(torch.zeros(2, *one.shape, dtype=getattr(torch, one.dtype)) for one in description.inputs)


def _batch(description: Description) -> tuple[dict[int, torch.export.Dim], ...]:
    """Say that the batch, the same in every view, may have any size."""
    size = torch.export.Dim("batch", min=1)
    return tuple({0: size} for _ in description.inputs)


def _not_exported(error: Exception, form: str) -> UserError:
    cause = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return UserError(
        f"this encoder cannot be exported as {form} ({type(error).__name__}: {cause[:200]}); "
        "coview export --format hf keeps its weights and settings as they are"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' remarks about their own insides from the user."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "onnx_ir", "torch.onnx", "torch.export")]
    before = [one.level for one in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in loggers:
            one.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for one, level in zip(loggers, before, strict=True):
                one.setLevel(level)
