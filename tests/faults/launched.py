"""torchrun itself, killed or asked to stop at many steps: its ranks end with it, and the run ends in the same state."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from campaign import Campaign, heard
from victims import Victim, tiny_config

from coview.config import write_yaml
from coview.training.checkpoint import STATE, WEIGHTS, latest_checkpoint
from coview.training.runlog import read_log

WAYS = tuple((whom, send) for whom in ("launcher", "rank", "all") for send in (signal.SIGKILL, signal.SIGTERM))
STEPS = 12
"""Of each of the two stages."""
_MARK = "COVIEW_TRIED_UNDER_TORCHRUN"
_END_SECONDS = 300.0


@dataclass(frozen=True)
class Launch:
    """A training by torchrun in two processes."""

    victim: Victim
    config: Path
    out: Path
    said: Path
    workers: int

    @contextlib.contextmanager
    def started(self) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
        """Start it; give the launcher, and a word in the environment of each of its processes. None outlives this."""
        mark = uuid.uuid4().hex
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        words = ["-m", "coview", "pretrain", self.config, "--data", self.victim.data, "--out", self.out, "--resume"]
        more = ["--device", "cpu", "--training.workers", str(self.workers), "--training.worker-kind", "processes"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", _MARK: mark}
        with self.said.open("w") as said:
            launcher = subprocess.Popen([*torchrun, *words, *more], stdout=said, stderr=said, env=environment)
        try:
            yield launcher, mark
        finally:
            for pid in _marked(mark):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            launcher.wait()

    def steps(self) -> int:
        """Return the number of the last step that the log has."""
        with heard():
            events = read_log(self.out / "log.jsonl") if (self.out / "log.jsonl").is_file() else []
        return max((int(event["global_step"]) for event in events if event["event"] == "step"), default=0)

    def ended_state(self) -> tuple[bytes, bytes]:
        """Return the bytes of the weights and of all other state of the last checkpoint."""
        last = latest_checkpoint(self.out)
        assert last is not None
        return (last / WEIGHTS).read_bytes(), (last / STATE).read_bytes()

    def run(self) -> str:
        """Train to the end; return what is wrong."""
        with self.started() as (launcher, _):
            status = launcher.wait(_END_SECONDS)
        return "" if status == 0 else f"exit status {status}: {self.said.read_text()[-300:]}"

    def disturb(self, whom: str, send: signal.Signals, *, at_step: int, or_after_seconds: float) -> str:
        """Send a signal when a step has been logged, or after a time; return what is wrong with what follows."""
        with self.started() as (launcher, mark):
            began, before = time.monotonic(), self.steps()
            while whom == "rank" and launcher.poll() is None and not _ranks(launcher.pid, mark):
                time.sleep(0.01)
            while launcher.poll() is None and time.monotonic() - began < or_after_seconds and self.steps() < at_step:
                time.sleep(0.01)
            has_ended = launcher.poll() is not None
            reached = self.steps()
            _send(send, whom, launcher.pid, mark)
            while _marked(mark):
                if time.monotonic() - began > or_after_seconds + _END_SECONDS:
                    return f"{len(_marked(mark))} processes outlive {whom} at step {reached}"
                launcher.poll()
                time.sleep(0.05)
        said = self.said.read_text()
        if any(line.lstrip().startswith("File ") and "/coview/" in line for line in said.splitlines()):
            return f"traceback at step {reached}: {said[-1500:]}"
        asked = send != signal.SIGKILL and not has_ended and before < reached < 2 * STEPS - 1
        return "" if not asked or "saving after this step" in said else f"no word at step {reached}: {said[-1500:]}"


def try_launcher(
    campaign: Campaign, victim: Victim, folder: Path, *, each: int, workers: Sequence[int] = (0, 2)
) -> None:
    """Disturb torchrun in every way `each` times, one after the other in one run, and let that run go on to its end."""
    settings = tiny_config(max_steps=STEPS)
    config = folder / "launched.yaml"
    write_yaml(config, replace(settings, training=replace(settings.training, batch_size=4)))
    whole = Launch(victim, config, folder / "launched-whole", folder / "launched.log", 0)
    assert whole.run() == "", whole.said.read_text()
    expected = whole.ended_state()
    random = campaign.generator("launcher")
    for number in workers:
        kind, run_number = f"torchrun, {number} workers", 0
        ways = [way for _ in range(each) for way in WAYS]
        random.shuffle(ways)
        launch = replace(whole, workers=number, out=folder / f"launched-{number}-0")
        for whom, send in ways:
            is_early = random.integers(4) == 0
            at_step = launch.steps() + int(random.integers(1, 9))
            moment = {"at_step": at_step, "or_after_seconds": float(random.uniform(0, 12)) if is_early else 90.0}
            told = f"{whom} {signal.Signals(send).name}, {moment}"
            campaign.attempt(kind, told, _disturbance(launch, whom, send, moment), limit_seconds=60)
            if launch.steps() >= 2 * STEPS:
                campaign.attempt(kind, "and then to the end", _end(launch, expected), limit_seconds=60)
                run_number += 1
                launch = replace(launch, out=folder / f"launched-{number}-{run_number}")
        campaign.attempt(kind, "and then to the end", _end(launch, expected), limit_seconds=60)


def _disturbance(launch: Launch, whom: str, send: signal.Signals, moment: dict[str, float]) -> Callable[[], str]:
    return lambda: launch.disturb(whom, send, **moment)  # type: ignore[arg-type]


def _end(launch: Launch, expected: tuple[bytes, bytes]) -> Callable[[], str]:
    def end() -> str:
        fault = launch.run()
        if fault:
            return fault
        weights, state = (one == other for one, other in zip(launch.ended_state(), expected, strict=True))
        return "" if weights and state else f"another end: weights equal {weights}, state equal {state}"

    return end


def _marked(mark: str) -> list[int]:
    """Return the processes that have the mark in their environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{_MARK}={mark}".encode() in (place / "environ").read_bytes():
                found.append(int(place.name))
    return found


def _send(send: signal.Signals, whom: str, launcher: int, mark: str) -> None:
    targets = {"launcher": [launcher], "rank": _ranks(launcher, mark)[:1], "all": _marked(mark)}[whom]
    for pid in targets:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, send)


def _ranks(launcher: int, mark: str) -> list[int]:
    return sorted(pid for pid in _marked(mark) if _parent(pid) == launcher)


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    return 0
