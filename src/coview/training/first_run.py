"""`coview init`: looks at videos and machine, chooses what to make and to train, and writes it down as a config."""

import itertools
import shlex
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from coview.config import RunConfig, ViewInput, as_plain
from coview.config.files import load_config
from coview.datasets.folder import read_folder
from coview.datasets.folder_labels import decide_labels
from coview.datasets.prepared import INFO_NAME, PreparedDataset
from coview.errors import UserError, VideoError
from coview.training.building import build_method
from coview.training.choices import Choice, Footage, Machine, choose_config
from coview.training.distributed import choose_device
from coview.training.sizing import MINUTES, check_minutes, footage_of, reckon_epochs, sized_config
from coview.video.decode import decode_frames
from coview.video.probe import probe
from coview.views import VIEWS
from coview.views.base import StorageSettings
from coview.views.flow.functions import dis_flow, tvl1_flow
from coview.wording import counted

PROBED = 20
"""Videos whose header is read, spread over the folder."""
TIMED_FRAMES = 5
PATIENCE = 4
"""Without --views, flow is left out where even the quick one would take this many times as long as training."""
LOADING = 1.25
"""A step with decoding and augmentation beside the same step on clips that are there; the measure on real data differs
by machine, and `coview init DATA` takes it."""

_VIEW = {name: value for name, value in as_plain(ViewInput()).items() if name != "size"}
"""What goes without saying of a view."""


@dataclass(frozen=True)
class FirstRun:
    """What was found, what was chosen, and what to type next.

    Attributes:
        found: lines on the videos and the machine.
        choices: what was chosen, with reasons.
        config: the run.
        commands: from here to a page, in order; the config is called CONFIG in them.
    """

    found: tuple[str, ...]
    choices: tuple[Choice, ...]
    config: RunConfig
    commands: tuple[tuple[str, ...], ...]

    def command_lines(self, config: Path) -> list[str]:
        """Return the commands as they are typed, with the path of the config."""
        return [shlex.join([str(config) if word == "CONFIG" else word for word in one]) for one in self.commands]

    def to_yaml(self, path: Path) -> str:
        """Return the config as YAML that a person can read and change: why stands beside what."""
        reasons = {
            "views": ("views",),
            "method": ("method", "epochs"),
            "encoder": ("encoder",),
            "clip": ("clips",),
            "training": ("batch", "precision"),
        }
        told = {choice.what: str(choice) for choice in self.choices}
        lines = [f"# {line}" for line in self.command_lines(path) if line.startswith("coview pretrain ")]
        lines += [f"# {line}" for line in self.found]
        lines += [f"# DATA: {line}" for line in self.command_lines(path) if line.startswith("coview prepare ")]
        defaults = as_plain(RunConfig())
        for section, value in as_plain(self.config).items():
            kept = {view: _changed(item, _VIEW) for view, item in value.items()} if section == "views" else value
            if section not in ("views", "method", "encoder"):
                kept = _changed(value, defaults[section])
                if kept == {} or kept == defaults[section]:
                    continue
            lines += [f"# {told[what]}" for what in reasons.get(section, ()) if what in told]
            style = None if isinstance(kept, Mapping) else False
            lines.append(yaml.safe_dump({section: kept}, sort_keys=False, default_flow_style=style, width=100).rstrip())
        return "\n".join(lines) + "\n"


def plan_first_run(
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    *,
    minutes: float = MINUTES,
    views: Sequence[str] = (),
    flow: str | None = None,
    device: str = "auto",
) -> FirstRun:
    """Choose views, flow, method, encoder, clip, batch and epochs for a folder of videos or a prepared data set.

    Args:
        folder: videos, or what `coview prepare` made.
        settings: of the run, by dotted name; they stand above what would be chosen.
        minutes: that training shall last.
        views: to be used; none: chosen.
        flow: algorithm of the flow; None: chosen.
        device: as for `pretrain`.

    Raises:
        UserError: no readable video, or settings that do not fit.
    """
    check_minutes(minutes)
    machine = Machine.look(device)
    if (folder / INFO_NAME).is_file():
        return _for_data(PreparedDataset.open(folder), settings, machine, minutes, (views, flow), device)
    return _for_videos(folder, settings or {}, machine, minutes, views, flow, device)


