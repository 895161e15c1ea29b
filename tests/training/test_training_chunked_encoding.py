"""Encoding in chunks: the same features and gradients with the memory of one chunk, statistics moved once."""

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from coview.encoders import ENCODERS
from coview.training.chunked_encoding import buffers_kept, encode_in_chunks


def tiny(*, is_training: bool) -> nn.Module:
    torch.manual_seed(0)
    return ENCODERS.load("tiny3d")(in_channels=2).train(is_training)


def clips_of(count: int, side: int = 16) -> Tensor:
    return torch.randn(count, 2, 3, side, side, generator=torch.Generator().manual_seed(count))


def contrast(features: Tensor) -> Tensor:
    """A loss that compares every row with every other one."""
    rows = nn.functional.normalize(features.flatten(1))
    return nn.functional.cross_entropy(rows @ rows.T / 0.3, torch.arange(len(rows)).roll(1))


def gradients(encoder: nn.Module, features: Tensor) -> dict[str, Tensor]:
    encoder.zero_grad()
    contrast(features).backward()
    return {name: parameter.grad.clone() for name, parameter in encoder.named_parameters()}


def assert_close(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-4 * float(value.abs().max()) + 1e-8)


@pytest.mark.parametrize("chunks", [2, 3, 5, 9])
def test_without_moments_of_the_batch_chunks_give_what_the_whole_gives(chunks):
    encoder, clips = tiny(is_training=False), clips_of(5)
    whole, in_chunks = encoder(clips), encode_in_chunks(encoder, clips, chunks=chunks)
    torch.testing.assert_close(in_chunks, whole)
    assert_close(gradients(encoder, in_chunks), gradients(encoder, whole))


def test_where_the_moments_of_chunks_agree_so_does_batch_normalisation():
    # float64: on few values batch normalisation magnifies what rounding leaves
    encoder, clips = tiny(is_training=True).double(), clips_of(3).double().repeat(2, 1, 1, 1, 1)
    whole = encoder(clips)
    in_chunks = encode_in_chunks(encoder, clips, chunks=2)
    torch.testing.assert_close(in_chunks, whole)
    assert_close(gradients(encoder, in_chunks), gradients(encoder, whole))


def test_each_part_moves_the_running_statistics_once():
    encoder, plain, clips = tiny(is_training=True), tiny(is_training=True), clips_of(6)
    encode_in_chunks(encoder, clips, chunks=2).square().mean().backward()
    with torch.no_grad():
        plain(clips[:3])
        plain(clips[3:])
    for (name, found), (_, wanted) in zip(encoder.named_buffers(), plain.named_buffers(), strict=True):
        assert torch.equal(found, wanted), name
    assert int(encoder.get_buffer("stem.1.num_batches_tracked")) == 2


def test_backward_replays_dropout():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv3d(2, 4, 1), nn.Dropout(0.5), nn.Flatten())
    clips = clips_of(4, side=4)
    torch.manual_seed(1)
    found = gradients(encoder, encode_in_chunks(encoder, clips, chunks=2))
    torch.manual_seed(1)
    wanted = gradients(encoder, torch.cat([encoder(clips[:2]), encoder(clips[2:])]))
    assert_close(found, wanted)


def test_backward_replays_autocast():
    encoder, clips = tiny(is_training=False), clips_of(4)
    with torch.autocast("cpu", torch.bfloat16):
        whole, in_chunks = encoder(clips), encode_in_chunks(encoder, clips, chunks=2)
    assert in_chunks.dtype == torch.bfloat16
    wanted, found = gradients(encoder, whole), gradients(encoder, in_chunks)
    for name, value in wanted.items():
        assert nn.functional.cosine_similarity(found[name].flatten(), value.flatten(), dim=0) > 0.99, name


def test_without_gradient_chunks_are_encoded_one_after_the_other():
    encoder, clips, seen = tiny(is_training=False), clips_of(5), []
    encoder.register_forward_hook(lambda module, given, made: seen.append(len(given[0])))
    with torch.no_grad():
        torch.testing.assert_close(encode_in_chunks(encoder, clips, chunks=2), encoder(clips))
    assert seen == [3, 2, 5]


def peak_bytes(encoder: nn.Module, clips: Tensor, *, chunks: int) -> int:
    """The most memory that torch held at a time in a forward and backward pass, beyond what it held before."""
    encoder.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        encode_in_chunks(encoder, clips, chunks=chunks).square().mean().backward()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    held, most = 0, 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def test_memory_is_that_of_one_chunk():
    encoder, clips = tiny(is_training=True), clips_of(8, side=96)
    assert peak_bytes(encoder, clips, chunks=4) < 0.4 * peak_bytes(encoder, clips, chunks=1)


def test_buffers_come_back_when_the_block_fails():
    norm = nn.BatchNorm3d(2)
    own = norm.running_mean
    with pytest.raises(ValueError, match="expected 5D"), buffers_kept(norm):
        norm(norm(torch.randn(2, 2, 1, 2, 2) + 5)[0])
    assert norm.running_mean is own
    assert int(norm.num_batches_tracked) == 0
    assert not own.any()
