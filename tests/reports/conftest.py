"""A run folder and a data set made up of nothing, for reports."""

import dataclasses
import json
import zlib
from dataclasses import dataclass

import numpy as np
import pytest
import yaml

from coview.analysis.result import AnalysisResult, write_analysis
from coview.config import RunConfig, as_plain
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import VideoEntry
from coview.errors import VideoError
from coview.evaluation.results.result import Result, ScoreRow, write_result
from coview.training.runfolder import FORMAT
from small_run import small_run

__all__ = ["small_run"]


class DrawnView:
    """Stands for a stored view: frames are drawn when they are read."""

    suffix = ".mp4"

    def __init__(self, name):
        self.name = name

    def read(self, path, frame_indices):
        if "broken" in path.name:
            raise VideoError("corrupt", path, "made so")
        frames = np.zeros((len(frame_indices), 60, 80, 3), np.uint8)
        for frame, index in zip(frames, frame_indices, strict=True):
            frame[20:40, int(index) % 60 : int(index) % 60 + 20] = (220, 120, 40)
        # its own colour for each view of each video, in whatever folder: equal pictures are put into a page once
        frames[:, :20] = list(zlib.crc32("/".join(path.parts[-2:]).encode()).to_bytes(4, "big")[:3])
        return frames

    def picture(self, raw, *, height, width):
        rows, columns = np.arange(height) * raw.shape[0] // height, np.arange(width) * raw.shape[1] // width
        return raw[rows][:, columns]


