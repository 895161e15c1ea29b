"""Kills, signals and full disks in the middle of commands: nothing is lost, and the same command goes on."""

import shutil
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from campaign import Campaign, heard, left_behind
from children import can_mount, command, mount_again, mount_own, run_child, status_of
from victims import PREPARE, VIEWS, Victim, tiny_config

import coview
from coview.config import write_yaml
from coview.datasets.prepared import PreparedDataset
from coview.embedding.embeddings import Embeddings
from coview.training.checkpoint import latest_checkpoint, load_checkpoint
from coview.training.runlog import read_log

STEPS = 12
COMMANDS = ("prepare", "pretrain", "evaluate", "embed", "analyse")


class Works:
    """The long commands: how each is given, and what it has made when it is done."""

    def __init__(self, victim: Victim, folder: Path) -> None:
        self.victim, self.folder, self.config = victim, folder, folder / "tiny.yaml"
        self._whole: dict[str, tuple[Path, float, str]] = {}
        write_yaml(self.config, tiny_config(max_steps=STEPS))

    def whole(self, name: str) -> tuple[Path, float, str]:
        """Return what the command makes undisturbed: the folder, its seconds, and what there is in the end.

        It runs in this process, so that children have imported and compiled what it needs.
        """
        if name not in self._whole:
            out = self.folder / f"whole-{name}"
            self.begin(name, out)
            with (self.folder / "whole.log").open("w") as log, redirect_stdout(log), redirect_stderr(log), heard():
                started = time.monotonic()
                status = status_of(self.words(name, out))
                seconds = time.monotonic() - started
            assert status == 0, (self.folder / "whole.log").read_text()
            self._whole[name] = out, min(seconds, 5.0), repr(self.made(name, out))
        return self._whole[name]

    def words(self, name: str, out: Path) -> list[object]:
        """Return the command line that makes `out`."""
        data = self.victim.data
        if name == "prepare":
            options = [f"--synthetic.{key.replace('_', '-')}={value}" for key, value in PREPARE["synthetic"].items()]
            more = ["--short-side", 36, "--folds", 2, "--flow.algorithm=farneback", "--workers", 0, "--views", *VIEWS]
            return ["prepare", self.victim.source, out, "--layout", "synthetic", *options, *more]
        if name == "pretrain":
            return ["pretrain", self.config, "--data", data, "--out", out, "--device", "cpu", "--resume"]
        if name == "evaluate":
            return ["evaluate", out, "--data", data, "--split", "fold1"]
        if name == "embed":
            return ["embed", self.victim.run, data, "--out", out / "vectors.parquet"]
        return ["analyse", out, "--data", data, "--split", "fold1", "--analysis", "views-gallery", "--part", "all"]

    def begin(self, name: str, out: Path) -> None:
        """Put there what the command needs."""
        shutil.rmtree(out, ignore_errors=True)
        if name in ("evaluate", "analyse"):
            shutil.copytree(self.victim.run, out, ignore=shutil.ignore_patterns("embeddings", "evaluation", "analysis"))
        elif name == "embed":
            out.mkdir()

    def made(self, name: str, out: Path) -> Any:
        """Return what there is in the end, comparable."""
        with heard():
            if name == "prepare":
                data = PreparedDataset.open(out)
                return [(entry.id, entry.status, entry.num_frames, dict(entry.splits)) for entry in data.entries]
            if name == "pretrain":
                one = load_checkpoint(latest_checkpoint(out) or out)
                steps = [event["step"] for event in read_log(out / "log.jsonl") if event["event"] == "step"]
                return one.position, {key: value.tolist() for key, value in one.weights.items()}, steps
            if name == "evaluate":
                return [[row.metrics for row in result.rows] for result in coview.evaluation.read_results(out)]
            if name == "embed":
                vectors = Embeddings.load(out / "vectors.parquet")
                return {view: rows.tolist() for view, rows in vectors.features.items()}
            return sorted(path.name for path in (out / "analysis").iterdir())


def try_kills(campaign: Campaign, victim: Victim, folder: Path, *, each: int, names: Sequence[str] = COMMANDS) -> None:
    """Kill each command `each` times at random moments, and let it go on from there; at last to its end."""
    works = Works(victim, folder)
    for name in names:
        _interrupt(campaign, works, name, folder, signal.SIGKILL, kind="kills", times=each)


