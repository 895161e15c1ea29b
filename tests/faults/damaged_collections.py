"""Damage to what a collection keeps: indexes, labels, heads, exported models, tables that are being written."""

import importlib.util
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from campaign import Campaign, heard
from children import run_child
from damage import damage
from victims import Collection, Victim

import coview
from coview.collection.cell_file import CellFile, SortedWindows
from coview.collection.cells import build_cells
from coview.collection.prediction import predict_to_file
from coview.collection.prediction.classifier import open_classifier
from coview.errors import UserError
from coview.exports import ExportedEncoder
from coview.stopping import Interrupted

Look = Callable[[Path], Any]
"""(a copy of a folder, damaged) -> what a reader makes of it, comparable with `==`."""


def try_collection_damage(campaign: Campaign, victim: Victim, made: Collection, folder: Path, *, each: int) -> None:
    """Damage every kind of file `each` times; what is read afterwards is right, or somebody says that it is not."""
    looks: dict[str, tuple[Path, str, Look]] = {
        "index.yaml": (made.index, "index.yaml", _look_at_index),
        "index.sqlite": (made.index, "index.sqlite", _look_at_index),
        "index vectors": (made.index, "vectors/*.f16", _look_at_index),
        "head": (made.head, "head*", _look_at_head),
        "hub folder": (made.hub, "*[!d]", _look_at_hub),
    }
    if made.onnx.is_dir():
        clips = _random_clips(made.onnx)
        looks["exported ONNX"] = (made.onnx, "model.onnx", lambda path: _answers(path, clips))
    for kind, (whole, names, look) in looks.items():
        expected = look(whole)
        random = campaign.generator(kind)
        files = sorted(path.relative_to(whole) for path in whole.glob(names))
        for _ in range(each):
            copy = folder / f"damaged-{whole.name}"  # beside the videos, as the whole one
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(whole, copy)
            name = files[int(random.integers(len(files)))]
            what, content = damage((copy / name).read_bytes(), random)
            (copy / name).write_bytes(content)

            def event(copy: Path = copy, look: Look = look, expected: Any = expected) -> str:
                with heard() as words:
                    return "" if look(copy) == expected or words else "read without a word, and differs"

            campaign.attempt(kind, f"{name}, {what}", event)
    if importlib.util.find_spec("faiss") is not None:
        _damage_cells(campaign, folder, each=each)
    _damage_log(campaign, made, folder, each=each)
    _damage_labels(campaign, made, folder, each=each)
    _damage_journal(campaign, victim, made, folder, each=each)


def _look_at_index(path: Path) -> Any:
    index = coview.open_index(path)
    try:
        rows = index.store.rows()
        vectors = [index.store.get(row.number) for row in rows]
        held = [[one.starts.tolist(), one.ends.tolist(), _plain(one.windows), _plain(one.whole)] for one in vectors]
        return index.views, [row.facts for row in rows], held, index.labels.rows(), index.labels.classes
    finally:
        index.close()


def _look_at_head(path: Path) -> Any:
    head = coview.load_head(path)
    calibration = head.calibration.scale.tolist(), head.calibration.shift.tolist(), head.is_multi_label
    numbers = head.weight.tolist(), head.bias.tolist(), head.thresholds.tolist(), calibration
    checked = None if head.validation is None else (head.validation.probabilities.tolist(), head.validation.ids)
    return head.classes, head.views, head.combine, numbers, checked, dict(head.counts)


def _look_at_hub(path: Path) -> Any:
    run = coview.load(path)
    return run.resolved, run.position, {name: value.tolist() for name, value in run.method.state_dict().items()}


def _random_clips(onnx: Path) -> dict[str, Any]:
    random, inputs = np.random.default_rng(0), ExportedEncoder(onnx, threads=1).description.inputs
    shapes = {one.view: (1, one.frames, one.size, one.size, one.channels) for one in inputs}
    return {view: random.integers(0, 256, shape, dtype=np.uint8) for view, shape in shapes.items()}


def _answers(onnx: Path, clips: dict[str, Any]) -> Any:
    encoder = ExportedEncoder(onnx, threads=1)
    return encoder.description, _plain(encoder(clips))


def _plain(arrays: Any) -> dict[str, Any]:
    return {name: rows.tolist() for name, rows in arrays.items()}