@dataclass
class RunFolder:
    path: object
    data: PreparedDataset

    def log(self, *events):
        lines = [
            json.dumps({"time": f"2026-01-01T00:00:{place % 60:02d}+00:00", **e}) for place, e in enumerate(events)
        ]
        (self.path / "log.jsonl").write_text("\n".join(lines) + "\n")

    def train(self, *, steps=60, stages=("rgb", "flow"), end="end", loss=5.0, std=0.9, rank=30.0, validation=True):
        events = [{"event": "start"}]
        for number, stage in enumerate(stages):
            events.append(
                {"event": "stage", "stage": stage, "step": 0, "global_step": number * steps, "num_steps": steps}
            )
            for step in range(1, steps + 1):
                place = {"stage": stage, "epoch": step // 5, "step": step, "global_step": number * steps + step}
                events.append(
                    {
                        "event": "step",
                        **place,
                        "loss": loss + 1 / step,
                        "learning_rate": 1e-3,
                        "clips_per_second": 20.0,
                        "data_wait_share": 0.1,
                        "parts": {f"cpc_{stage}": loss + 1 / step},
                        "chance_level": {f"cpc_{stage}": 6.4},
                        "health": {stage: {"std": std, "effective_rank": rank}},
                    }
                )
                if validation and step % 5 == 0:
                    events.append({"event": "epoch", **place, "loss": loss, "validation_loss": loss + 0.1})
        if end:
            events.append({"event": end, "global_step": len(stages) * steps})
        self.log(*events)

    def evaluate(
        self, *, trained=0.5, random=0.3, pixels=0.25, error=0.03, labels=True, rows=None, counts=None, **more
    ):
        def row(kind, name, value):
            metrics = {f"R@{k}": min(1.0, value * (1 + k / 50)) for k in (1, 5, 10, 20, 50)}
            return ScoreRow(kind, name, {**metrics, "R@1": value}, {"R@1": error}, "made up")

        made = rows or (
            *(row("trained", name, trained) for name in ("rgb", "flow", "mean of views")),
            *(row("random", name, random) for name in ("rgb", "flow", "mean of views")),
            row("pixels", "colour histogram", pixels),
            ScoreRow("chance", "chance", row("chance", "", 0.1).metrics),
        )
        ids = [entry.id for entry in self.data.ready]
        example = {
            "id": ids[0],
            "label": "wave" if labels else None,
            "neighbours": [
                {"id": ids[1], "label": "wave" if labels else None, "cosine": 0.9},
                {"id": ids[2], "label": "jump" if labels else None, "cosine": -0.2},
            ],
        }
        result = Result(
            protocol="retrieval",
            variant="",
            run=str(self.path),
            checkpoint={"checkpoint": "flow-00000020", "global_step": 40},
            data={"name": "data", "views": {}, "storage": {}},
            split="split1",
            preset="cpu",
            seed=0,
            settings={"standard_error": "bootstrap", "windows": "half overlapping", "max_windows": None},
            counts={
                "videos": 8,
                "not_in_this_split": 0,
                "queries": 151,
                "queries_scored": 150,
                "query_groups": 70,
                "queries_without_their_class_in_gallery": 0,
                "gallery": 5,
                "gallery_used": 5,
                "classes": 2,
                "not_ready": {"failed": 1},
                "not_ready_videos": {"bad": "corrupt: made so"},
                "unlabelled": 0,
            },
            rows=tuple(made),
            examples={name: [example] for name in ("rgb", "flow", "mean of views")},
            remarks=("a remark",),
            versions={"coview": "0"},
            device="cpu",
            seconds=12.0,
            created_at="2026-01-01T00:00:00+00:00",
            path=str(self.path / "evaluation" / "retrieval-split1.json"),
        )
        result = dataclasses.replace(result, counts={**result.counts, **(counts or {})}, **more)
        write_result(result)
        return result

    def analyse(self, made, findings, *, analysis="class-relations", videos=3):
        """Write an analysis of the checkpoint that the result `made` is of."""
        shared = ("run", "checkpoint", "data", "preset", "seed", "remarks", "versions")
        shared += ("device", "seconds", "created_at")
        result = AnalysisResult(
            analysis=analysis,
            findings=findings,
            beside=(),
            split="split1",
            part="test",
            settings={},
            counts={"videos": videos, "of": 8, "classes": 2},
            path=str(self.path / "analysis" / f"{analysis}.json"),
            **{name: getattr(made, name) for name in shared},
        )
        write_analysis(result)
        return result


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """A run that has been set up but not begun: log and results are added by the test."""
    folder = tmp_path / "my <run>"
    folder.mkdir()
    config = as_plain(
        RunConfig(views={"rgb": {"size": 64}, "flow": {"size": 64}}, method={"name": "cpc", "epochs": 10})
    )
    resolved = {
        "format": FORMAT,
        "config": config,
        "data": {
            "root": str(tmp_path / "gone"),
            "num_train": 5,
            "num_validation": 1,
            "views": {"rgb": {}, "flow": {"algorithm": "tvl1"}},
            "storage": {"short_side": 144, "fps": None, "gop": 8},
            "counts": {"listed": 8, "ready": 7, "failed": 1, "missing": 0, "by_reason": {"corrupt": 1}},
            "shares": {
                "pose.frames_with_person": {"of_all_frames": 0.93, "least_in_a_video": 0.5, "videos_without": 2}
            },
        },
        "channels": {"rgb": 3, "flow": 2},
        "machine": {"device": "cpu", "name": "x86_64", "processes": 1, "system": "Linux"},
        "versions": {"coview": "0.1.0", "torch": "2"},
        "precision": {"dtype_name": "bf16", "channels_last": True, "seconds": {}},
    }
    (folder / "resolved.yaml").write_text(yaml.safe_dump(resolved))
    entries = [
        VideoEntry(
            id=f"v{number}",
            path=f"/videos/v{number}.avi",
            label="wave" if number % 2 else "jump",
            splits={"split1": "train"},
            status="ready",
            num_frames=40,
            width=80,
            height=60,
        )
        for number in range(7)
    ]
    entries.append(VideoEntry(id="bad", path="/videos/bad.avi", status="failed", reason="corrupt: <made so>"))
    data = PreparedDataset(tmp_path / "data", tuple(entries), {"rgb": {}, "flow": {}}, {"storage": {}})
    monkeypatch.setattr("coview.reports.page.open_views", lambda _, names: {name: DrawnView(name) for name in names})
    return RunFolder(folder, data)


@pytest.fixture
def drawn_view():
    return DrawnView
