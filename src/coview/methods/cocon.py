"""CoCon: views learn by dense predictive coding and teach each other which instances are alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from coview.config.types import Count, Fraction, NonNegativeFloat, Positive, PositiveFloat
from coview.datatypes import ViewBatch
from coview.errors import UserError
from coview.losses.cooperation import Discrepancy, cooperation, pooled_blocks
from coview.methods.base import ClassificationHead, Limit, LossOutput, MetersOnDemand, Method, Progress, Stage
from coview.methods.dense_predictor import (
    DensePredictor,
    ViewPrediction,
    build_predictors,
    check_predicted_blocks,
    pool_block_maps,
    predict_view,
    trainable_parts,
)
from coview.methods.leading_views import check_leading_views
from coview.methods.teacher import TeacherSettings, TeacherTerm

TOGETHER = "together"
NO_COOPERATION = Limit(
    name="views do not cooperate",
    low=0.02,
    advice="another view finds an instance no nearer to itself than to others, so L_sim teaches nothing; train the "
    "views longer by themselves (method.single_view_epochs) or with larger batches, raise "
    "method.cooperation_weight, or let near negatives weigh more (method.sim_temperature 0.1)",
)
"""What the run says by name while D of different instances exceeds D of the same by less than this."""


@dataclass(frozen=True)
class CoConSettings(TeacherSettings):
    """Settings of `cocon`."""

    predict_blocks: Positive = 3
    """P, how many of the last blocks of a clip are predicted from those before."""
    temperature: PositiveFloat = 0.005
    """tau of the dense prediction, the cosines are divided by it."""
    dropout: Fraction = 0.1
    """Share of the hidden state of the aggregation that is zeroed at each step."""
    single_view_epochs: Count = 100
    """Passes of the first stage, each view by itself; 0: no such stage."""
    cooperation_epochs: Count = 60
    """Passes of the second stage, all views at once; 0: no such stage."""
    cooperation_weight: NonNegativeFloat = 10.0
    """lambda, of L_sync + alpha L_sim; 0: CPC alone."""
    sync_weight: NonNegativeFloat = 1.0
    """Of L_sync within the cooperation; 0: the ablation CPC + L_sim. With l2 a weight of 1 is weak: what L_sync does to
    the features is 0.04 to 0.3 times what L_sim does (l1: up to 2.3 times)."""
    sim_weight: NonNegativeFloat = 1.0
    """alpha, of L_sim within the cooperation; 0: the ablation CPC + L_sync."""
    sim_temperature: PositiveFloat | None = None
    """tau of L_sim. Not set: eq. 3 as published, which pushes all negatives away alike. Set: an instance must find
    itself in the other view among the instances of other videos, and near negatives weigh more (InfoNCE)."""
    leading_views: tuple[str, ...] = ()
    """Views that the others follow and that follow none: L_sync and L_sim leave them as they are. So a view that learns
    well by itself, as flow does, teaches a weaker one without becoming like it."""
    discrepancy: Discrepancy = "l2"
    """How L_sync compares similarity matrices: l2 as in the paper's eq. 2, l1 as in the released code."""
    max_pool_from: Positive = 2
    """Least side of a feature map whose cells are max-pooled 2 x 2 on the way to h; the cells of a smaller one are
    averaged. The released code, which averages 2 x 2 cells: 3."""


