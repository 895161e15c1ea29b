"""Asked to stop, by whatever signal and to whomever it is sent: saved, said, and nothing is left running."""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from command_process import start_command, steps_logged, wait_until
from coview.config import RunConfig, TrainingSettings, as_plain
from coview.files import is_running
from coview.locks import SHARED_MEMORY, sweep_temporary_folders
from coview.training.checkpoint import latest_checkpoint, load_checkpoint
from small_run import make_data, small_config

FOR_EVER = 10**6


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("prepared")
    make_data(root, root / "videos")
    return root


def endless(workers: int, kind: str = "processes") -> RunConfig:
    """A run that takes steps for ever and saves none of them by itself."""
    base = small_config()
    given = {"workers": workers, "worker_kind": kind, "precision": "fp32", "channels_last": "never"}
    training = TrainingSettings(batch_size=2, log_every=1, **given)
    return dataclasses.replace(base, method={**base.method, "epochs": FOR_EVER}, training=training)


def shared_folders() -> set[str]:
    return {path.name for path in SHARED_MEMORY.glob("coview-*")} if SHARED_MEMORY.is_dir() else set()


def group_is_empty(group: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return False
    return True


@pytest.mark.parametrize(
    ("number", "to_group", "workers", "kind"),
    [
        (signal.SIGTERM, True, 2, "processes"),
        (signal.SIGTERM, False, 2, "threads"),
        (signal.SIGINT, True, 2, "processes"),
        (signal.SIGINT, False, 1, "threads"),
        (signal.SIGHUP, True, 1, "processes"),
        (signal.SIGHUP, False, 0, "threads"),
    ],
)
def test_a_signal_saves_says_so_and_leaves_nothing_running(data, tmp_path, number, to_group, workers, kind):
    out, settings = tmp_path / "run", tmp_path / "config.yaml"
    settings.write_text(yaml.safe_dump(as_plain(endless(workers, kind)), sort_keys=False))
    words = ["pretrain", str(settings), "--data", str(data), "--out", str(out)]
    process = start_command(words, tmp_path)
    try:
        has_begun = wait_until(lambda: steps_logged(out) >= 2 or not process.is_alive())
        assert has_begun and process.is_alive(), (tmp_path / "said.txt").read_text()  # noqa: PT018
        (os.killpg if to_group else os.kill)(process.pid, number)
        process.join(60)
        said = (tmp_path / "said.txt").read_text()
        assert process.exitcode == 128 + number, said
        assert f"{number.name}: saving after this step" in said
        assert "--resume" in said
        assert not any(word in said for word in ("Traceback", "died", "memory"))
        saved = load_checkpoint(latest_checkpoint(out)).position
        assert saved.global_step >= steps_logged(out) >= 2
        assert wait_until(lambda: group_is_empty(process.pid), seconds=10)
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(("coview-", "pymp-"))]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()


def test_workers_of_a_killed_command_end_and_leave_nothing(data, tmp_path):
    out, settings = tmp_path / "run", tmp_path / "config.yaml"
    settings.write_text(yaml.safe_dump(as_plain(endless(2)), sort_keys=False))
    words = ["pretrain", str(settings), "--data", str(data), "--out", str(out)]
    before = shared_folders()
    process = start_command(words, tmp_path)
    try:
        has_begun = wait_until(lambda: steps_logged(out) >= 1 or not process.is_alive())
        assert has_begun and process.is_alive(), (tmp_path / "said.txt").read_text()  # noqa: PT018
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert wait_until(lambda: group_is_empty(process.pid), seconds=10)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(("coview-", "pymp-"))]

    def left() -> list[Path]:
        return [SHARED_MEMORY / name for name in shared_folders() - before]

    # Those of tests beside this one go again. One that was just made has no workers yet, and nothing in it.
    assert wait_until(lambda: not [path for folder in left() for path in folder.glob("[!.]*")], seconds=30)
    for path in [found for folder in left() for found in (folder, *folder.glob("*"))]:
        with contextlib.suppress(FileNotFoundError):
            os.utime(path, (0, 0))
    sweep_temporary_folders()
    assert wait_until(lambda: not left(), seconds=30)


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ranks_save_and_end_with_their_launcher(data, tmp_path, number):
    """torchrun passes SIGTERM on; killed, it cannot, and its ranks find out by themselves."""
    out, settings = tmp_path / "run", tmp_path / "config.yaml"
    settings.write_text(yaml.safe_dump(as_plain(endless(0)), sort_keys=False))
    words = ["pretrain", str(settings), "--data", str(data), "--out", str(out)]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "coview"]
    with (tmp_path / "said.txt").open("w") as said:
        process = subprocess.Popen(
            [*launcher, *words], stdout=said, stderr=said, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
    ranks: set[int] = set()
    try:
        has_begun = wait_until(lambda: steps_logged(out) >= 2 or process.poll() is not None)
        assert has_begun and process.poll() is None, (tmp_path / "said.txt").read_text()  # noqa: PT018
        ranks = children_of(process.pid)
        assert len(ranks) == 2
        process.send_signal(number)
        assert process.wait(60) != 0
        assert wait_until(lambda: not any(is_running(rank) for rank in ranks), seconds=60)
        saved = load_checkpoint(latest_checkpoint(out))
        assert saved.position.global_step >= 2
        assert len(saved.state["random"]) == 2
        said_by_ranks = (tmp_path / "said.txt").read_text()
        assert "SIGTERM: saving after this step" in said_by_ranks
        assert ("torchrun, which started this process, has ended" in said_by_ranks) == (number == signal.SIGKILL)
    finally:
        process.kill()
        for rank in ranks:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rank, signal.SIGKILL)


def test_a_rank_whose_launcher_dies_before_it_has_met_the_others_ends(data, tmp_path):
    """There is nobody to meet any more, and the process must not wait for them."""
    settings = tmp_path / "config.yaml"
    settings.write_text(yaml.safe_dump(as_plain(endless(0)), sort_keys=False))
    words = ["pretrain", str(settings), "--data", str(data), "--out", str(tmp_path / "run")]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(nobody.getsockname()[1]), "WORLD_SIZE": "2"}
        told = {**meeting, "RANK": "1", "LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "x", "OMP_NUM_THREADS": "1"}
        with (tmp_path / "said.txt").open("w") as said:
            launcher = subprocess.Popen(
                ["/bin/sh", "-c", '"$@" & wait', "sh", sys.executable, "-m", "coview", *words],
                env={**os.environ, **told},
                stdout=said,
                stderr=said,
            )
        try:
            assert wait_until(lambda: len(children_of(launcher.pid)) == 1)
            (rank,) = children_of(launcher.pid)
            assert wait_until(lambda: "libtorch" in Path(f"/proc/{rank}/maps").read_text())
            launcher.kill()
            launcher.wait()
            assert wait_until(lambda: not is_running(rank), seconds=60)
            said_by_rank = (tmp_path / "said.txt").read_text()
            assert "torchrun, which started this process, has ended" in said_by_rank
            assert "Traceback" not in said_by_rank
        finally:
            launcher.kill()
            with contextlib.suppress(ProcessLookupError):
                os.kill(rank, signal.SIGKILL)


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
