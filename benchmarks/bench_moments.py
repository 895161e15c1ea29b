"""Moments: clips of UCF101's test groups, ten joined into one file, and each has to find its own segment.

The joined files are the collection. Each clip is a query, as it is and encoded again (half the size, coarse), and the
first hit of all is looked at: does its middle lie in the clip's segment, and how far off is its start? Beside it the
rank of the right file where whole videos are compared, their windows summed into one vector. With --steps 0 the weights
are random; otherwise the run is trained for so many steps a stage on the training clips first; or --run names one.
"""

import argparse
import itertools
import json
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coview
from coview.collection.embedding_videos import embed_query
from coview.collection.index import Index
from coview.video.decode import decode_frames
from coview.video.probe import probe
from coview.video.stored import write_rgb
from record import record

CLIPS_A_FILE = 10


@dataclass(frozen=True)
class Segment:
    """Where a clip stands in the collection."""

    clip: Path
    file: str
    start_seconds: float
    end_seconds: float


def chosen_clips(data: Path, count: int) -> list[Path]:
    """Return clips of test groups, classes in turn, each group once a class."""
    folders = sorted(folder for folder in (data / "videos").iterdir() if folder.is_dir())
    of_class = [
        [next(iter(sorted(folder.glob(f"*_g0{group}_*.mp4"))), None) for group in range(1, 8)] for folder in folders
    ]
    in_turn = [clip for clips in itertools.zip_longest(*of_class) for clip in clips if clip is not None]
    return in_turn[:count]


def join(clips: list[Path], folder: Path) -> list[Segment]:
    """Write the joined files, at 25 frames a second and one size."""
    folder.mkdir()
    segments = []
    for number in range(0, len(clips), CLIPS_A_FILE):
        name, at, frames = f"joined{number // CLIPS_A_FILE}", 0, []
        for clip in clips[number : number + CLIPS_A_FILE]:
            own = [frame[:144, :192] for frame in decode_frames(clip, short_side=144, fps=25.0)]
            segments.append(Segment(clip, name, at / 25, (at + len(own)) / 25))
            at += len(own)
            frames.append(own)
        write_rgb(itertools.chain(*frames), folder / f"{name}.mp4", fps=25.0, gop=12, crf=23.0, preset="veryfast")
    return segments


def encode_again(clip: Path, folder: Path) -> Path:
    """Write a clip at half the size, coarsely."""
    folder.mkdir(exist_ok=True)
    fps = probe(clip).fps
    write_rgb(decode_frames(clip, short_side=72), folder / clip.name, fps=fps, gop=50, crf=32.0, preset="veryfast")
    return folder / clip.name


def make_run(data: Path, folder: Path, steps: int) -> Path:
    """Train for some steps a stage; where the weights are to be random, for one that moves nothing."""
    made_so = {"flow.algorithm": "dis", "storage.short_side": 96, "storage.fps": 25.0}
    views = ["rgb", "flow"]
    if steps:
        lists = data / "ucfTrainTestlist"
        made = coview.prepare(data / "videos", folder / "data", made_so, views=views, layout="ucf101", lists=lists)
        return coview.pretrain("cpc-ucf10-cpu", made, folder / "run", max_steps=steps).path
    made = coview.prepare(folder / "joined", folder / "data", made_so, views=views)
    still = {"optimiser.learning_rate": 1e-12, "split": None, "training.batch_size": 2}
    return coview.pretrain("cpc-ucf10-cpu", made, folder / "run", settings=still, max_steps=1).path


def vectors_of(index: Index, clip: Path) -> dict[str, Any]:
    """Embed a clip once for all searches by it, as a search by its file does."""
    return dict(embed_query(index.run, clip, start_seconds=None, end_seconds=None, device="cpu"))


def found(index: Index, segments: list[Segment], queries: list[dict[str, Any]], view: str | None) -> dict[str, float]:
    """Query by each clip and look at the first hit."""
    right, starts, ends, ranks = 0, [], [], []
    for segment, query in zip(segments, queries, strict=True):
        hit = index.search(query, top=1, view=view)[0]
        middle = (hit.start_seconds + hit.end_seconds) / 2
        if hit.id == segment.file and segment.start_seconds < middle < segment.end_seconds:
            right += 1
            starts.append(abs(hit.start_seconds - segment.start_seconds))
            ends.append(abs(hit.end_seconds - segment.end_seconds))
        whole = [one.id for one in index.search(query, top=len(index), view=view, moments=False)]
        ranks.append(whole.index(segment.file) + 1)
    return {
        "right_segment_first": right / len(segments),
        "median_start_error_seconds": round(statistics.median(starts), 3) if starts else float("nan"),
        "median_end_error_seconds": round(statistics.median(ends), 3) if ends else float("nan"),
        "right_file_first_by_whole_videos": sum(rank == 1 for rank in ranks) / len(segments),
    }


def _method_of(run: Path) -> dict[str, Any]:
    """Say what a run was trained by and for how long."""
    loaded = coview.load(run)
    return {"method": loaded.config.method["name"], "checkpoint": loaded.checkpoint.name}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ucf10"), help="folder of ucf10")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--steps", type=int, default=0, help="of training, a stage")
    parser.add_argument("--run", type=Path, help="a run that is there, in place of one made here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coview-") as name:
        folder = Path(name)
        segments = join(chosen_clips(arguments.data, arguments.clips), folder / "joined")
        run = arguments.run or make_run(arguments.data, folder, arguments.steps)
        index = coview.open_index(folder / "idx", run=run)
        index.add(folder / "joined")
        clips = [segment.clip for segment in segments]
        vectors = {
            "as_they_are": [vectors_of(index, clip) for clip in clips],
            "encoded_again": [vectors_of(index, encode_again(clip, folder / "again")) for clip in clips],
        }
        values = {
            "clips": len(clips),
            "clips_a_file": CLIPS_A_FILE,
            **({"steps": arguments.steps} if arguments.run is None else {"run": _method_of(arguments.run)}),
            "window_seconds": round(index.run.config.clip.span / 25, 2),
            **{
                view: {how: found(index, segments, queries, only) for how, queries in vectors.items()}
                for view, only in (("rgb", "rgb"), ("flow", "flow"), ("mean of views", None))
            },
            "goals": {"right_segment_first": 0.9, "median_start_error_seconds": 1.0},
        }
    path = record(f"moments-{arguments.steps}-steps" if arguments.run is None else "moments-trained", values)
    print(path.name, json.dumps(values, indent=1))


if __name__ == "__main__":
    main()
