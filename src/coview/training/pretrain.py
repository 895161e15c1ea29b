"""`coview pretrain`: settings and a prepared data set in, a run folder out."""

import logging
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from coview import __version__
from coview.clips.workers import remark_on_shared_memory
from coview.config import RunConfig, ViewInput, as_plain, write_yaml
from coview.datasets.prepared import PreparedDataset
from coview.datasets.splits import hold_out
from coview.datasets.video_rows import distinct_of
from coview.datatypes import ProgressSink
from coview.methods import Method
from coview.training.building import build_method, compile_encoders, derived_settings, resolve_config, select_videos
from coview.training.checkpoint import Checkpoint, latest_checkpoint, load_checkpoint
from coview.training.distributed import Processes, joined_processes
from coview.training.precision import Precision, choose_embedding_dtype, choose_precision
from coview.training.runfolder import CONFIG, RESOLVED, claimed_run, describe_run, open_run, read_resolved
from coview.training.runlog import RunLog
from coview.training.start_from import as_record, recorded_sources, sources_of, start_from
from coview.training.trackers import check_trackers
from coview.training.trainer import Trainer, random_state, set_random_state
from coview.training.video_feed import VideoFeed
from coview.views import View
from coview.views.opened import open_views

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PretrainResult:
    """How a call of `pretrain` ended.

    Attributes:
        run: the run's folder.
        stopped_by: the signal that asked to stop before the end, to go on with `resume`; 0: all stages are done.
    """

    run: Path
    stopped_by: int

    @property
    def is_complete(self) -> bool:
        """Whether all stages are done."""
        return self.stopped_by == 0


def pretrain(
    config: RunConfig,
    *,
    data: Path,
    out: Path,
    resume: bool = False,
    device: str = "auto",
    log: Sequence[str] = (),
    progress: ProgressSink | None = None,
) -> PretrainResult:
    """Pre-train the encoders of a run, all stages, going on where an earlier call stopped.

    Under torchrun every process calls this; they train as one on the global batch.

    Args:
        config: the run's settings.
        data: folder that `coview prepare` made.
        out: the run's folder, new unless `resume`.
        resume: go on from the newest checkpoint in `out`; from the beginning where there is none yet.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        log: trackers that are told what TensorBoard is told: "wandb", "mlflow", "trackio".
        progress: told (steps done, steps of the stage, amounts) after every step.

    Raises:
        UserError: settings, data or `out` cannot be used; the message says what to do.
    """
    check_trackers(log)
    dataset = PreparedDataset.open(data)
    dataset.require_files(config.views)
    views = open_views(dataset.view_options, config.views)
    channels = input_channels(views, config.views)
    share = config.training.val_fraction
    selected = select_videos(config, dataset.part(config.split, "train"))
    train, validation = hold_out(selected, share=share, seed=config.seed)
    classes = tuple(sorted(distinct_of(selected, "label") - {None}))
    asked, config = config, resolve_config(config, num_videos=len(train), classes=classes)
    with joined_processes(device) as processes, _random_states_kept(processes.device), ExitStack() as claim:
        torch.manual_seed(config.seed)
        method = build_method(config, channels)
        began = _begin(method, asked, out, is_resumed=resume and latest_checkpoint(out) is not None)
        feed = VideoFeed(dataset, train, validation, views, config=config, processes=processes)
        description = describe_run(config, dataset, train=train, validation=validation, channels=channels)
        before, newest = _agreed(processes, lambda: _opened(out, description, claim, resume=resume))
        precision = _precision(config, method, channels, processes, before, num_videos=len(train))
        if processes.is_main and before is None:
            embedding = {"embedding_precision": _embedding_precision(config, method, channels, processes)}
            about = {**description, **began, **_machine(processes, precision), **embedding}
            write_yaml(out / RESOLVED, about, is_sealed=True)
            write_yaml(out / CONFIG, as_plain(asked))
        if processes.is_main:
            for name, value in derived_settings(asked, config).items():
                logger.info("derived: %s %s", name, value)
        precision.place(method, processes.device)
        compile_encoders(method, config.training, processes.device)
        torch.manual_seed(config.seed + 1 + processes.rank)  # dropout differs between processes, weights do not
        start = None if newest is None else load_checkpoint(newest)
        with closing(feed):
            stopped_by = _train(config, method, feed, out, processes, precision, progress, start, log)
        return PretrainResult(out, stopped_by)


def _train(
    config: RunConfig,
    method: Method,
    feed: VideoFeed,
    out: Path,
    processes: Processes,
    precision: Precision,
    progress: ProgressSink | None,
    start: Checkpoint | None,
    trackers: Sequence[str],
) -> int:
    """Run the loop with its log open; return the signal that stopped it, 0 at its end."""
    last_step = 0 if start is None else start.position.global_step
    log = RunLog(out, is_main=processes.is_main, last_step=last_step, trackers=trackers, settings=as_plain(config))
    shown = progress if processes.is_main else None
    trainer = Trainer(
        method, feed, config=config, run=out, processes=processes, precision=precision, log=log, progress=shown
    )
    if processes.is_main:
        _announce(trainer, start)
    log.write("start" if start is None else "resume", global_step=last_step, processes=processes.world_size)
    try:
        is_complete = trainer.run(start)
        log.write("end" if is_complete else "stopped", global_step=trainer.position.global_step)
    finally:
        log.close()
    return trainer.stopped_by


