import os
import sys
from pathlib import Path
from typing import Any

import pytest

from coview.errors import MissingExtraError, UserError
from coview.preparation.prepare import PrepareSettings, prepare
from coview.views.base import StorageSettings

distributed = pytest.importorskip("distributed")


def settings(address: str) -> PrepareSettings:
    return PrepareSettings(views=("rgb",), storage=StorageSettings(short_side=32), cluster=address)


def test_a_cluster_that_loses_a_worker_finishes(source: Path, tmp_path: Path) -> None:
    (source / "jump" / "clip2.mp4").write_text("no video")
    options = {"processes": True, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with distributed.LocalCluster(n_workers=2, **options) as cluster:
        killed = []

        def progress(done: int, total: int, amounts: Any) -> None:
            if done == 1 and not killed:
                killed.append(next(iter(cluster.workers.values())).process.process.pid)
                os.kill(killed[0], 9)

        data = prepare(source / "jump", tmp_path / "out", settings(cluster.scheduler_address), progress=progress)
    assert killed
    assert data.info["counts"]["ready"] == 2
    assert data.info["counts"]["by_reason"] == {"not_a_video": 1}
    assert not list(tmp_path.rglob(".part-*"))


def test_no_scheduler_is_an_error_that_says_how_to_start_one(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coview.preparation.cluster._CONNECT_SECONDS", 1)
    with pytest.raises(UserError, match="no dask scheduler answers at 'tcp://127.0.0.1:9'.*dask scheduler"):
        prepare(source, tmp_path / "out", settings("tcp://127.0.0.1:9"))


def test_without_dask_the_extra_is_named(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"coview\[cluster\]"):
        prepare(source, tmp_path / "out", settings("tcp://127.0.0.1:9"))
