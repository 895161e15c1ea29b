"""`make test-wheel`: the sdist, and the wheel made from it, in a fresh environment: doctor and the shortest road.

python tests/package/try_wheel.py [FOLDER]
"""

import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from building import ROOT, build, copy_sources

ROAD = (
    ("--version",),
    ("--help",),
    ("list", "configs"),
    ("doctor",),
    ("prepare", "videos", "data", "--layout", "synthetic", "--synthetic.num-videos", "8", "--short-side", "48",
     "--flow.algorithm", "dis"),
    ("pretrain", "joint", "--data", "data", "--out", "run", "--max-steps", "2", "--training.batch-size", "4"),
    ("embed", "run", "data", "--out", "vectors.parquet"),
)  # fmt: skip


def run(*words: str | Path, folder: Path) -> None:
    """Run a command, shown as it is typed; end with its status where it fails."""
    print("$", *words, flush=True)
    status = subprocess.run([str(word) for word in words], cwd=folder, check=False).returncode
    if status:
        sys.exit(status)


def main(folder: Path) -> None:
    """Build, install and try."""
    sources = copy_sources(folder / "sources")
    sdist = build(sources, "sdist", folder / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    wheel = build(unpacked, "wheel", folder / "dist")
    run(sys.executable, "-m", "venv", "fresh", folder=folder)
    bin_folder = folder / "fresh" / "bin"
    run(bin_folder / "python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel, folder=folder)
    for words in ROAD:
        started = time.monotonic()
        run(bin_folder / "coview", *words, folder=folder)
        print(f"  {time.monotonic() - started:.1f} s", flush=True)
    print("wheel and sdist install and run")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).resolve())
    else:
        with tempfile.TemporaryDirectory(prefix="coview-wheel-") as made:
            main(Path(made))
