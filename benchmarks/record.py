"""Write what a benchmark measured, with the machine and the versions it was measured on."""

import datetime
import importlib.metadata
import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""Of the processor, those that decide which kernels run."""
PACKAGES = ("coview", "numpy", "torch", "numba", "av", "opencv-contrib-python-headless")


def record(name: str, values: Mapping[str, Any]) -> Path:
    """Write `values` to results/<name>-<machine kind>.json and return that path.

    Args:
        name: of the benchmark, such as "tvl1".
        values: sizes, times, ratios: whatever JSON can hold; units in the names.
    """
    report = {"benchmark": name, "command": _command(), "date": _today(), **machine(), **values}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{machine_kind()}.json"
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return path


def machine() -> dict[str, Any]:
    """Return what a reader must know to judge a time: processor, cores, device, versions."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "machine": {
            "cpu": cpu_model(),
            "flags": cpu_flags(),
            "cores": os.cpu_count(),
            "gpu": gpu,
            "system": platform.system(),
        },
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
    }


def machine_kind() -> str:
    """Return a short name fit for a file: the processor's family (or the GPU's), whether it has bf16, and the cores."""
    kind = torch.cuda.get_device_name() if torch.cuda.is_available() else cpu_model()
    words = re.sub(r"\((R|TM)\)|\bCPU\b|\bProcessor\b|@.*", " ", kind)
    units = ["bf16"] if "avx512_bf16" in cpu_flags() else []
    return "-".join([*re.findall(r"[a-z0-9]+", words.lower()), *units, f"{os.cpu_count()}cores"])


def cpu_flags() -> list[str]:
    """Return which of `FLAGS` the processor has, as the system tells it."""
    listing = Path("/proc/cpuinfo")
    text = listing.read_text(encoding="utf-8") if listing.exists() else ""
    found = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    have = set(found.group(1).split()) if found else set()
    return [flag for flag in FLAGS if flag in have]


def cpu_model() -> str:
    """Return the processor's name as the system tells it."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", listing.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found.group(1)
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _command() -> str:
    """Return the command that ran, without folders of this machine."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
