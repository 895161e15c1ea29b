"""A trained run, opened by its path alone: its settings, its encoders in eval mode, and what they make of videos."""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from coview.clips.frame_memory import FrameMemory
from coview.clips.sampling import window_indices
from coview.config import RunConfig, as_plain, parse
from coview.config.files import load_config
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ProgressSink, VideoEntry
from coview.embedding.embeddings import Embeddings
from coview.embedding.extract import embed_entries
from coview.embedding.precision import usable_dtypes
from coview.embedding.shares import own_places
from coview.embedding.sources import VideoSource, is_prepared, list_source, prepare_source
from coview.encoders import Encoder
from coview.encoders.file import save_encoder
from coview.errors import UserError
from coview.files import as_path, hash_file
from coview.methods import Method
from coview.methods.base import reached_views
from coview.preparation.used_frames import UsedFrames
from coview.registry import did_you_mean, require_plugins
from coview.stopping import Interrupted
from coview.training.building import build_method
from coview.training.checkpoint import WEIGHTS, Position, checkpoints, latest_checkpoint, read_position, read_weights
from coview.training.distributed import choose_device
from coview.training.pretrain import pretrain as train
from coview.training.runfolder import CONFIG, RESOLVED, read_resolved
from coview.training.sizing import sized_config
from coview.training.trackers import check_trackers
from coview.views.base import with_preset

logger = logging.getLogger(__name__)


