"""Vectors made in shares are those that one process makes, in the same order."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coview.datasets.prepared import PreparedDataset
from coview.embedding.embeddings import Embeddings
from coview.embedding.run import Run, load
from coview.embedding.shares import ShareKept, in_shares, make_all, own_shard
from coview.errors import UserError
from coview.evaluation import evaluate
from coview.video.stored import write_rgb
from small_run import moving_square

ROUNDING = 2e-4
"""Batches are of other sizes."""


def embedded(run: Run, source: Any, path: Path, shards: list[str]) -> Embeddings:
    """Make all shares, in this order; only the last gives the whole."""
    for shard in shards[:-1]:
        with pytest.raises(ShareKept, match=rf"share {shard} is done; \d of {len(shards)} are there"):
            join(run, source, path, shard)
    return join(run, source, path, shards[-1])


def join(run: Run, source: Any, path: Path, shard: str) -> Embeddings:
    with in_shares(path, shard, lambda: run.embed_share(source, shard), whole=run.identity_with(source)) as joined:
        return joined


def assert_same(one: Embeddings, other: Embeddings) -> None:
    assert (one.ids, one.labels, one.groups, one.paths) == (other.ids, other.labels, other.groups, other.paths)
    assert one.description == other.description
    for view in other.views:
        np.testing.assert_allclose(one[view], other[view], atol=ROUNDING)


def test_shares_of_a_prepared_data_set(small_run: Any, tmp_path: Path) -> None:
    run, data = load(small_run.run), PreparedDataset.open(small_run.data)
    joined = embedded(run, data, tmp_path / "v.parquet", ["2/2", "1/2"])
    assert_same(joined, run.embed(data))
    assert list(tmp_path.iterdir()) == []


def test_shares_of_files(small_run: Any, tmp_path: Path) -> None:
    files = [tmp_path / f"v{number}.mp4" for number in range(3)]
    for number, file in enumerate(files):
        write_rgb(iter(moving_square(number, is_fast=False)), file, fps=25.0, gop=8)
    run = load(small_run.run)
    assert_same(embedded(run, files, tmp_path / "v.parquet", ["1/2", "2/2"]), run.embed(files))


def test_shares_of_different_runs_are_not_joined(small_run: Any, tmp_path: Path) -> None:
    first, last = load(small_run.run), load(small_run.run, "rgb-00000010")
    path = tmp_path / "v.parquet"
    with pytest.raises(ShareKept):
        join(first, small_run.data, path, "1/2")
    last.embed_share = None  # type: ignore[assignment,method-assign]  # nothing is made before it is told
    with pytest.raises(UserError, match=r"different runs, settings or videos; delete .*\.v\.\*"):
        join(last, small_run.data, path, "2/2")


def test_shares_of_different_videos_are_not_joined(small_run: Any, tmp_path: Path) -> None:
    """Share 1/2 of four videos and 2/2 of eight have no place in common, and two videos in neither."""
    run, data, path = load(small_run.run), PreparedDataset.open(small_run.data), tmp_path / "v.parquet"
    with pytest.raises(ShareKept):
        join(run, replace(data, entries=data.ready[:4]), path, "1/2")
    run.embed_share = None  # type: ignore[assignment,method-assign]
    with pytest.raises(UserError, match="different runs, settings or videos"):
        join(run, data, path, "2/2")


def test_shares_of_different_videos_that_were_made_at_the_same_time_are_told(small_run: Any, tmp_path: Path) -> None:
    run, data, path = load(small_run.run), PreparedDataset.open(small_run.data), tmp_path / "v.parquet"

    def make() -> Any:
        with pytest.raises(ShareKept):
            join(run, replace(data, entries=data.ready[:4]), path, "1/2")
        return run.embed_share(data, "2/2")

    with (
        pytest.raises(UserError, match="different runs, settings or videos"),
        in_shares(path, "2/2", make, whole=run.identity_with(data)),
    ):
        pass


def test_shares_of_an_earlier_try_with_another_number_go_at_the_end(small_run: Any, tmp_path: Path) -> None:
    run, data, path = load(small_run.run), PreparedDataset.open(small_run.data), tmp_path / "v.parquet"
    with pytest.raises(ShareKept):
        join(run, data, path, "1/3")
    embedded(run, data, path, ["1/2", "2/2"])
    assert list(tmp_path.iterdir()) == []


def test_a_share_may_be_without_videos(small_run: Any, tmp_path: Path) -> None:
    file = tmp_path / "v.mp4"
    write_rgb(iter(moving_square(0, is_fast=False)), file, fps=25.0, gop=8)
    run = load(small_run.run)
    assert_same(embedded(run, [file], tmp_path / "v.parquet", ["2/2", "1/2"]), run.embed([file]))
    assert_same(embedded(run, [file], tmp_path / "v.parquet", ["1/2", "2/2"]), run.embed([file]))


def test_shares_are_there_until_the_whole_is_written(small_run: Any, tmp_path: Path) -> None:
    run, path = load(small_run.run), tmp_path / "v.parquet"
    with pytest.raises(ShareKept):
        join(run, small_run.data, path, "1/2")
    with (
        pytest.raises(OSError, match="no space left"),
        in_shares(
            path,
            "2/2",
            lambda: run.embed_share(small_run.data, "2/2"),
            whole=run.identity_with(small_run.data),
        ),
    ):
        raise OSError("no space left")
    run.embed_share = None  # type: ignore[assignment,method-assign]
    assert len(join(run, small_run.data, path, "2/2")) > 1


def test_a_share_that_is_there_is_not_made_again(small_run: Any, tmp_path: Path) -> None:
    run, path = load(small_run.run), tmp_path / "v.parquet"
    for _ in range(2):
        with pytest.raises(ShareKept):
            join(run, small_run.data, path, "1/2")
        run.embed_share = None  # type: ignore[assignment,method-assign]


def test_a_process_of_torchrun_takes_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_shard(None) is None
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "2")
    assert own_shard(None) == "3/4"
    assert own_shard("1/2") == "1/2"
    with pytest.raises(UserError, match="of the form i/n"):
        own_shard("4")


def test_the_last_share_of_an_evaluation_scores(small_run: Any, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(small_run.run, copy, ignore=shutil.ignore_patterns("embeddings", "evaluation"))
    with pytest.raises(ShareKept):
        evaluate(copy, small_run.data, protocol="knn", shard="2/2")
    found = evaluate(copy, small_run.data, protocol="knn", shard="1/2")
    expected = evaluate(small_run.run, small_run.data, protocol="knn")
    assert found.rows == expected.rows
    with pytest.raises(UserError, match="protocol finetune is not embedding alone"):
        evaluate(copy, small_run.data, protocol="finetune", shard="1/2")
    with pytest.raises(UserError, match="classifier finetune is not embedding alone"):
        evaluate(copy, small_run.data, protocol="few-labels", shard="1/2", settings={"classifier": "finetune"})


def test_what_shares_make_is_made_of_all_before_it_is_told_that_others_are_not_done() -> None:
    done = []

    def share(name: str, *, is_last: bool) -> str:
        done.append(name)
        if not is_last:
            raise ShareKept(name)
        return name

    with pytest.raises(ShareKept):
        make_all([partial(share, "one", is_last=False), partial(share, "other", is_last=True)])
    assert done == ["one", "other"]
    assert make_all([partial(share, "one", is_last=True)]) == ["one"]
