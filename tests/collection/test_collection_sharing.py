"""Shares that several processes or machines embed become the index that one would have made."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

import coview
from coview.cli import run_arguments
from coview.collection.catalogue_store import LOCK
from coview.collection.merging import is_in_share
from coview.collection.opening import open_index
from coview.collection.sharing import Embedding, add_share, index_videos, merge_shares
from coview.errors import MissingExtraError, UserError
from coview.locks import folder_lock
from small_index import assert_same, write_square
from small_run import make_run, small_config

HERE = Embedding(workers=0, device="cpu")


@pytest.fixture
def plain(tmp_path, small_run, videos):
    """The index that one process makes."""
    index = open_index(tmp_path / "plain", run=small_run.run)
    index.add(videos, workers=0)
    return index


def test_shares_are_apart_and_complete():
    names = [f"class/video{number}" for number in range(1000)]
    for shares in (1, 3, 16):
        taken = [[share for share in range(1, shares + 1) if is_in_share(name, share, shares)] for name in names]
        assert all(len(one) == 1 for one in taken)
        assert {one[0] for one in taken} == set(range(1, shares + 1))


def test_merged_shares_are_what_one_process_makes(tmp_path, small_run, videos, plain, capsys):
    (videos / "broken.mp4").write_bytes(b"no video")
    plain.add(videos, workers=0)
    words = ["index", str(small_run.run), str(videos), str(tmp_path / "idx"), "--workers", "0"]
    for number in (2, 1, 3):
        assert run_arguments([*words, "--shard", f"{number}/3"]) == 0
        assert f"share {number}/3: " in capsys.readouterr().out
    index = open_index(tmp_path / "idx")
    assert len(index) == 0
    assert run_arguments([words[0], words[1], words[3]]) == 0
    assert "6 added, 1 failed" in capsys.readouterr().out
    assert_same(index, plain)
    assert not (tmp_path / "idx" / "parts").exists()
    write_square(videos / "new.mp4", 40)
    (videos / "slow" / "v0.mp4").unlink()
    add_share(index, [videos], HERE, shard="1/1")
    assert len(open_index(tmp_path / "idx" / "parts" / "1of1")) == 1  # what the index has is not embedded again
    done = index_videos(index, [videos], HERE)
    assert (done.added, done.unchanged, done.gone, len(done.failed)) == (1, 5, 1, 1)
    plain.add(videos, workers=0)
    assert_same(index, plain)


def test_a_share_that_was_cut_short_is_completed(tmp_path, small_run, videos, plain):
    index = open_index(tmp_path / "idx", run=small_run.run)
    add_share(index, [videos / "slow"], HERE, shard="1/1")
    done = index_videos(index, [videos], HERE)
    assert (done.added, done.unchanged) == (6, 0)
    assert {row["id"] for row in index.rows()} >= {"fast/v1", "fast/v3", "fast/v5"}
    assert len(index) == 6


def test_a_merge_that_was_interrupted_goes_on(tmp_path, small_run, videos, plain, monkeypatch):
    monkeypatch.setattr("coview.collection.merging._AT_ONCE", 2)
    index = open_index(tmp_path / "idx", run=small_run.run)
    add_share(index, [videos], HERE, shard="1/1")
    add, calls = index.store.add, []

    def die_later(new):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(add(new))

    with monkeypatch.context() as patch:
        patch.setattr(index.store, "add", die_later)
        with pytest.raises(KeyboardInterrupt):
            merge_shares(index)
    assert len(index) == 4
    merge_shares(index)
    assert_same(index, plain)


def test_a_changed_file_replaces_the_old_one(tmp_path, small_run, videos, plain):
    index = open_index(tmp_path / "idx", run=small_run.run)
    index.merge(plain)
    write_square(videos / "slow" / "v0.mp4", 77)
    done = index_videos(index, [videos], HERE, shard="1/1")
    assert done.added == 1
    assert merge_shares(index).changed == 1
    plain.add(videos, workers=0)
    assert_same(index, plain)
    assert index.verify() == []


def test_a_share_at_work_is_left_alone(tmp_path, small_run, videos, caplog):
    index = open_index(tmp_path / "idx", run=small_run.run)
    add_share(index, [videos], HERE, shard="1/2")
    part = open_index(tmp_path / "idx" / "parts" / "1of2")
    with part.store.writing():
        assert merge_shares(index).added == 0
    assert "not merged yet: another process is writing" in caplog.text
    assert merge_shares(index).added == len(part)


def test_indexes_of_two_runs_are_not_merged(tmp_path, small_run, videos, plain):
    config = small_config()
    make_run(tmp_path / "other", small_run.data, replace(config, clip=replace(config.clip, frame_stride=2)))
    other = open_index(tmp_path / "idx", run=tmp_path / "other")
    with pytest.raises(UserError, match="is of another run than"):
        plain.merge(other)


@pytest.mark.parametrize("shard", ["0/2", "3/2", "one", "1"])
def test_what_is_no_share_is_refused(tmp_path, small_run, videos, shard):
    index = open_index(tmp_path / "idx", run=small_run.run)
    with pytest.raises(UserError, match="is not of the form i/n"):
        index.add(videos, shard=shard)


def test_two_processes_of_torchrun_make_one_index(tmp_path, small_run, videos, plain):
    words = ["index", str(small_run.run), str(videos), str(tmp_path / "idx"), "--workers", "0", "--device", "cpu"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*torchrun, "-m", "coview", *words]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert_same(coview.open_index(tmp_path / "idx"), plain)
    assert not (tmp_path / "idx" / "parts").exists()


def test_a_cluster_makes_one_index(tmp_path, small_run, videos, plain):
    distributed = pytest.importorskip("distributed")
    index = open_index(tmp_path / "idx", run=small_run.run)
    options = {"processes": True, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with distributed.LocalCluster(n_workers=2, **options) as cluster:
        done = index_videos(index, [videos], HERE, cluster=cluster.scheduler_address)
    assert done.added == 6
    assert_same(index, plain)


def test_without_dask_the_extra_is_named(tmp_path, small_run, videos, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    index = open_index(tmp_path / "idx", run=small_run.run)
    with pytest.raises(MissingExtraError, match=r"indexing on a cluster.*coview\[cluster\]"):
        index_videos(index, [videos], HERE, cluster="tcp://127.0.0.1:9")


def test_files_that_another_process_has_while_it_begins_the_index_are_no_strangers(tmp_path, small_run):
    folder = tmp_path / "idx"
    folder.mkdir()
    passing = [folder / name for name in ("index.sqlite-journal", "index.yaml.being-written")]
    for path in passing:
        path.touch()
    opened = []
    with folder_lock(folder / LOCK, otherwise="held"):
        waiting = threading.Thread(target=lambda: opened.append(open_index(folder, run=small_run.run)))
        waiting.start()
        time.sleep(0.5)  # it has looked by now
        for path in passing:
            path.unlink()
    waiting.join(60)
    assert len(opened[0]) == 0
