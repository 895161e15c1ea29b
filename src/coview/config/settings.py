"""The settings of a run: frozen dataclasses, one line of meaning under each field. Every default is here.

Settings of one method, view, protocol or analysis live beside it and are checked against its own dataclass.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from coview.config.types import Count, Fraction, NonNegativeFloat, Positive, PositiveFloat


@dataclass(frozen=True)
class ViewInput:
    """How one view enters its encoder."""

    size: Annotated[int, Field(ge=1, le=4096)] = 128
    """Side of the square frame the encoder sees, in pixels."""
    pad_channels: Positive | None = None
    """Pad to this many channels with a constant: zero motion for flow (ViCC feeds flow as 3 channels)."""
    learning_rate_factor: PositiveFloat = 1.0
    """The learning rate of this view's encoder and head is multiplied by this."""
    encoder: Mapping[str, Any] | None = None
    """This view's own network, spelled as the run's `encoder`; not set: that one."""


@dataclass(frozen=True)
class ClipSettings:
    """Which frames make a clip: N blocks of L frames, every `frame_stride`-th frame; plain sampling is one block."""

    num_blocks: Positive = 8
    """N, blocks in a clip."""
    block_length: Positive = 5
    """L, frames in a block."""
    frame_stride: Positive = 3
    """Distance between neighbouring frames of a clip, in frames of the stored video; smaller where a video is short."""
    clips_per_video: Positive = 1
    """M, clips drawn from one video for one training step."""
    different_times_probability: Fraction = 0.5
    """With M > 1: how often the clips of a video start at different frames rather than at the same one."""

    @property
    def num_frames(self) -> int:
        """T = N * L, frames in a clip."""
        return self.num_blocks * self.block_length

    @property
    def span(self) -> int:
        """Frames of the video from the first to the last of a clip, both counted, at full stride."""
        return (self.num_frames - 1) * self.frame_stride + 1


@dataclass(frozen=True)
class CropSettings:
    """Settings of crop and flip, one draw a clip."""

    crop_area: tuple[Fraction, Fraction] = (0.4, 1.0)
    """Fraction of the frame's area that a crop covers, least and most."""
    crop_aspect: tuple[PositiveFloat, PositiveFloat] = (0.75, 1.3333)
    """Width over height of a crop, least and most; it is then resized to a square."""
    flip_probability: Fraction = 0.5
    """Mirror left and right; flow negates u, pose swaps its left and right points."""