class CoCon(Method):
    """Cooperative contrastive learning (Rai et al., CoCon, section 3) of two or more views.

    Each view predicts its own future (L_cpc). Beside that, the views agree on how alike any two instances are
    (L_sync, eq. 2) and, to keep these likenesses spread out, an instance in one view is near itself in another and
    not near others (L_sim, eq. 3). An instance is one block of one video; what one view finds alike, the others learn.
    With a teacher, each view's h also learns which other videos it finds alike, block by block, with tau_t for both
    (`methods.teacher.TeacherTerm`); in the single-view stages only the view that the teacher sees does.

    | symbol | here |
    |---|---|
    | h | `losses.cooperation.pooled_blocks` of all N blocks |
    | lambda, alpha | `method.cooperation_weight`, `method.sim_weight` |
    | (not in the paper) | `method.sim_temperature`, `method.leading_views`: see there; off unless set |
    | N, L, P, tau, f, g, phi | as in `cpc` |

    Deviations: L_cpc is the mean over predictions and L_sync the mean over pairs of instances, so that lambda does not
    depend on the batch; eq. 2 is a sum, beside which L_sync is weak here, and `method.sync_weight` scales it. mu of
    eq. 3 is 1 / (instances - 1), which makes both terms of L_sim count the same.
    """

    Settings: ClassVar[type[CoConSettings]] = CoConSettings
    classification_head: ClassificationHead = "context"

    def __init__(self, encoders: Mapping[str, nn.Module], *, num_blocks: int = 8, **settings: Any) -> None:
        super().__init__(encoders, num_blocks=num_blocks, **settings)
        own = self.settings
        check_predicted_blocks(num_blocks=num_blocks, predict_blocks=own.predict_blocks)
        if len(self.views) < 2:
            raise UserError(f"method cocon needs at least two views, got {', '.join(self.views)}")
        if own.single_view_epochs == own.cooperation_epochs == 0:
            raise UserError(
                "method.single_view_epochs and method.cooperation_epochs are both 0: nothing would be trained"
            )
        check_leading_views(own.leading_views, self.views)
        self._teacher = TeacherTerm(own, self.views, temperature=own.teacher_temperature, num_blocks=num_blocks)
        self.predictors = build_predictors(encoders, predict_blocks=own.predict_blocks, dropout=own.dropout)

    def stages(self) -> tuple[Stage, ...]:
        """Return one stage for each view by itself, then one for all together."""
        epochs = self.settings.single_view_epochs
        single = [Stage(view, (view,), trainable_parts((view,)), epochs) for view in self.views]
        together = Stage(TOGETHER, self.views, trainable_parts(self.views), self.settings.cooperation_epochs)
        return tuple(stage for stage in (*single, together) if stage.epochs > 0)

    def forward(self, batch: ViewBatch | Mapping[str, Tensor], progress: Progress | None = None) -> LossOutput:
        """Return L_cpc of the stage's views, and with several views lambda * (L_sync + alpha L_sim) on top.

        Clips of every view are (B, 1, C, N*L, size, size); sizes may differ between views.
        """
        batch, progress = self.receive(batch, progress)
        views = progress.stage.views
        seen = {view: self._predict(view, batch.clips[view][:, 0]) for view in views}
        total = torch.stack([one.score.loss for one in seen.values()]).sum()
        parts = {f"{view}/cpc": one.score.loss.detach() for view, one in seen.items()}
        meters: dict[str, Callable[[], Tensor]] = {
            f"{view}/accuracy": partial(getattr, one.score, "accuracy") for view, one in seen.items()
        }
        max_pool_from = self.settings.max_pool_from
        instances = {view: pooled_blocks(one.blocks, max_pool_from=max_pool_from) for view, one in seen.items()}
        if len(views) > 1:
            led = self.settings.leading_views
            coop, coop_parts, coop_meters = self._cooperate(
                [rows.detach() if view in led else rows for view, rows in instances.items()]
            )
            total = total + coop
            parts |= coop_parts
            meters |= coop_meters
        output = LossOutput(
            total=total,
            parts=parts,
            chance_level={f"{view}/cpc": one.score.chance_level for view, one in seen.items()},
            features={view: one.block_features for view, one in seen.items()},
            meters=MetersOnDemand(meters),
            limits={"distance_gap": NO_COOPERATION} if "distance_gap" in meters and self._pulls_instances else {},
        )
        students = {view: rows.unflatten(0, (-1, self.num_blocks)).unbind(1) for view, rows in instances.items()}
        return self._teacher.add_to(output, students, batch, progress.stage)

    @property
    def _pulls_instances(self) -> bool:
        """Whether L_sim has a part in the loss, without which nothing brings an instance near itself."""
        return bool(self.settings.cooperation_weight > 0 and self.settings.sim_weight > 0)

    def pool(self, maps: Tensor) -> Tensor:  # type: ignore[override]
        """Turn the feature maps (n, D, T', S, S) of blocks into h (n, D), as instances are compared by."""
        return pool_block_maps(maps, max_pool_from=self.settings.max_pool_from)

    def _predict(self, view: str, clips: Tensor) -> ViewPrediction:
        return predict_view(
            partial(self.encode, view),
            cast(DensePredictor, self.predictors[view]),
            clips,
            num_blocks=self.num_blocks,
            temperature=self.settings.temperature,
        )

    def _cooperate(
        self, instances: Sequence[Tensor]
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Callable[[], Tensor]]]:
        """Return lambda * (L_sync + alpha L_sim), its parts unweighted, and how the views stand to each other."""
        settings = self.settings
        found = cooperation(
            instances,
            discrepancy=settings.discrepancy,
            sim_temperature=settings.sim_temperature,
            num_blocks=self.num_blocks,
        )
        weighted = settings.sync_weight * found.sync + settings.sim_weight * found.sim
        meters: dict[str, Callable[[], Tensor]] = {
            "agreement": lambda: found.agreement,
            "positive_distance": lambda: found.positive_distance,
            "negative_distance": lambda: found.negative_distance,
            "distance_gap": lambda: found.negative_distance - found.positive_distance,
        }
        return settings.cooperation_weight * weighted, {"sync": found.sync.detach(), "sim": found.sim.detach()}, meters
