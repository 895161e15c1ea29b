"""Damage to each kind of file that coview writes: what is read afterwards is right, or somebody says that it is not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from campaign import Campaign, heard
from victims import PREPARE, VIEWS, Victim

import coview
from coview.analysis.result import AnalysisResult
from coview.clips.samples import ClipSamples
from coview.config import ClipSettings
from coview.datasets.prepared import PreparedDataset
from coview.embedding.cache import cached_embeddings
from coview.embedding.embeddings import Embeddings
from coview.reports.facts import gather
from coview.training.checkpoint import _warn_once, checkpoints, latest_checkpoint, load_checkpoint
from coview.training.runfolder import read_resolved
from coview.training.runlog import RunLog, read_log
from coview.views.opened import open_views

Look = Callable[[Path, Path], Any]
"""(data set, run) -> what a reader makes of them, comparable with `==`."""


def damage(content: bytes, random: np.random.Generator) -> tuple[str, bytes]:
    """Return what is done to a file, and its content afterwards, which differs."""
    size = len(content)
    at = int(random.integers(0, max(1, size)))
    kinds: dict[str, Callable[[], bytes]] = {
        "empty": lambda: b"",
        "cut": lambda: content[:at],
        "bit": lambda: content[:at] + bytes([content[at] ^ (1 << int(random.integers(8)))]) + content[at + 1 :],
        "byte": lambda: content[:at] + bytes([int(random.integers(256))]) + content[at + 1 :],
        "zeros": lambda: content[:at] + bytes(min(512, size - at)) + content[at + 512 :],
        "noise": lambda: content[:at] + random.bytes(min(512, size - at)) + content[at + 512 :],
        "more": lambda: content + random.bytes(1 + int(random.integers(64))),
        "hole": lambda: content[:at] + content[at + 1 + int(random.integers(32)) :],
    }
    name = str(random.choice(list(kinds)))
    changed = kinds[name]()
    return (f"{name} at {at} of {size}", changed) if changed != content else damage(content, random)


def _weights(run: Path) -> Any:
    found = load_checkpoint(latest_checkpoint(run) or run)
    state = json.dumps(found.state, sort_keys=True, default=lambda value: value.tolist())
    return found.path.name, found.position, {key: value.tolist() for key, value in found.weights.items()}, state


def _named_checkpoints(run: Path) -> dict[str, Any]:
    """Return what each checkpoint holds by its name: the one that is taken must be one of them."""
    found = {}
    for path in checkpoints(run):
        one = load_checkpoint(path)
        state = json.dumps(one.state, sort_keys=True, default=lambda value: value.tolist())
        found[path.name] = path.name, one.position, {k: v.tolist() for k, v in one.weights.items()}, state
    return found


def _shown(analysis: AnalysisResult) -> Any:
    figures = [(figure.name, figure.svg, figure.png) for figure in analysis.findings.figures]
    return analysis.analysis, analysis.findings.sentences, repr(analysis.findings.values), figures


def _clips(data: Path, cache: Path | None = None) -> Any:
    opened = PreparedDataset.open(data)
    views = open_views(opened.view_options, VIEWS)
    samples = ClipSamples(opened, opened.ready, views, ClipSettings(2, 4, 1), seed=0, frame_cache=cache)
    read = [samples[(0, index)].views for index in range(len(samples))]
    return {name: torch.from_numpy(np.stack([one[name] for one in read])).tolist() for name in VIEWS}


def _manifest(data: Path) -> Any:
    opened = PreparedDataset.open(data)
    return opened.entries, opened.view_options, opened.info


def _resume_log(run: Path) -> Any:
    log = RunLog(run, is_main=True, last_step=10**6)
    log.close()
    return None


def try_damage(campaign: Campaign, victim: Victim, folder: Path, *, each: int) -> None:
    """Damage every kind of file `each` times."""
    run, cache = victim.run, folder / "frames"
    with heard():
        names = _named_checkpoints(run)
        newest = _weights(run)[0]
        clips, manifest, resolved = _clips(victim.data, cache), _manifest(victim.data), read_resolved(run)
        events, open_run = read_log(run / "log.jsonl"), coview.load(run)
        vectors = cached_embeddings(
            open_run, PreparedDataset.open(victim.data), PreparedDataset.open(victim.data).ready
        )
        cached = sorted((run / "embeddings").glob("*.parquet"))
        coview.evaluate(open_run, victim.data, protocol="retrieval", split="fold1")
        coview.analyse(open_run, victim.data, ["views-gallery"], split="fold1")
    embedded = {view: rows.tolist() for view, rows in vectors.features.items()}

    def events_of(kind: str, files: list[Path], look: Callable[[list[str]], str]) -> None:
        random = campaign.generator(kind)
        for _ in range(each):
            path = files[int(random.integers(len(files)))]
            sound = path.read_bytes()
            what, content = damage(sound, random)
            path.write_bytes(content)

            def event() -> str:
                with heard() as words:
                    return look(words)

            try:
                campaign.attempt(kind, f"{path.name}, {what}", event)
            finally:
                path.write_bytes(sound)

    def same(found: Any, expected: Any, words: list[str]) -> str:
        return "" if found == expected or words else "read without a word, and differs"

    def read_checkpoint(words: list[str]) -> str:
        _warn_once.cache_clear()  # as in a new process
        found = _weights(run)
        if found != names[found[0]]:
            return "a checkpoint was read without a word, and differs"
        return "" if found[0] == newest or words else "an older checkpoint was taken without a word"

    def read_events(words: list[str]) -> str:
        found = read_log(run / "log.jsonl")
        gather(run)
        if any(event not in events for event in found):
            return "an event that was never written"
        before = (run / "log.jsonl").read_bytes()
        _resume_log(run)
        (run / "log.jsonl").write_bytes(before)
        is_cut_between_lines = found == events[: len(found)] and before.endswith(b"\n")
        return "" if found == events or words or is_cut_between_lines else "events are missing without a word"

    def read_embeddings(words: list[str]) -> str:
        data = PreparedDataset.open(victim.data)
        found = cached_embeddings(open_run, data, data.ready)
        return same({view: rows.tolist() for view, rows in found.features.items()}, embedded, [])

    def read_vectors(words: list[str]) -> str:
        found = Embeddings.load(folder / "vectors.parquet")
        return same({view: rows.tolist() for view, rows in found.features.items()}, embedded, words)

    def read_results(words: list[str]) -> str:
        facts = gather(run)
        return same((facts.results, [_shown(one) for one in facts.analyses]), found_before, words)

    before = gather(run)
    found_before = before.results, [_shown(one) for one in before.analyses]

    kept = latest_checkpoint(run) or run
    vectors.save(folder / "vectors.parquet")
    for name in ("model.safetensors", "state.pt", "meta.json", "SHA256SUMS"):
        events_of(name, [kept / name], read_checkpoint)
    events_of("resolved.yaml", [run / "resolved.yaml"], lambda words: same(read_resolved(run), resolved, words))
    events_of("log.jsonl", [run / "log.jsonl"], read_events)
    events_of("result", sorted((run / "evaluation").glob("*.json")), read_results)
    events_of(
        "analysis", [path for path in sorted((run / "analysis").iterdir()) if path.suffix != ".csv"], read_results
    )
    events_of("embedding cache", cached, read_embeddings)
    events_of("embeddings", [folder / "vectors.parquet"], read_vectors)
    for name in ("dataset.yaml", "videos.parquet"):
        events_of(name, [victim.data / name], lambda words: same(_manifest(victim.data), manifest, words))
    for view in VIEWS:
        stored = sorted(path for path in (victim.data / "views" / view).rglob("*") if path.is_file())
        events_of(f"stored {view}", stored, lambda words: same(_clips(victim.data), clips, words))
    frames = sorted(cache.rglob("*.npy"))
    events_of("frame cache", frames, lambda words: same(_clips(victim.data, cache), clips, []))
    _try_work_files(campaign, victim, folder, manifest, each=each)


def _try_work_files(campaign: Campaign, victim: Victim, folder: Path, manifest: Any, *, each: int) -> None:
    """Damage what `prepare` goes by: the same command again gives the same data set, or says what is wrong."""
    for name in ("settings.yaml", "outcomes.jsonl"):
        kind, random = f"prepare's {name}", campaign.generator(name)
        for _ in range(max(1, each // 3)):
            copy = folder / "copy"
            shutil.copytree(victim.data, copy)
            path = copy / ".prepare" / name
            what, content = damage(path.read_bytes(), random)
            path.write_bytes(content)
            if random.integers(2):
                (copy / "videos.parquet").unlink()

            def event(copy: Path = copy) -> str:
                with heard():
                    coview.prepare(victim.source, copy, PREPARE, views=VIEWS, layout="synthetic")
                    found = _manifest(copy)
                rows = [
                    [(entry.id, entry.status, entry.num_frames, entry.label) for entry in one[0]]
                    for one in (found, manifest)
                ]
                return "" if rows[0] == rows[1] else "another manifest"

            campaign.attempt(kind, what, event, limit_seconds=60)
            shutil.rmtree(copy)
