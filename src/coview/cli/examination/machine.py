"""Processor, GPU, disk and memory."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from coview.cli.examination.finding import Finding

_CLIP_BYTES = 40 * 128 * 171 * 5
"""40 stored frames, rgb and flow: a clip of the paper-sized configs."""
_HELD_CLIPS_A_WORKER = 16
_LITTLE_DISK_BYTES = 2 * 2**30


def examine_processors() -> Iterator[Finding]:
    """Yield the processor with its units for bfloat16, and each GPU that PyTorch can use."""
    import torch

    flags = _cpu_flags()
    units = [flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if flag in flags]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    bf16 = "computes in bf16" if any("bf16" in unit for unit in units) else "no bf16: fp32 is fastest"
    yield Finding("processor", "ok", f"{cores} cores, {', '.join(units) or 'no vector units known'}; {bf16}")
    if not torch.cuda.is_available():
        remedy = "nothing is lacking; with an NVIDIA GPU in this machine, install its driver and a CUDA build of torch"
        yield Finding("gpu", "note", "none that PyTorch can use; everything runs on the CPU", remedy)
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        yield Finding(f"gpu {index}", "ok", f"{name}, {free / 2**30:.0f} of {total / 2**30:.0f} GB free")


def examine_memory() -> Iterator[Finding]:
    """Yield the room on the disk of this folder, and shared memory beside what a run at paper size would hold."""
    from coview.clips.workers import free_shared_memory, remark_on_shared_memory
    from coview.training.video_feed import default_worker_kind, default_workers

    free = shutil.disk_usage(Path.cwd()).free
    room = f"{free / 2**30:.0f} GB free here"
    if free > _LITTLE_DISK_BYTES:
        yield Finding("disk", "ok", room)
    else:
        yield Finding(
            "disk", "note", room, "an hour of video takes about 1 GB as rgb and flow: make room, or go elsewhere"
        )
    workers = default_workers() if default_worker_kind() == "processes" else 0
    held = _HELD_CLIPS_A_WORKER * workers * _CLIP_BYTES
    shared, short = free_shared_memory(), remark_on_shared_memory(held)
    if short:
        remedy = "docker run --shm-size 2g, or fewer --training.workers; see docs/how-to/small-shared-memory.md"
        yield Finding("shared memory", "note", f"for a paper-sized run, {short}", remedy)
    else:
        yield Finding("shared memory", "ok", "enough" if shared is None else f"{shared / 2**30:.1f} GB free")


def _cpu_flags() -> set[str]:
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return set()
    lines = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith(("flags", "Features"))]
    return set(lines[0].partition(":")[2].split()) if lines else set()