def _for_data(
    data: PreparedDataset,
    settings: Mapping[str, Any] | None,
    machine: Machine,
    minutes: float,
    unused: tuple[Sequence[str], str | None],
    device: str,
) -> FirstRun:
    if any(unused):
        raise UserError(
            f"{data.root} is prepared, with the views {', '.join(data.view_options)}; --views and --flow are for videos"
        )
    footage = footage_of(data)
    _, choices = choose_config(footage, machine, settings or {})
    config = sized_config(data, settings, minutes=minutes, device=device)
    epochs = Choice("epochs", str(config.method["epochs"]), f"what fits into {minutes:g} minutes, measured on the data")
    found = (
        f"{data.name}: {counted(footage.count, 'video')} ready, {_typical(footage)}",
        f"machine: {machine.describe()}",
    )
    run = f"runs/{data.name}"
    commands = (
        ("coview", "pretrain", "CONFIG", "--data", str(data.root), "--out", run),
        ("coview", "evaluate", run, "--data", str(data.root)),
    )
    return FirstRun(found, (*choices, epochs), config, commands)


def _for_videos(
    folder: Path,
    settings: Mapping[str, Any],
    machine: Machine,
    minutes: float,
    views: Sequence[str],
    flow: str | None,
    device: str,
) -> FirstRun:
    listing = decide_labels(read_folder(folder), "auto", layout="folder")
    entries = [entry for entry in listing.entries if entry.status == "listed"]
    every = max(1, len(entries) // PROBED)
    looks = [
        (path, look) for path in (Path(entry.path) for entry in entries[::every][:PROBED]) if (look := _look(path))
    ]
    if not looks:
        raise UserError(f"no video of {folder} can be read, of {counted(min(len(entries), PROBED), 'video')} tried")
    seconds, fps = (statistics.median(values) for values in zip(*(look for _, look in looks), strict=True))
    frames = len(entries) * seconds * fps
    chosen_views, algorithm, about_flow = _choose_flow(looks[0][0], frames, machine, minutes, views, flow)
    footage = Footage(len(entries), seconds, fps, chosen_views, "split1" if any(e.splits for e in entries) else None)
    config, choices = choose_config(footage, machine, settings)
    num_train = sum(entry.splits.get("split1", "train") == "train" for entry in entries)
    step = LOADING * seconds_per_clip_step(config, num_videos=num_train, device=device)
    sized, epochs = reckon_epochs(config, step, num_train, minutes=minutes)
    config = load_config(sized, settings)
    name = folder.resolve().name
    data, run = f"data/{name}", f"runs/{name}"
    labels = len({entry.label for entry in listing.entries if entry.label is not None})
    classes = counted(labels, "class folder") if labels else "no labels"
    found = (
        f"{name}: {counted(len(entries), 'video')}, {_typical(footage)}, {classes}",
        f"machine: {machine.describe()}",
    )
    with_flow = ("--flow.algorithm", algorithm) if algorithm else ()
    commands = (
        ("coview", "prepare", str(folder), data, "--views", *chosen_views, *with_flow),
        ("coview", "pretrain", "CONFIG", "--data", data, "--out", run),
        ("coview", "index", run, str(folder), f"idx/{name}"),
        ("coview", "serve", f"idx/{name}"),
    )
    return FirstRun(found, (*about_flow, *choices, epochs), config, commands)


def _typical(footage: Footage) -> str:
    return f"about {footage.seconds:.3g} s each, {footage.fps:.3g} frames/s"


def _look(path: Path) -> tuple[float, float] | None:
    """Return seconds and frames a second of a video, as its header says; None: it cannot be read."""
    try:
        info = probe(path)
    except VideoError:
        return None
    frames = info.num_frames_header
    seconds = info.duration_seconds or (frames / info.fps if frames else None)
    return None if not seconds else (seconds, info.fps)


def _choose_flow(
    video: Path, frames: float, machine: Machine, minutes: float, views: Sequence[str], flow: str | None
) -> tuple[tuple[str, ...], str | None, list[Choice]]:
    """Return views, the algorithm of flow where it is among them, and why: both algorithms are timed on some frames."""
    wanted = tuple(views) or ("rgb", "flow")
    if "flow" not in wanted:
        return wanted, None, []
    if flow is not None:
        return wanted, flow, [Choice("flow", flow, "as asked")]
    clip = _first_frames(video)
    needs = {name: frames * _seconds_a_frame(name, clip) / machine.cores / 60 for name in ("dis", "tvl1")}
    times = f"TV-L1, the papers' flow, would take about {_minutes(needs['tvl1'])}, DIS {_minutes(needs['dis'])}"
    if not views and needs["dis"] > PATIENCE * minutes:
        return (
            ("rgb",),
            None,
            [Choice("flow", "none", f"{times}, for {minutes:g} of training; --views rgb flow makes it")],
        )
    if needs["tvl1"] > minutes:
        return wanted, "dis", [Choice("flow", "dis", f"{times}; training {minutes:g} min; --flow tvl1 overrides")]
    return wanted, "tvl1", [Choice("flow", "tvl1", f"{times}; training {minutes:g} min; --flow dis overrides")]


def _minutes(value: float) -> str:
    return f"{60 * value:.0f} s" if value < 1.5 else f"{value:.0f} min" if value < 120 else f"{value / 60:.0f} h"


def _first_frames(video: Path) -> list[Any]:
    frames = decode_frames(video, short_side=StorageSettings().short_side)
    try:
        return list(itertools.islice(frames, TIMED_FRAMES))
    finally:
        frames.close()


def _seconds_a_frame(algorithm: str, clip: list[Any]) -> float:
    """Return how long the flow of a frame takes on one core; the first call compiles and is not counted."""
    function = {"dis": dis_flow, "tvl1": tvl1_flow}[algorithm]
    if len(clip) < 2:
        return 0.0
    function(clip[0], clip[1])
    started = time.process_time()
    for before, after in itertools.pairwise(clip):
        function(before, after)
    return (time.process_time() - started) / (len(clip) - 1)


def seconds_per_clip_step(config: RunConfig, *, num_videos: int, device: str = "auto") -> float:
    """Return how long a training step lasts on clips that are there already: random ones, of the run's shapes."""
    place, clip, batch = choose_device(device), config.clip, min(config.training.batch_size, num_videos)
    channels = {view: item.pad_channels or VIEWS.load(view).channels for view, item in config.views.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        method = build_method(config, channels).to(place)
        clips = {
            view: torch.rand(
                batch, clip.clips_per_video, channels[view], clip.num_blocks * clip.block_length, item.size, item.size
            ).to(place)
            for view, item in config.views.items()
        }
    method.begin_stage(method.stages()[0].name)
    optimiser = torch.optim.Adam(method.parameters())
    times = []
    for _ in range(3):
        started = time.perf_counter()
        optimiser.zero_grad()
        method(clips).total.backward()
        optimiser.step()
        if place.type == "cuda":
            torch.cuda.synchronize(place)
        times.append(time.perf_counter() - started)
    return min(times[1:])


def _changed(value: Any, default: Any) -> Any:
    """Return what of a table differs from its defaults."""
    if not isinstance(value, Mapping) or not isinstance(default, Mapping):
        return value
    return {name: _changed(one, default.get(name)) for name, one in value.items() if one != default.get(name)}
