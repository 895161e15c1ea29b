"""Batches on their way to a GPU: one is copied while the one before it is computed with."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from coview.datatypes import ClipBatch


def sent_ahead(batches: Iterator[ClipBatch], device: torch.device) -> Iterator[ClipBatch]:
    """Pass batches on with their clips on the device, each sent before the one ahead of it is asked for to the end.

    Clips go through pinned memory on a stream of their own, so that copying and computing overlap; on a CPU batches
    pass as they are.

    Args:
        batches: as loaders give them.
        device: where they are to lie.
    """
    if device.type != "cuda":
        yield from batches
        return
    stream = torch.cuda.Stream(device)
    waiting: ClipBatch | None = None
    for batch in batches:
        with torch.cuda.stream(stream):
            sent = on_device(batch, device)
        if waiting is not None:
            yield waiting
        torch.cuda.current_stream(device).wait_stream(stream)
        for clips in sent.views.values():
            clips.record_stream(torch.cuda.current_stream(device))
        waiting = sent
    if waiting is not None:
        yield waiting


def on_device(batch: ClipBatch, device: torch.device) -> ClipBatch:
    """Return a batch whose clips lie on the device; where that is a GPU, they may still be on their way."""
    is_gpu = device.type == "cuda"
    sent = {
        name: (clips.pin_memory() if is_gpu else clips).to(device, non_blocking=is_gpu)
        for name, clips in batch.views.items()
    }
    return replace(batch, views=sent)
