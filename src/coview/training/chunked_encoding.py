"""Encode a batch chunk by chunk: memory of one chunk, features of all, and their gradient."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def encode_in_chunks(encoder: nn.Module, clips: Tensor, *, chunks: int) -> Tensor:
    """Map clips to feature maps as `encoder(clips)` does, holding the activations of one chunk at a time.

    Whatever is computed from the features sees the whole batch, so that a contrastive loss keeps all its candidates.
    Activations are not kept: backward encodes each part once more, with the random state and the autocast of the first
    time and without a second update of running statistics. It costs one more forward pass of the encoder.

    In training, batch normalisation sees the moments of each chunk (of all processes), not of the whole batch, and
    its running statistics take in each chunk once; use chunks of several videos.

    Args:
        encoder: f, any network whose rows do not depend on each other but for batch normalisation.
        clips: (n, C, T, H, W).
        chunks: into how many chunks of nearly equal size the n clips are cut, at most n; 1: the plain call.

    Returns:
        (n, D, T', S, S), or whatever the encoder gives, with rows first.
    """
    if min(chunks, len(clips)) == 1:
        features: Tensor = encoder(clips)
        return features
    pieces = clips.tensor_split(min(chunks, len(clips)))
    if not torch.is_grad_enabled():
        return torch.cat([encoder(piece) for piece in pieces])

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), buffers_kept(encoder)

    return torch.cat([checkpoint(encoder, piece, use_reentrant=False, context_fn=contexts) for piece in pieces])


@contextmanager
def buffers_kept(network: nn.Module) -> Iterator[None]:
    """Let a network see its buffers inside the block but change only copies of them: running statistics stay."""
    own = [(part, name, value) for part in network.modules() for name, value in part.named_buffers(recurse=False)]
    for part, name, value in own:
        setattr(part, name, value.clone())
    try:
        yield
    finally:
        for part, name, value in own:
            setattr(part, name, value)
