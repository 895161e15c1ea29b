"""Kills, signals and full disks in the middle of commands: nothing is lost, and the same command goes on."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from campaign import Campaign, left_behind
from children import can_mount, command, mount_again, mount_own, run_child, status_of
from victims import Victim
from works import Works

from coview.errors import UserError
from coview.training.checkpoint import latest_checkpoint

COMMANDS = (
    *("prepare", "pretrain", "evaluate", "evaluate linear", "analyse", "embed", "embed videos", "index"),
    *("labels import", "duplicates", "head", "predict", "score", "finetune", "export", "export torch", "adapt", "init"),
)
WITH_WORKERS = ("prepare, 2 workers", "index, 2 workers", "predict, 2 workers")
_ONCE = {"head", "finetune", "export", "export torch", "init"}
"""What they have made is not made again in the same place."""


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


def try_all_processes(
    campaign: Campaign, victim: Victim, folder: Path, *, each: int, names: Sequence[str] = WITH_WORKERS
) -> None:
    """Send signals to commands and to their workers at once, as schedulers and containers do."""
    works = Works(victim, folder)
    for name in names:
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            kind = f"{number.name} to all"
            _interrupt(campaign, works, name, folder, number, kind=kind, times=each, to_all=True)


def try_suspensions(
    campaign: Campaign, victim: Victim, folder: Path, *, each: int, names: Sequence[str] = (*COMMANDS, *WITH_WORKERS)
) -> None:
    """Suspend each command for a while: it ends as if nothing had been."""
    works, out = Works(victim, folder), folder / "suspended"
    for name in names:
        random = campaign.generator(f"suspended {name}")
        _, seconds, expected = works.whole(name)
        for _ in range(each):
            works.begin(name, out)
            after = float(random.uniform(0, seconds))

            def event(name: str = name, after: float = after, expected: str = expected) -> str:
                words, log = works.words(name, out), folder / "child.log"
                ended = run_child(command(*words), log, send=signal.SIGSTOP, after_seconds=after, to_all=True)
                if ended.objection or ended.status != 0:
                    return f"{ended.status} {ended.objection or ended.text[-300:]}"
                return _objection(works, name, out, ended.status, expected)

            campaign.attempt("suspensions", f"{name}, after {after:.2f} s", event, limit_seconds=60)


def try_disks(campaign: Campaign, victim: Victim, folder: Path, *, each: int, names: Sequence[str] = COMMANDS) -> None:
    """Run each command on disks too small for it, and on read-only ones; where the system lets one have a disk."""
    works = Works(victim, folder)
    for name in names if can_mount() else ():
        _try_disks(campaign, works, name, folder, times=each)


def _interrupt(
    campaign: Campaign,
    works: Works,
    name: str,
    folder: Path,
    send: signal.Signals,
    *,
    kind: str,
    times: int,
    to_all: bool = False,
) -> None:
    random, out, log = campaign.generator(f"{kind} {name}"), folder / "broken", folder / "child.log"
    _, seconds, expected = works.whole(name)
    works.begin(name, out)
    for _ in range(times):
        after = float(random.uniform(0, seconds))
        ending: list[int] = []

        def event(after: float = after, ending: list[int] = ending) -> str:
            words = works.words(name, out)
            ended = run_child(command(*words), log, send=send, after_seconds=after, to_all=to_all)
            ending.append(ended.status)
            if ended.status == 2:
                return f"it does not go on: {ended.text[-300:]}"
            if ended.status > 128 and ended.status != 128 + send:
                return f"exit status {ended.status}"
            return ended.objection or _objection(works, name, out, ended.status, expected)

        campaign.attempt(kind, f"{name}, after {after:.2f} s", event, limit_seconds=60)
        if ending == [0] or (name in _ONCE and _is_whole(works, name, out, expected)):
            works.begin(name, out)

    def end() -> str:
        last = run_child(command(*works.words(name, out)), log)
        if last.objection or last.status != 0:
            return f"{last.status} {last.text[-300:]}"
        left = left_behind(out)
        return f"left behind {left}" if left else _objection(works, name, out, last.status, expected)

    campaign.attempt(kind, f"{name}, and then to the end", end, limit_seconds=60)


def _is_whole(works: Works, name: str, out: Path, expected: str) -> bool:
    try:
        return repr(works.made(name, out)) == expected
    except (UserError, OSError):
        return False


def _objection(works: Works, name: str, out: Path, status: int, expected: str) -> str:
    made = repr(works.made(name, out)) if status == 0 else expected
    if made == expected:
        return ""
    at = next((place for place, pair in enumerate(zip(made, expected, strict=False)) if pair[0] != pair[1]), 0)
    return f"ended well, with another outcome: ...{made[max(0, at - 60) : at + 60]}..."


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
        again = status and status_of(works.words(name, out))
        is_same = again == 0 and repr(works.made(name, out)) == expected
        return "" if is_same else f"with room again: exit status {again}, or another outcome"

    def read_only(out: Path) -> str:
        if random.integers(2):  # in a process of its own, which leaves no file open
            run_child(command(*works.words(name, out)), folder / "before.log")
        mount_again(out.parent, "ro")
        status = status_of(works.words(name, out))
        return "" if status in (0, 2) else f"exit status {status}"

    for _ in range(times):
        room = int(random.uniform(0, needed))
        campaign.attempt("full disk", f"{name}, {room} kB", on_disk(room, full), limit_seconds=60)
    for _ in range(max(1, times // 4)):
        campaign.attempt("read-only disk", name, on_disk(needed * 4, read_only), limit_seconds=60)
