"""The notebooks run from top to bottom on a small run, and are kept without outputs."""

import json
from pathlib import Path

import matplotlib as mpl
import pytest

from coview.training.runlog import RunLog
from small_run import small_run

__all__ = ["small_run"]

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, small_run, tmp_path, monkeypatch):
    mpl.use("Agg")
    for name, place in (("data/mine", small_run.data), ("runs/mine", small_run.run)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(place)
    if not (small_run.run / "log.jsonl").exists():
        log = RunLog(small_run.run, is_main=True)
        for step in (1, 2):
            log.write("step", stage="one", epoch=1, step=step, global_step=step, loss=1.0 / step)
        log.close()
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), f"{path.name}:{cell['id']}", "exec"), names)
