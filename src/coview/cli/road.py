"""`coview demo`: the road's own commands, one after the other, each shown as a user would type it."""

import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

VIDEOS = 200
SHORT_SIDE = 96
"""Of the stored pictures: the demo's encoder sees 64 x 64 pixels, and flow of small pictures is quick."""


def run_demo(out: Path, config: str, settings: Sequence[tuple[str, str]], run: Callable[[Sequence[str]], int]) -> int:
    """Prepare synthetic videos, pre-train, evaluate; stop at the first command that fails.

    Args:
        out: folder for everything; a second call goes on there.
        config: settings of the run, a file or a name.
        settings: changes to them, (dotted name, text).
        run: runs the words of one coview command and returns its exit status.

    Returns:
        Exit status.
    """
    videos, data, trained = str(out / "videos"), str(out / "data"), str(out / "run")
    synthetic = [words for words in settings if words[0].startswith("synthetic.")]
    others = [words for words in settings if not words[0].startswith("synthetic.")]
    count = [] if any("num" in name for name, _ in synthetic) else ["--synthetic.num-videos", str(VIDEOS)]
    prepare = ["prepare", videos, data, "--layout", "synthetic", "--views", "rgb", "flow"]
    commands = [
        [*prepare, "--short-side", str(SHORT_SIDE), *count, *_flags(synthetic)],
        ["pretrain", config, "--data", data, "--out", trained, "--resume", *_flags(others)],
        ["evaluate", trained, "--data", data, "--protocol", "retrieval"],
    ]
    started = time.monotonic()
    for words in commands:
        print(f"\n$ coview {shlex.join(words)}", flush=True)
        status = run(words)
        if status:
            return status
    minutes = (time.monotonic() - started) / 60
    print(f"\nThe whole road took {minutes:.1f} minutes. Read {out / 'run' / 'report.html'} in a browser.")
    return 0


def _flags(settings: Sequence[tuple[str, str]]) -> list[str]:
    return [word for name, text in settings for word in (f"--{name}", text)]
