"""One view's share of dense predictive coding: blocks -> context -> predicted blocks -> loss. CPC and CoCon use it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from coview.datatypes import unit
from coview.encoders.convgru import ConvGRU
from coview.encoders.heads import Predictor
from coview.errors import UserError
from coview.losses.cooperation import pooled_blocks
from coview.losses.dense_prediction import DensePrediction, dense_prediction


def cut_blocks(clips: Tensor, *, num_blocks: int) -> Tensor:
    """Cut clips (n, C, T, H, W), T = N * L, into their blocks (n*N, C, L, H, W); those of a clip lie in turn.

    Raises:
        UserError: T is no multiple of N.
    """
    if clips.shape[2] % num_blocks:
        raise UserError(f"clips of {clips.shape[2]} frames cannot be cut into {num_blocks} blocks of equal length")
    return rearrange(clips, "b c (n l) h w -> (b n) c l h w", n=num_blocks)


def average_time(maps: Tensor, *, num_blocks: int) -> Tensor:
    """Turn the maps of blocks (n*N, D, T', S, S) into (n, N, D, S, S) float32, averaged over what is left of time."""
    return rearrange(maps.float().mean(dim=2), "(b n) d h w -> b n d h w", n=num_blocks)


def encode_blocks(encode: Callable[[Tensor], Tensor], clips: Tensor, *, num_blocks: int) -> Tensor:
    """Encode each block of a clip by itself and average over what is left of time.

    Args:
        encode: f, (n, C, L, H, W) -> (n, D, T', S, S).
        clips: (B, C, T, H, W) with T = N * L.
        num_blocks: N.

    Returns:
        (B, N, D, S, S) float32, not yet scaled to unit length.

    Raises:
        UserError: T is no multiple of N.
    """
    return average_time(encode(cut_blocks(clips, num_blocks=num_blocks)), num_blocks=num_blocks)


def pool_block_maps(maps: Tensor, *, max_pool_from: int = 2) -> Tensor:
    """Pool the maps of blocks (n, D, T', S, S) to h, one unit feature (n, D) each, as CoCon compares instances by it.

    Source: `coview.losses.cooperation.pooled_blocks`. Dense prediction knows the direction of each cell and not its
    length; a mean of whole maps would weigh the cells by length, and lose a small moving person among the others.
    """
    return pooled_blocks(maps.float().mean(dim=2)[:, None], max_pool_from=max_pool_from)  # (n, D)


@dataclass(frozen=True)
class Prediction:
    """What the past of a clip says about its future.

    Attributes:
        predicted: (B, P, S, S, D) float32, z~ of the last P blocks, unit per cell.
        target: (B, P, S, S, D) float32, z of the same blocks, unit per cell.
        context: (B, S, S, D) float32, c after the first N - P blocks, unit per cell.
    """

    predicted: Tensor
    target: Tensor
    context: Tensor


class DensePredictor(nn.Module):
    """Aggregation g and prediction phi on the block maps of one view (CoCon, sections 3 and A.1; Han et al. 2019).

    z_j (unit per cell) of the first N - P blocks pass through g; phi predicts the next block from its state; that
    prediction goes back through g, and so on P times.

    Args:
        feature_size: D of the encoder.
        predict_blocks: P.
        dropout: of the hidden state, at each step.
    """

    def __init__(self, feature_size: int, *, predict_blocks: int, dropout: float) -> None:
        super().__init__()
        self.predict_blocks = predict_blocks
        self.aggregate = ConvGRU(feature_size, dropout=dropout)
        self.predict = Predictor(feature_size)

    def contexts(self, blocks: Tensor) -> Tensor:
        """Map block maps (B, N, D, S, S) to the context after each block, c_1 .. c_N: (B, N, S, S, D), unit."""
        states: Tensor = self.aggregate(_unit_cells(blocks))
        return states

    def forward(self, blocks: Tensor) -> Prediction:
        """Predict the last P of the block maps (B, N, D, S, S), unit or not, from those before; P < N."""
        cells = _unit_cells(blocks)  # (B, N, S, S, D)
        past, future = cells[:, : -self.predict_blocks], cells[:, -self.predict_blocks :]
        context: Tensor = self.aggregate(past)[:, -1]  # (B, S, S, D)
        hidden = context
        predicted: list[Tensor] = []
        while len(predicted) < self.predict_blocks:
            if predicted:
                hidden = self.aggregate.step(predicted[-1], hidden)
            predicted.append(unit(self.predict(hidden).float()))
        return Prediction(torch.stack(predicted, dim=1), future, context)


def _unit_cells(blocks: Tensor) -> Tensor:
    return unit(rearrange(blocks.float(), "b n d h w -> b n h w d"))


@dataclass(frozen=True)
class ViewPrediction:
    """One view's dense predictive coding on one batch.

    Attributes:
        score: loss, accuracy and number of candidates.
        prediction: what was compared.
        blocks: (B, N, D, S, S) float32, maps of all blocks, not unit.
    """

    score: DensePrediction
    prediction: Prediction
    blocks: Tensor

    @property
    def block_features(self) -> Tensor:
        """(B*N, D) detached: each block's map, averaged over its cells."""
        return self.blocks.detach().mean(dim=(3, 4)).flatten(0, 1)


def predict_view(
    encode: Callable[[Tensor], Tensor],
    predictor: DensePredictor,
    clips: Tensor,
    *,
    num_blocks: int,
    temperature: float,
) -> ViewPrediction:
    """Encode the clips (B, C, T, H, W) of one view, predict their last blocks and score that (CoCon, eq. 1)."""
    return score_prediction(predictor, encode_blocks(encode, clips, num_blocks=num_blocks), temperature=temperature)


def score_prediction(predictor: DensePredictor, blocks: Tensor, *, temperature: float) -> ViewPrediction:
    """Predict the last of the block maps (B, N, D, S, S) of one view and score that."""
    prediction = predictor(blocks)
    score = dense_prediction(prediction.predicted, prediction.target, temperature=temperature)
    return ViewPrediction(score, prediction, blocks)


def build_predictors(encoders: Mapping[str, nn.Module], *, predict_blocks: int, dropout: float) -> nn.ModuleDict:
    """Return a predictor a view, on the features of its encoder."""
    sizes = {view: int(encoder.feature_size) for view, encoder in encoders.items()}  # type: ignore[arg-type]
    return nn.ModuleDict(
        {view: DensePredictor(size, predict_blocks=predict_blocks, dropout=dropout) for view, size in sizes.items()}
    )


def trainable_parts(views: Sequence[str]) -> tuple[str, ...]:
    """Return the submodules that learn with these views."""
    return tuple(f"{kind}.{view}" for view in views for kind in ("encoders", "predictors"))


def check_predicted_blocks(*, num_blocks: int, predict_blocks: int) -> None:
    """Raise UserError unless a block is left to predict from."""
    if predict_blocks >= num_blocks:
        raise UserError(
            f"method.predict_blocks is {predict_blocks} and clip.num_blocks is {num_blocks}: at least one block must "
            "come before those that are predicted; raise clip.num_blocks or lower method.predict_blocks"
        )
