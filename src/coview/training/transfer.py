"""Batches on their way to a GPU: one is copied while the one before it is computed with."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from coview.datatypes import ClipBatch


def sent_ahead(batches: Iterator[ClipBatch], device: torch.device) -> Iterator[ClipBatch]:
    """Pass batches on with their clips on the device: batch k+1 is copied while batch k is computed with.

    Clips go through pinned memory on a stream of their own, so that copying and computing overlap; those that lie on
    the device already, and on a CPU all batches, pass as they are.

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
            views = {
                name: clips if clips.is_cuda else clips.pin_memory().to(device, non_blocking=True)
                for name, clips in batch.views.items()
            }
            sent = replace(batch, views=views)
        if waiting is not None:
            yield waiting
        torch.cuda.current_stream(device).wait_stream(stream)
        for clips in sent.views.values():
            clips.record_stream(torch.cuda.current_stream(device))
        waiting = sent
    if waiting is not None:
        yield waiting