class Run:
    """A trained run. `load` makes one.

    Attributes:
        path: the run's folder.
        config: its settings.
        resolved: all that resolved.yaml says: settings, data, channels, machine, versions.
        checkpoint: the checkpoint's folder.
        position: where in training it stands.
        method: the whole method, frozen and in eval mode.
        stages: the stages of the run, finished or not.
        encoders: view name -> encoder, in eval mode, on the CPU until they embed.
        trained_views: views whose encoder has had at least one step of training, in this run or in the one it started
            from; the others are still random.
    """

    def __init__(self, path: Path, *, resolved: Mapping[str, Any], checkpoint: Path) -> None:
        self.path, self.resolved, self.checkpoint = path, resolved, checkpoint
        self.config = parse(RunConfig, resolved["config"], source=str(path / RESOLVED))
        self.position: Position = read_position(checkpoint)
        self.method = self.untrained()
        _load_weights(self.method, checkpoint)
        self.encoders = _frozen(self.method)
        self.stages = self.method.stages()
        reached = {*reached_views(self.stages, self.position.stage_index), *resolved.get("start_from", ())}
        self.trained_views = tuple(view for view in self.config.views if view in reached)

    @classmethod
    def load(cls, path: Path | str, checkpoint: str | None = None) -> "Run":
        """Open a run.

        Args:
            path: the run's folder.
            checkpoint: folder name of one of its checkpoints, such as "rgb-00000400"; not set: the newest sound one.

        Raises:
            UserError: no run there, no checkpoint (of that name) yet, or a damaged one.
        """
        path = as_path(path, name="run", what="the folder of a run")
        if not (path / RESOLVED).is_file():
            raise UserError(
                f"{path} is not a run: it has no {RESOLVED}; make one with: coview pretrain CONFIG --out {path}"
            )
        chosen = latest_checkpoint(path, is_to_train=False) if checkpoint is None else None
        if checkpoint is not None:
            names = {folder.name: folder for folder in checkpoints(path)}
            if checkpoint not in names:
                raise UserError(f"{path} has no checkpoint {checkpoint!r}; it has: {', '.join(names)}")
            chosen = names[checkpoint]
        if chosen is None and (path / WEIGHTS).is_file():  # `coview export --format hf`: the folder is the checkpoint
            chosen = path
        if chosen is None:
            raise UserError(f"{path} has no checkpoint yet; training writes one every few minutes and after each stage")
        resolved = read_resolved(path)
        needed = [row for row in resolved.get("plugins", ()) if row["kind"] != "augmentation"]  # training's alone
        require_plugins(needed, source=str(path))
        return cls(path, resolved=resolved, checkpoint=chosen)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, views={self.views}, checkpoint={self.checkpoint.name!r})"

    @property
    def views(self) -> tuple[str, ...]:
        """The views it was trained on."""
        return tuple(self.config.views)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    def learnt_from(self, data: PreparedDataset) -> bool:
        """Whether a data set is the one that the run was trained on: in the same folder, or moved as it was."""
        before = self.resolved["data"]
        if str(data.root.resolve()) == before["root"]:
            return True
        has_moved = not Path(before["root"]).exists() and Path(before["root"]).name == data.name
        return has_moved and not self.differences(data)

    def random_encoders(self) -> Mapping[str, Encoder]:
        """Return encoders with the random weights of the run's seed, trained nowhere: the baseline of training."""
        return _frozen(self.untrained())

    def save_encoder(self, view: str, path: Path | str) -> Path:
        """Write one view's encoder into a file of its own, for `coview.encoders.file.load_encoder`.

        Raises:
            UserError: the run has no such view, or the file cannot be written.
        """
        if view not in self.views:
            hint = did_you_mean(view, self.views) or "."
            raise UserError(f"{self.path} has no view {view!r}{hint} It has: {', '.join(self.views)}")
        description = {"view": view, "input": as_plain(self.config.views[view]), "clip": as_plain(self.config.clip)}
        description |= {"trained": view in self.trained_views, **self.describe()}
        built_from = self.config.encoder_of(view)
        return save_encoder(self.encoders[view], Path(path), built_from=built_from, description=description)

    def embed(
        self,
        source: VideoSource,
        *,
        windows: bool = False,
        fps: float = 25.0,
        device: str = "auto",
        progress: ProgressSink | None = None,
    ) -> Embeddings:
        """Turn videos into one unit vector a video and view, or one a window.

        Videos that were not prepared yet are prepared in a temporary folder with the settings of the run's own data,
        so that every view is made as it was for training. A video that cannot be read is logged and stands with its
        reason in `description["failed"]`; the others are embedded.

        Args:
            source: a video file, a folder of videos, a list of files, a prepared data set (or its folder), or frames
                (T, H, W, 3) uint8: one array or a list of them.
            windows: one row a window, with start and end in seconds, in place of one a video.
            fps: frames a second of arrays.
            device: "auto", "cpu", "cuda" or "cuda:<n>".
            progress: told (videos done, videos in all, amounts), first of preparing, then of embedding.

        Raises:
            TypeError: `source` is nothing of what is expected.
            UserError: nothing there that can be embedded; the message says why.
        """
        with prepare_source(source, self.resolved["data"], used=self.used_frames(), fps=fps, progress=progress) as data:
            data.require_files(self.views)
            for remark in self.differences(data):
                logger.warning("%s", remark)
            return self.embed_entries(data, data.ready, per_window=windows, device=device, progress=progress)

    def embed_share(
        self, source: VideoSource, shard: str, *, device: str = "auto", progress: ProgressSink | None = None
    ) -> tuple[Embeddings, Sequence[int]]:
        """Turn the i-th of n shares of some videos into vectors; `coview.embedding.shares` joins them.

        Args:
            source: as for `embed`, but for arrays.
            shard: "i/n".
            device: see `embed`.
            progress: see `embed`.

        Returns:
            The vectors, and the place of each of these videos among all.

        Raises:
            UserError: as `embed`.
        """
        made_like = self.resolved["data"]
        with prepare_source(source, made_like, used=self.used_frames(), shard=shard, progress=progress) as data:
            data.require_files(self.views)
            places: Sequence[int] = [place for place, one in enumerate(data.entries) if one.status == "ready"]
            entries = data.ready
            if is_prepared(source):  # and whole
                places = own_places(len(data.ready), shard)
                entries = [data.ready[place] for place in places]
            return self.embed_entries(data, entries, device=device, progress=progress), places

    def identity_with(self, source: VideoSource) -> str:
        """Return a word for the weights and what videos there are, before anything is made of them.

        Args:
            source: as for `embed`, but for arrays.

        Raises:
            UserError: no such file or folder, or no video in it.
        """
        told = [hash_file(self.checkpoint / WEIGHTS), *list_source(source)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

    def embed_entries(
        self,
        data: PreparedDataset,
        entries: Sequence[VideoEntry],
        *,
        encoders: Mapping[str, Encoder] | None = None,
        device: str = "auto",
        clip_seed: int | None = None,
        per_window: bool = False,
        frame_memory: FrameMemory | None = None,
        progress: ProgressSink | None = None,
    ) -> Embeddings:
        """Turn some ready videos of a prepared data set into vectors, with these encoders in place of the run's own.

        With `clip_seed` a video is one clip at a place drawn by it, in place of all its windows. Frames are read
        through `frame_memory`, where one is given.

        Raises:
            UserError: the data set lacks a view of the run.
        """
        data.require_views(self.views)
        made = embed_entries(
            self.encoders if encoders is None else encoders,
            data,
            entries,
            config=self.config,
            pool=self.method.pool,
            device=choose_device(device),
            dtypes=self.embedding_dtypes(device),
            clip_seed=clip_seed,
            per_window=per_window,
            frame_memory=frame_memory,
            progress=progress,
        )
        unread = {
            entry.id: entry.reason or entry.status for entry in data.entries if entry.status in ("failed", "missing")
        }
        where = {"failed": unread, "source": Path(data.info.get("source", data.root)).name}
        return dataclasses.replace(made, description={**made.description, **self.describe(), **where})

    def used_frames(self) -> UsedFrames:
        """Return a function: number of frames of a video -> those of its windows, (W, T)."""
        return partial(window_indices, clip=self.config.clip, max_windows=self.config.evaluation.max_windows)

    def embedding_dtypes(self, device: str = "auto") -> dict[str, str]:
        """Return view -> "fp32" or "bf16": what the run chose when it began, as far as this machine can."""
        return usable_dtypes(self.resolved.get("embedding_precision", {}), choose_device(device))

    def describe(self) -> dict[str, Any]:
        """Return which run and checkpoint this is, as plain values; what is shared carries no paths."""
        return {
            "run": self.name,
            "checkpoint": self.checkpoint.name,
            "stage": self.position.stage,
            "step": self.position.step,
            "global_step": self.position.global_step,
            "trained_views": list(self.trained_views),
        }

    def differences(self, data: PreparedDataset) -> tuple[str, ...]:
        """Say in which way a data set's views were made otherwise than those the run learnt from."""
        before = self.resolved["data"]
        now: Mapping[str, Any] = {"views": data.view_options, "storage": data.info.get("storage", {})}
        pairs = [(f"view {view}", before["views"].get(view), now["views"].get(view)) for view in self.views]
        pairs.append(("storage", with_preset(before["storage"]), with_preset(now["storage"])))
        return tuple(
            f"{data.name}: {name} was made with {dict(other or {})}, the run learnt from {dict(own or {})}"
            for name, own, other in pairs
            if dict(own or {}) != dict(other or {})
        )

    def untrained(self) -> Method:
        """Build the method with the random weights of the run's seed."""
        with _seeded(self.config.seed):
            return build_method(self.config, self.resolved["channels"])


def load(path: Path | str, checkpoint: str | None = None) -> Run:
    """Open a trained run; see `Run.load`."""
    return Run.load(path, checkpoint)


def pretrain(
    config: RunConfig | Path | str | None,
    data: PreparedDataset | Path | str,
    out: Path | str,
    *,
    settings: Mapping[str, Any] | None = None,
    minutes: float | None = None,
    max_steps: int | None = None,
    resume: bool = False,
    device: str = "auto",
    log: Sequence[str] = (),
    progress: ProgressSink | None = None,
) -> Run:
    """Train the encoders of a run, all stages of its method, and open what came of it.

    Without a config (None) that is method `joint` on all views of the data, for some minutes; see
    `coview.training.sizing.sized_config`.

    Example:
        run = pretrain("small", data="data/mine", out="runs/mine", settings={"views.rgb.size": 64})

    Args:
        config: the name of a config that comes with coview, the path of a YAML file, a `RunConfig`, or None.
        data: a prepared data set or its folder.
        out: the run's folder, new unless `resume`.
        settings: changes to the config, by dotted name or as nested tables.
        minutes: without a config, how long to train by the clock; not given: 10.
        max_steps: end each stage after this many steps, for a quick check.
        resume: continue from the newest checkpoint in `out`; from the beginning where there is none yet.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        log: trackers that are told what TensorBoard is told, such as ["wandb"]; see `coview.training.trackers`.
        progress: told (steps done, steps of the stage, amounts) after every step.

    Returns:
        The run, at its last checkpoint.

    Raises:
        TypeError: an argument is of the wrong kind; says what was expected.
        UserError: settings, data or `out` cannot be used; the message says what to do.
        KeyboardInterrupt: stopped on request (Ctrl-C, SIGTERM); the state is saved, to continue with `resume`.
    """
    folder = as_path(out, name="out", what="the folder of the run")
    check_trackers(log)
    if max_steps is not None:
        settings = {**(settings or {}), "training.max_steps": max_steps}
    if config is not None:
        if minutes is not None:
            raise UserError("minutes is for training without a config; a config says itself how long it trains")
        changed = load_config(config, settings)
    opened = PreparedDataset.open(data)
    if config is None:
        if resume and (folder / CONFIG).is_file():  # sized by an earlier call
            changed = load_config(folder / CONFIG, settings)
        else:
            changed = sized_config(opened, settings, minutes=minutes, device=device)
    result = train(changed, data=opened.root, out=folder, resume=resume, device=device, log=log, progress=progress)
    if not result.is_complete:
        raise Interrupted(
            f"stopped and saved; to continue, give the same command with --resume. The run so far: {folder}",
            by=result.stopped_by,
        )
    return Run.load(folder)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch inside the block and leave the caller's random state as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _frozen(method: Method) -> dict[str, Encoder]:
    """Return a method's encoders for use only: no gradient, eval mode."""
    method.requires_grad_(False)
    method.eval()
    frozen = {}
    for view in method.views:
        encoder = method.encoders[view]
        assert isinstance(encoder, Encoder)
        frozen[view] = encoder
    return frozen


def _load_weights(method: Method, checkpoint: Path) -> None:
    """Put a checkpoint's weights into a method."""
    weights = read_weights(checkpoint)
    try:
        method.load_state_dict(weights)
    except Exception as error:
        cause = " ".join(line.strip() for line in str(error).splitlines()[:2])  # torch lists every tensor
        raise UserError(
            f"the weights of {checkpoint} cannot be used ({type(error).__name__}: {cause}); "
            "they are of another network, or were written by another version of coview"
        ) from error
