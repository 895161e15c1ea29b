"""The settings of `vicc`, and what is derived from batch and data set where they are not set."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from coview.config.types import Count, Positive, PositiveFloat
from coview.losses.swapped_assignment import AssignFrom, PredictWith
from coview.methods.base import Sizes
from coview.methods.teacher import TeacherSettings

PAPER_PROTOTYPES, PAPER_BATCH, PAPER_QUEUE_BATCHES = 300, 192, 10
FEWEST_PROTOTYPES, VIDEOS_A_PROTOTYPE = 30, 5
LARGEST_QUEUE_SHARE = 0.25


@dataclass(frozen=True)
class ViCCSettings(TeacherSettings):
    """Settings of `vicc`."""

    prototypes: Positive | None = None
    """K, prototypes of each stream. Not set: as many a video of the batch as in the paper (300 for 192), at least 30,
    and at least 5 training videos a prototype."""
    queue: Count | None = None
    """Q, features of earlier batches in each assignment; 0: no queue. Not set: 10 batches as in the paper (1920 for
    192), but whole batches that make up at most a quarter of the training videos."""
    temperature: PositiveFloat = 0.1
    """tau of the predictions, the cosines are divided by it."""
    epsilon: PositiveFloat = 0.05
    """Weight of the entropy in the assignments: the smaller, the harder they are."""
    sinkhorn_iterations: Positive = 3
    """How often assignments are scaled to equal shares."""
    projection_size: Positive = 128
    """Size of z, the output of the projection head."""
    single_stream_epochs: Count = 300
    """Passes of the single-stream stage of each view; 0: no such stage."""
    cycles: Count = 2
    """How often the cross-stream stages of both views follow; 0: none."""
    cross_stream_epochs: Positive = 100
    """Passes of each cross-stream stage."""
    frozen_prototypes_epochs: Count | None = None
    """Epochs at the start of a single-stream stage in which its prototypes do not learn. Not set: a third of the
    stage (the paper: 100 of 300)."""
    single_stream_queue_from: Mapping[str, Count] = field(default_factory=dict)
    """View -> epoch of its single-stream stage at which the queue begins. A view not named: when the loss has done
    its rapid fall, at two thirds of the stage at the latest."""
    cross_stream_queue_from: Count | None = None
    """Epoch of each cross-stream stage at which the queue begins. Not set: as above."""
    predict_with: PredictWith = "all"
    """Cross-stream: who predicts an assignment. all: the three other views; other: the two of the other stream."""
    assign_from: AssignFrom = "all"
    """Cross-stream: whose assignments are predicted. all: all four views'; other: the frozen stream's two."""
    second_clip_gradient: bool = True
    """Whether gradient flows through both clips of the stream that learns; false: the first alone (released code)."""
    shuffle_groups: Positive = 1
    """Encode each clip's batch in this many parts of videos drawn anew for each clip, with batch statistics of their
    own, so that no clip is normalised beside the partners of its other clip (the paper's batch shuffle: 4).
    1: statistics of the whole batch of all processes."""


def resolve_settings(settings: ViCCSettings, sizes: Sizes) -> ViCCSettings:
    """Return the settings with K, Q and the epochs of frozen prototypes derived where they were not set."""
    prototypes, queue, frozen = settings.prototypes, settings.queue, settings.frozen_prototypes_epochs
    if prototypes is None:
        prototypes = max(FEWEST_PROTOTYPES, round(PAPER_PROTOTYPES * sizes.batch_size / PAPER_BATCH))
        if sizes.num_videos is not None:
            prototypes = max(1, min(prototypes, sizes.num_videos // VIDEOS_A_PROTOTYPE))
    if queue is None:
        batches = PAPER_QUEUE_BATCHES
        if sizes.num_videos is not None:
            batches = min(batches, int(LARGEST_QUEUE_SHARE * sizes.num_videos) // sizes.batch_size)
        queue = batches * sizes.batch_size
    if frozen is None:
        frozen = settings.single_stream_epochs // 3
    return replace(settings, prototypes=prototypes, queue=queue, frozen_prototypes_epochs=frozen)