def try_signals(
    campaign: Campaign, victim: Victim, folder: Path, *, each: int, names: Sequence[str] = COMMANDS
) -> None:
    """Ask each command to stop at random moments, in each of the ways that terminals and schedulers have."""
    works = Works(victim, folder)
    for name in names:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            _interrupt(campaign, works, name, folder, number, kind=number.name, times=each)


def try_disks(campaign: Campaign, victim: Victim, folder: Path, *, each: int, names: Sequence[str] = COMMANDS) -> None:
    """Run each command on disks too small for it, and on read-only ones; where the system lets one have a disk."""
    works = Works(victim, folder)
    for name in names if can_mount() else ():
        _try_disks(campaign, works, name, folder, times=each)


def _interrupt(
    campaign: Campaign, works: Works, name: str, folder: Path, send: signal.Signals, *, kind: str, times: int
) -> None:
    random, out, log = campaign.generator(f"{kind} {name}"), folder / "broken", folder / "child.log"
    _, seconds, expected = works.whole(name)
    works.begin(name, out)
    for _ in range(times):
        after = float(random.uniform(0, seconds))
        ending: list[int] = []

        def event(after: float = after, ending: list[int] = ending) -> str:
            ended = run_child(command(*works.words(name, out)), log, send=send, after_seconds=after)
            ending.append(ended.status)
            return ended.objection or _objection(works, name, out, ended.status, expected)

        campaign.attempt(kind, f"{name}, after {after:.2f} s", event, limit_seconds=60)
        if ending == [0]:
            works.begin(name, out)

    def end() -> str:
        last = run_child(command(*works.words(name, out)), log)
        if last.objection or last.status != 0:
            return f"{last.status} {last.text[-300:]}"
        left = left_behind(out) if name in ("prepare", "pretrain") else []
        return f"left behind {left}" if left else _objection(works, name, out, last.status, expected)

    campaign.attempt(kind, f"{name}, and then to the end", end, limit_seconds=60)


def _objection(works: Works, name: str, out: Path, status: int, expected: str) -> str:
    if status == 0 and repr(works.made(name, out)) != expected:
        return "ended well, with another outcome"
    return ""


def _try_disks(campaign: Campaign, works: Works, name: str, folder: Path, *, times: int) -> None:
    """Run a command on disks of random sizes, make room, and run it again; then with the disk read-only."""
    whole, _, expected = works.whole(name)
    needed = sum(path.stat().st_size for path in whole.rglob("*") if path.is_file()) // 1024 + 64
    random, place = campaign.generator(f"disk {name}"), folder / "disk"
    place.mkdir(exist_ok=True)

    def on_disk(kilobytes: int, then: Callable[[Path], str]) -> Callable[[], str]:
        def work() -> str:
            mount_own(place, kilobytes=2**15)
            works.begin(name, place / "out")
            used = sum(path.stat().st_blocks // 2 for path in place.rglob("*"))
            mount_again(place, f"size={max(4, used + kilobytes)}k")
            return then(place / "out")

        def event() -> str:
            ended = run_child(work, folder / "child.log")
            return "" if ended.status == 0 else f"{ended.status} {ended.text[-400:]}"

        return event

    def full(out: Path) -> str:
        status = status_of(works.words(name, out))
        if status not in (0, 2) or left_behind(out):
            return f"exit status {status}, left behind {left_behind(out)}"
        if name == "pretrain" and (out / "checkpoints").exists():
            latest_checkpoint(out)
        mount_again(out.parent, f"size={2**16}k")
        again = status_of(works.words(name, out))
        is_same = again == 0 and repr(works.made(name, out)) == expected
        return "" if is_same else f"with room again: exit status {again}, or another outcome"

    def read_only(out: Path) -> str:
        if random.integers(2):
            status_of(works.words(name, out))
        mount_again(out.parent, "ro")
        status = status_of(works.words(name, out))
        return "" if status in (0, 2) else f"exit status {status}"

    for _ in range(times):
        room = int(random.uniform(0, needed))
        campaign.attempt("full disk", f"{name}, {room} kB", on_disk(room, full), limit_seconds=60)
    for _ in range(max(1, times // 4)):
        campaign.attempt("read-only disk", name, on_disk(needed * 4, read_only), limit_seconds=60)
