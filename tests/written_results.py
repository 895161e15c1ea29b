"""Results as files, without an evaluation: what is not given is filled in."""

from pathlib import Path

from coview.evaluation.results.result import Result, write_result

COUNTS = {"videos": 9, "queries": 5, "queries_scored": 4, "gallery": 4, "gallery_used": 4, "classes": 2}


def write_filled(folder: Path, file: str, **fields) -> None:
    """Write RUN/evaluation/<file>.json; `fields` hold at least the checkpoint, the data and the rows."""
    filled = {
        "protocol": "retrieval",
        "variant": "",
        "run": str(folder),
        "split": "split1",
        "preset": "cpu",
        "seed": 0,
        "settings": {},
        "counts": COUNTS,
        "examples": {},
        "remarks": (),
        "versions": {},
        "device": "cpu",
        "seconds": 1.0,
        "created_at": "2026-01-01T00:00:00+00:00",
        "path": str(folder / "evaluation" / f"{file}.json"),
    }
    write_result(Result(**{**filled, **fields}))