@dataclass(frozen=True)
class ColourSettings:
    """Settings of the colour changes, of views of colours alone."""

    colour_per: Literal["frame", "clip"] = "frame"
    """One draw of jitter and grey per frame (CoCon: no optical flow from constant colour) or per clip (ViCC)."""
    jitter_probability: Fraction = 0.8
    """How often rgb colours are jittered."""
    brightness: NonNegativeFloat = 0.5
    """Brightness is scaled by 1 +- this."""
    contrast: NonNegativeFloat = 0.5
    """Contrast is scaled by 1 +- this."""
    saturation: NonNegativeFloat = 0.5
    """Saturation is scaled by 1 +- this."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.25
    """Hue is rotated by +- this fraction of the full circle."""
    grey_probability: Fraction = 0.3
    """How often rgb becomes luminance."""
    colour_views: tuple[str, ...] = ()
    """Views without colours that jitter and grey touch all the same, their channels taken for red, green and blue
    (flow, in ViCC's released code)."""


@dataclass(frozen=True)
class BlurSettings:
    """Settings of the blur."""

    blur_probability: Fraction = 0.0
    """How often a clip is blurred, one sigma for all its frames."""
    blur_sigma: tuple[PositiveFloat, PositiveFloat] = (0.1, 2.0)
    """Standard deviation of the Gaussian, least and most, in pixels of the encoder's input."""
    blur_views: tuple[str, ...] = ("rgb",)
    """The views that blur touches."""


@dataclass(frozen=True)
class AugmentSettings(BlurSettings, ColourSettings, CropSettings):
    """Random changes to training clips. Evaluation uses the centre crop and nothing else."""

    geometry: Literal["shared", "independent"] = "shared"
    """shared: one draw of crop and flip for all views of a clip; independent: one draw per view."""
    strong_probability: Fraction = 1.0
    """How often a clip is recoloured and blurred at all, by the probabilities of these; else it is cropped and flipped
    alone (ViCC's released code: 0.3)."""
    one_strong_at_same_times: bool = False
    """Of the clips of a video that show the same frames recolour and blur exactly one, drawn at random (ViCC's
    released code); strong_probability is then for clips of different frames."""
    operations: tuple[Mapping[str, Any], ...] = ()
    """Further operations after these, in their order: name: one of `coview list augmentations`; the other keys are that
    operation's settings."""


@dataclass(frozen=True)
class OptimiserSettings:
    """How weights are updated."""

    name: Literal["adam", "sgd", "lars"] = "adam"
    """adam (CPC, CoCon), sgd with momentum, or lars: sgd whose step follows the size of each weight (ViCC)."""
    learning_rate: PositiveFloat | None = None
    """At the start of every stage, before the schedule. Not set: 0.001 for adam, 0.01 for sgd, and for lars ViCC's
    0.6 for a batch of 192, scaled to this run's."""
    reference_batch: Positive | None = None
    """The batch for which learning_rate and schedule.final_learning_rate are given: both are scaled linearly to the
    run's own global batch. Not set: they are taken as they are."""
    weight_decay: NonNegativeFloat = 1e-5
    """L2 pull towards zero."""
    momentum: Fraction = 0.9
    """For sgd and lars."""
    trust: PositiveFloat = 1e-3
    """lars: ratio of each weight tensor's step to its norm, before the learning rate. Biases and norms: plain sgd
    without weight decay."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The learning rate of each layer of an encoder, as a share of the next layer's; below 1 (usual: 0.75) the first
    layers of what was trained before change least."""
    frozen_layers: Count = 0
    """So many first layers of each encoder do not learn; 1000: the whole encoder stands still and its head learns."""


@dataclass(frozen=True)
class ScheduleSettings:
    """How the learning rate changes within a stage."""

    name: Literal["plateau", "cosine", "steps", "constant"] = "plateau"
    """plateau: x factor when the validation loss stalls; cosine: per step over the stage; steps: x factor at each
    milestone; constant."""
    factor: PositiveFloat = 0.1
    """plateau, steps: the learning rate is multiplied by this."""
    milestones: tuple[Fraction, ...] = (0.5, 0.7, 0.9)
    """steps: when that happens, as fractions of the stage: 0.5 is after 50 of 100 epochs."""
    patience: Count = 10
    """plateau: epochs without a better validation loss before that happens."""
    final_learning_rate: NonNegativeFloat = 0.0
    """cosine: the value at the end of the stage; plateau: it falls no further than this (CoCon: 1e-4, its released code
    1e-5)."""
    horizon_epochs: Positive | None = None
    """cosine: epochs of the full cosine, if the stage stops earlier (ViCC's released code: 500). Not set: the
    stage's own."""
    warmup_steps: Count = 0
    """The learning rate grows linearly from 0 over these steps."""


@dataclass(frozen=True)
class TrainingSettings:
    """The loop."""

    batch_size: Positive = 64
    """Videos in a batch, over all processes (the papers' "global" batch)."""
    accumulate: Positive = 1
    """Take the batch of each process in this many parts to save memory; see `accumulate_what`."""
    accumulate_what: Literal["losses", "features"] = "losses"
    """losses: each part is a batch of its own with fewer negatives, and gradients add up. features: each part is
    encoded by itself and once more in the backward pass, a third more work; the loss is that of the whole batch."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto times the run's own encoders and batch in each setting this machine supports and takes the fastest whose
    gradients are right; a resumed run keeps the choice."""
    channels_last: Literal["auto", "always", "never"] = "auto"
    """Memory layout of 3D convolutions; auto decides together with precision."""
    compile: bool = False
    """Compile the encoders with torch.compile: slow to start, then about a tenth faster."""
    cuda_graphs: bool = False
    """On a GPU compile the encoders so that their kernels are recorded once and replayed, which saves the time of
    starting them; every batch is of one shape then. Elsewhere: nothing."""
    clip_norm: NonNegativeFloat = 0.0
    """Clip the gradient norm to this; 0: do not clip."""
    max_steps: Count = 0
    """End each stage after this many optimiser steps; 0: after its epochs."""
    workers: Annotated[int, Field(ge=0, le=1024)] | None = None
    """Who decode and augment ahead; not set: one per core beyond the first, at least 1 and at most 8; 0: nobody, each
    batch is made when it is needed."""
    worker_kind: Literal["auto", "threads", "processes"] = "auto"
    """threads share this process's memory and start at once; processes do not wait for Python's lock, which tells from
    about five on, but only decode. auto: threads where this process has at most 4 cores."""
    decoder: Literal["pyav", "torchcodec"] = "pyav"
    """Who decodes rgb. pyav: the processor. torchcodec, an extra: the device that trains, which is for GPUs, in threads
    and each time anew; its pictures differ by about 1 of 255. Views of numbers, such as flow, remain with pyav."""
    frame_cache: str | None = None
    """Folder for decoded frames, where decoding is the bottleneck: each video is decoded whole when first needed and
    takes about 50 times the space of its stored file. Not set: none."""
    frame_memory: Count | None = None
    """Megabytes of memory for decoded frames, kept where all of the data set's fit, but not with worker processes.
    Not set: a quarter of what is free, at most 4096; 0: decode every time."""
    log_every: Positive = 10
    """Steps between two lines in the log, with health meters."""
    checkpoint_every_seconds: PositiveFloat = 300.0
    """Time between two checkpoints within a stage; each stage also ends with one."""
    checkpoint_every_steps: Count = 0
    """Save a checkpoint every this many steps as well; 0: by time alone."""
    keep_checkpoints: Positive = 2
    """Newest checkpoints kept within a stage; the last of each stage is always kept."""
    val_fraction: Fraction = 0.1
    """Fraction of the training videos, in whole groups, held out for validation, as plateau needs; 0: none."""
    validate_every: Positive = 1
    """Epochs between two validations."""

    @property
    def loss_parts(self) -> int:
        """Parts of a batch with a loss each."""
        return self.accumulate if self.accumulate_what == "losses" else 1

    @property
    def encoder_chunks(self) -> int:
        """Chunks in which encoders take the clips they are given."""
        return self.accumulate if self.accumulate_what == "features" else 1


@dataclass(frozen=True)
class EvaluationSettings:
    """How features are taken from a trained encoder."""

    batch_size: Positive = 16
    """Windows encoded at once."""
    max_windows: Positive | None = None
    """At most this many half-overlapping windows per video, evenly spread; not set: all."""


@dataclass(frozen=True)
class RunConfig:
    """Everything a pre-training run is told."""

    preset: Literal["paper", "released-code", "cpu"] = "paper"
    """Which reading of the papers this config follows; shown beside every number, changes nothing by itself."""
    seed: Count = 0
    """Of weights, batches and augmentation."""
    split: str | None = "split1"
    """Train on the "train" part of this split column; not set, or a data set without splits: on every video."""
    views: Mapping[str, ViewInput] = field(default_factory=lambda: {"rgb": ViewInput()})
    """View name -> how it enters its encoder. Every view has an encoder of its own."""
    method: Mapping[str, Any] = field(default_factory=lambda: {"name": "cpc"})
    """name: one of `coview list methods`; the other keys are that method's settings."""
    encoder: Mapping[str, Any] = field(default_factory=lambda: {"name": "r2d3d18"})
    """name: one of `coview list encoders`, the network f of each view; the other keys are that encoder's options.
    transformers with path: a folder of pretrained weights, which every view then starts from."""
    clip: ClipSettings = field(default_factory=ClipSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    start_from: Mapping[str, str] | str | None = None
    """Begin with earlier weights: view -> folder of a run or of a checkpoint, a file of published S3D or R(2+1)D
    weights, or a folder of a pretrained network; or one of these for all views. Not set, and for views not named:
    random weights."""

    def encoder_of(self, view: str) -> Mapping[str, Any]:
        """Return what the network of a view is built from: its own setting, or the run's."""
        own = self.views[view].encoder
        return self.encoder if own is None else own