def _begin(method: Method, config: RunConfig, out: Path, *, is_resumed: bool) -> dict[str, Any]:
    """Put in the weights that a run starts from, unless its own are there already; return the record of it."""
    sources = sources_of(config)
    if is_resumed or not sources:
        return {}
    if (out / RESOLVED).is_file():  # begun, and stopped before its first checkpoint
        recorded = read_resolved(out).get("start_from", {})
        sources |= {view: path for view, path in recorded_sources(recorded).items() if view in sources}
    return {"start_from": as_record(start_from(method, sources))}


def input_channels(views: Mapping[str, View], inputs: Mapping[str, ViewInput]) -> dict[str, int]:
    """Return view name -> C, the channels of its clips as they enter the encoder."""
    return {name: item.pad_channels or views[name].channels for name, item in inputs.items()}


def _opened(
    out: Path, description: Mapping[str, Any], claim: ExitStack, *, resume: bool
) -> tuple[dict[str, Any] | None, Path | None]:
    """Open the run's folder and keep other processes out of it until `claim` is closed.

    Returns:
        What resolved.yaml of an earlier call says, and the checkpoint to go on from: the newest one now, since a
        command that was told to stop may have saved until it let go of the folder.
    """
    before = open_run(out, description, resume=resume)
    claim.enter_context(claimed_run(out))
    return before, latest_checkpoint(out) if resume else None


def _agreed(processes: Processes, open_folder: Callable[[], Any]) -> Any:
    """Let rank 0 open the run's folder; every process gets its answer, or its error."""
    answer: Any = None
    if processes.is_main:
        try:
            answer = open_folder()
        except Exception as error:
            processes.gather_objects(error)
            raise
    answer = processes.gather_objects(answer)[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


def _precision(
    config: RunConfig,
    method: Method,
    channels: Mapping[str, int],
    processes: Processes,
    before: Mapping[str, Any] | None,
    *,
    num_videos: int,
) -> Precision:
    """Return the precision of an earlier call, or rank 0's choice; another one would not repeat to the bit."""
    if before is not None:
        return Precision(**before["precision"])
    chosen: Precision | None = None
    if processes.is_main:
        clip, training = config.clip, config.training
        videos = -(-min(training.batch_size, num_videos) // (processes.world_size * training.loss_parts))
        clips = -(-videos * clip.clips_per_video * clip.num_blocks // training.encoder_chunks)
        sizes = {view: config.views[view].size for view in method.views}
        trials = [
            (method.encoders[view], (clips, channels[view], clip.block_length, size, size))
            for view, size in sizes.items()
        ]
        chosen = choose_precision(training, trials, processes.device)
    answers: list[Precision | None] = processes.gather_objects(chosen)
    agreed = answers[0]
    assert agreed is not None
    return agreed


def _embedding_precision(
    config: RunConfig, method: Method, channels: Mapping[str, int], processes: Processes
) -> dict[str, str]:
    """Return view -> number format in which the run is to embed; as set for training where that is fp32."""
    if config.training.precision not in ("auto", "bf16"):
        return dict.fromkeys(method.views, "fp32")
    clips = config.evaluation.batch_size * config.clip.num_blocks
    sizes = {view: config.views[view].size for view in method.views}
    shapes = {view: (clips, channels[view], config.clip.block_length, size, size) for view, size in sizes.items()}
    return {
        view: choose_embedding_dtype(method.encoders[view], shape, processes.device) for view, shape in shapes.items()
    }


def _machine(processes: Processes, precision: Precision) -> dict[str, Any]:
    """Return where and with what a run was begun."""
    device = processes.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    return {
        "precision": asdict(precision),
        "machine": {
            "device": str(device),
            "name": name,
            "processes": processes.world_size,
            "system": platform.system(),
        },
        "versions": {"coview": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
    }


def cpu_name() -> str:
    """Return the processor's model and how many cores there are."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def _announce(trainer: Trainer, start: Checkpoint | None) -> None:
    """Say at the start what was derived and what will happen."""
    method, feed, config = trainer.method, trainer.feed, trainer.config
    for name, encoder in method.encoders.items():
        count = sum(p.numel() for p in encoder.parameters()) / 1e6
        logger.info("view %s: encoder %s, %.2f M parameters", name, config.encoder_of(name)["name"], count)
    if isinstance(feed, VideoFeed):
        logger.info(feed.describe())
        short = remark_on_shared_memory(feed.held_bytes())
        if short:
            logger.warning(short)
    logger.info(trainer.precision.describe())
    stages = ", ".join(f"{stage.name} ({trainer.num_steps(stage)} steps)" for stage in method.stages())
    logger.info("stages: %s", stages)
    if start is not None:
        at = start.position
        logger.info("going on from stage %s, epoch %d, step %d", at.stage, at.epoch, at.step)


@contextmanager
def _random_states_kept(device: torch.device) -> Iterator[None]:
    """Leave the caller's random state as it was: a run seeds its own."""
    before = random_state(device)
    try:
        yield
    finally:
        set_random_state(before, device)
