"""CPC: dense predictive coding of each view by itself, the baseline of CoCon and its first phase."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, cast

from torch import Tensor, nn

from coview.config.types import Fraction, Positive, PositiveFloat
from coview.datatypes import ViewBatch
from coview.methods.base import ClassificationHead, LossOutput, Method, Progress, Stage
from coview.methods.dense_predictor import (
    DensePredictor,
    build_predictors,
    check_predicted_blocks,
    pool_block_maps,
    predict_view,
    trainable_parts,
)


@dataclass(frozen=True)
class CPCSettings:
    """Settings of `cpc`."""

    predict_blocks: Positive = 3
    """P, how many of the last blocks of a clip are predicted from those before."""
    temperature: PositiveFloat = 0.005
    """tau, the cosines are divided by it."""
    dropout: Fraction = 0.1
    """Share of the hidden state of the aggregation that is zeroed at each step."""
    epochs: Positive = 100
    """Passes over the training videos, for each view."""


class CPC(Method):
    """Dense predictive coding (Han et al. 2019), as CoCon uses it: L_cpc of each view alone (CoCon, eq. 1).

    A clip is cut into blocks and each is encoded by itself. From the first blocks an aggregation summarises the past,
    and the maps of the last blocks are predicted from it, cell by cell. A prediction is right when it is closer to
    its own future cell than to every other future cell of the batch.

    | symbol | here |
    |---|---|
    | N, L | `clip.num_blocks`, `clip.block_length` |
    | P | `method.predict_blocks` |
    | tau | `method.temperature` |
    | f | `encoders.<view>` |
    | g, phi | `predictors.<view>.aggregate`, `predictors.<view>.predict` |

    Deviations: the loss is the mean, not the sum, over predictions. The paper is silent on how the weights of g and
    phi start: orthogonal, zero bias, as in the released code.
    """

    Settings: ClassVar[type[CPCSettings]] = CPCSettings
    classification_head: ClassificationHead = "context"
    pool = staticmethod(pool_block_maps)

    def __init__(self, encoders: Mapping[str, nn.Module], *, num_blocks: int = 8, **settings: Any) -> None:
        super().__init__(encoders, num_blocks=num_blocks, **settings)
        predict_blocks, dropout = self.settings.predict_blocks, self.settings.dropout
        check_predicted_blocks(num_blocks=num_blocks, predict_blocks=predict_blocks)
        self.predictors = build_predictors(encoders, predict_blocks=predict_blocks, dropout=dropout)

    def stages(self) -> tuple[Stage, ...]:
        """Return one stage a view, named after it."""
        return tuple(Stage(view, (view,), trainable_parts((view,)), self.settings.epochs) for view in self.views)

    def forward(self, batch: ViewBatch | Mapping[str, Tensor], progress: Progress | None = None) -> LossOutput:
        """Return L_cpc of the stage's view; clips of every view are (B, 1, C, N*L, size, size)."""
        batch, progress = self.receive(batch, progress)
        (view,) = progress.stage.views
        seen = predict_view(
            partial(self.encode, view),
            cast(DensePredictor, self.predictors[view]),
            batch.clips[view][:, 0],
            num_blocks=self.num_blocks,
            temperature=self.settings.temperature,
        )
        part = f"{view}/cpc"
        return LossOutput(
            total=seen.score.loss,
            parts={part: seen.score.loss.detach()},
            chance_level={part: seen.score.chance_level},
            features={view: seen.block_features},
            meters={f"{view}/accuracy": seen.score.accuracy},
        )
