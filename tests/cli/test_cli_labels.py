"""`coview labels` and `coview head`, as they are typed."""

import numpy as np
import pytest

from coview.cli import run_arguments
from coview.collection.about import FORMAT
from coview.collection.index import Index
from coview.errors import UserError
from small_index import random_video


@pytest.fixture
def folder(tmp_path):
    """An index of four recordings whose run is gone: labels and heads need none."""
    from coview.config import write_yaml

    run = {"path": "../run", "checkpoint": "rgb-1", "identity": "abc"}
    about = {"format": FORMAT, "id": "x", "run": run, "views": {"rgb": 16}}
    (tmp_path / "idx").mkdir()
    index = Index(tmp_path / "idx", about=about, create=True)
    generator = np.random.default_rng(0)
    with index.store.writing():
        index.store.add([random_video(generator, f"v{number}", windows=6) for number in range(4)])
    index.close()
    write_yaml(tmp_path / "idx" / "index.yaml", about, is_sealed=True)
    return tmp_path / "idx"


def run(*words):
    assert run_arguments([str(word) for word in words]) == 0


def test_labels_in_and_out_and_a_head(folder, capsys):
    table, out = folder.parent / "labels.csv", folder.parent / "out.json"
    rows = [f"v{video},{second},{second + 2},{'ab'[second // 3]}" for video in range(4) for second in (0, 3)]
    table.write_text("\n".join(["path,start,end,label", *rows]) + "\n")
    run("labels", "import", folder, table)
    assert "8 new labels" in capsys.readouterr().out
    run("labels", "show", folder)
    assert "8 labels" in capsys.readouterr().out
    run("labels", "export", folder, out, "--format", "via")
    run("head", folder, "--out", folder.parent / "head")
    said = capsys.readouterr().out
    assert "macro-F1" in said
    assert "from 8 labels of 4 videos, 4 recordings" in said
    assert (folder.parent / "head" / "report.html").is_file()
    with pytest.raises(UserError, match="holds a head already"):
        run("head", folder, "--out", folder.parent / "head")
    run("labels", "undo", folder)
    assert "taken back: import labels.csv" in capsys.readouterr().out
    with pytest.raises(UserError, match="no labels to learn from"):
        run("head", folder, "--out", folder.parent / "other")
    assert not (folder.parent / "other").exists()
    with pytest.raises(UserError, match="needs FILE"):
        run("labels", "import", folder)
    with pytest.raises(UserError, match="takes no FILE"):
        run("labels", "show", folder, table)