def _damage_cells(campaign: Campaign, folder: Path, *, each: int) -> None:
    """Damage the file of cells: it is as it was, or is not used."""
    random = campaign.generator("cells")
    rows = random.standard_normal((2000, 8)).astype(np.float16)
    place = folder / "cells"
    place.mkdir(exist_ok=True)
    cells = build_cells(lambda places: rows[places].astype(np.float32), len(rows))
    CellFile(place, {"rgb": 8}, lambda count: f"of {count}").write(SortedWindows({"rgb": cells}, len(rows)))
    (path,) = place.rglob("*.safetensors")
    sound = path.read_bytes()
    for _ in range(each):
        what, content = damage(sound, random)
        path.write_bytes(content)

        def event() -> str:
            with heard() as words:
                found = CellFile(place, {"rgb": 8}, lambda count: f"of {count}").read()
            if found is None:
                return "" if words else "given up without a word"
            ours = found.cells["rgb"]
            same = [np.array_equal(getattr(ours, name), getattr(cells, name)) for name in ("centroids", "rows", "ends")]
            return "" if all(same) else "read without a word, and differs"

        campaign.attempt("cells of an index", what, event)


def _damage_log(campaign: Campaign, made: Collection, folder: Path, *, each: int) -> None:
    """Damage what a process that was killed left beside the table: it is all there, or is told."""
    random, left, copy = campaign.generator("log"), folder / "killed", folder / "damaged-killed"
    shutil.copytree(made.index, left)

    def label_and_die() -> str:
        index, reader = coview.open_index(left), sqlite3.connect(left / "index.sqlite")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM about").fetchall()  # while another one reads, steps stay in the log
        for row in index.store.rows(status="ready"):
            index.labels.add(row.facts.id, "seen")
        os.kill(os.getpid(), signal.SIGKILL)
        return ""

    assert run_child(label_and_die, folder / "child.log").status == -signal.SIGKILL
    shutil.copytree(left, copy)
    expected = _look_at_index(copy)
    for _ in range(each):
        shutil.rmtree(copy)
        shutil.copytree(left, copy)
        log = copy / "index.sqlite-wal"
        what, content = damage(log.read_bytes(), random)
        log.write_bytes(content)

        def event() -> str:
            with heard() as words:
                return "" if _look_at_index(copy) == expected or words else "read without a word, and differs"

        campaign.attempt("log of an index's table", what, event)


def _damage_labels(campaign: Campaign, made: Collection, folder: Path, *, each: int) -> None:
    """Damage files of labels in each format: nobody can tell all of it, but it ends in a word or in whole labels."""
    random, index = campaign.generator("labels"), coview.open_index(made.index)
    for form in ("csv", "fiftyone", "label-studio", "via"):
        path = folder / f"labels.{'csv' if form == 'csv' else 'json'}"
        index.labels.export_file(path, format=form)
        sound = path.read_bytes()
        for _ in range(each):
            what, content = damage(sound, random)
            path.write_bytes(content)
            named = form if random.integers(2) else None

            def event(path: Path = path, named: str | None = named) -> str:
                before = index.labels.rows()
                try:
                    index.labels.import_file(path, format=named)
                except UserError:
                    return "" if index.labels.rows() == before else "refused, and yet taken in"
                while index.labels.rows() != before and index.labels.undo() is not None:
                    pass
                return "" if index.labels.rows() == before else "not to be taken back"

            campaign.attempt("files of labels", f"{form}, {what}", event)
    index.close()


def _damage_journal(campaign: Campaign, victim: Victim, made: Collection, folder: Path, *, each: int) -> None:
    """Damage what an interrupted prediction goes by: the same command makes the same table."""
    random, out = campaign.generator("journal"), folder / "predictions.csv"
    classifier, index = open_classifier(made.head), coview.open_index(made.index)

    def predict(stop_after: int | None) -> bytes:
        def progress(done: int, total: int, amounts: Any) -> None:
            if done == stop_after:
                raise Interrupted

        predict_to_file(classifier, index, out, progress=progress)
        return out.read_bytes()

    expected = predict(None)
    journal = out.with_name(f".{out.name}.journal")
    for _ in range(max(1, each // 2)):
        out.unlink(missing_ok=True)
        try:
            predict(int(random.integers(1, 6)))
        except Interrupted:
            what, content = damage(journal.read_bytes(), random)
            journal.write_bytes(content)
            campaign.attempt(
                "journal of predictions", what, lambda: "" if predict(None) == expected else "another table"
            )
    index.close()
