"""Videos with accidents: each is prepared, or fails with a reason; none takes the process with it."""

import shutil
from pathlib import Path

from campaign import Campaign, left_behind
from children import run_child
from damage import damage
from victims import Victim

import coview
from coview.errors import UserError


def try_videos(campaign: Campaign, victim: Victim, folder: Path, *, each: int, more: list[Path] | None = None) -> None:
    """Change videos at random places, headers more often than the rest, and prepare them."""
    random, source = campaign.generator("videos"), folder / "mutated"
    source.mkdir()
    videos = sorted(victim.source.glob("*.mp4")) + (more or [])
    for number in range(each):
        video = videos[int(random.integers(len(videos)))]
        content = video.read_bytes()
        told = []
        for _ in range(1 + int(random.integers(4))):
            if random.integers(2):
                what, content = damage(content, random) if content else ("nothing left", b"")
            else:  # the boxes of the header are at the beginning or the end
                part = slice(0, 600) if random.integers(2) else slice(max(0, len(content) - 1500), len(content))
                what, changed = damage(content[part], random) if content[part] else ("nothing left", b"")
                content = content[: part.start] + changed + content[part.stop :]
            told.append(what)
        path, out = source / f"v{number}{video.suffix}", folder / "prepared"
        path.write_bytes(content)

        def work(path: Path = path, out: Path = out) -> str:
            settings = {"workers": 0, "storage.short_side": 36, "timeout_seconds": 10.0}
            try:
                data = coview.prepare(path.parent, out, settings, views=["rgb"])
            except UserError as error:
                return "" if "\n" not in str(error) else f"several lines: {error}"
            (entry,) = data.entries
            is_told = entry.status == "ready" or entry.reason
            return "" if is_told and not left_behind(out) else f"{entry.status} without a reason"

        def event(work: object = work) -> str:
            ended = run_child(work, folder / "child.log")
            return "" if ended.status == 0 else f"{ended.status} {ended.text[-300:]}"

        campaign.attempt("mutated videos", f"{video.name}: {', '.join(told)}", event, limit_seconds=60)
        path.unlink()
        if out.exists():
            shutil.rmtree(out)
