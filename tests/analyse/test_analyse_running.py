"""From a run and a data set to the files of an analysis, the command and the report."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from coview.analyse import ANALYSES, analyse_run, read_analyses, running
from coview.analyse.base import Analysis, Findings, FoundTable
from coview.analyse.class_relations import ClassRelations
from coview.cli import run_arguments
from coview.datasets.manifest import write_manifest
from coview.datasets.prepared import PreparedDataset
from coview.embed.run import Run
from coview.errors import UserError
from coview.evaluate import evaluate_run


@pytest.fixture(scope="module")
def many_classes(small_run):
    """The small data set with a class for every two of its videos: 4 classes, each with a training and a test video."""
    data = PreparedDataset.open(small_run.data)
    entries = [
        dataclasses.replace(entry, label=f"[class {number % 4}]") if entry.label else entry
        for number, entry in enumerate(data.entries)
    ]
    write_manifest(entries, small_run.data / "videos.parquet")
    return small_run


def test_the_files_say_all_of_it(many_classes):
    small_run = many_classes
    result = analyse_run(small_run.run, small_run.data, beside=[small_run.run], part="all", options={"neighbours": 2})
    path = small_run.run / "analysis" / "class-relations.json"
    assert result.path == str(path)
    values = json.loads(path.read_text())
    for key in ("run", "checkpoint", "data", "split", "part", "settings", "preset", "counts", "seed", "versions"):
        assert values[key] not in (None, ""), key
    assert values["counts"] == {"videos": 8, "of": 10, "classes": 4}
    (again,) = read_analyses(small_run.run)
    assert dataclasses.replace(again.findings, values={}, records=()) == dataclasses.replace(
        result.findings, values={}, records=()
    )
    with path.with_suffix(".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 * 4 * 2
    assert rows[0]["features"] == "this run"
    relations = values["findings"]["values"]["relations"]
    assert relations["run"]["nearest"] == relations["this run"]["nearest"]


def test_embeddings_of_an_evaluation_are_used_again(many_classes, monkeypatch):
    evaluate_run(many_classes.run, many_classes.data)
    monkeypatch.setattr(Run, "embed_entries", lambda *args, **kwargs: pytest.fail("embedded again"))
    result = analyse_run(many_classes.run, many_classes.data, options={"neighbours": 2})
    assert (result.part, result.split, result.counts["videos"]) == ("test", "split1", 4)
    assert (
        analyse_run(many_classes.run, many_classes.data, part="train", options={"neighbours": 2}).counts["videos"] == 4
    )


def test_the_parts_hold_the_right_videos(many_classes, monkeypatch):
    seen = []

    class Seen(Analysis):
        """Remembers what it is shown."""

        Settings = ClassRelations.Settings

        def analyse(self, material):
            seen.append(material)
            return Findings((), (), {}, ())

    monkeypatch.setattr(ANALYSES, "load", lambda name: Seen)
    for part in ("test", "train", "all"):
        analyse_run(many_classes.run, many_classes.data, part=part, options={"neighbours": 1})
    ids = [[entry.id for entry in material.entries] for material in seen]
    assert ids == [["v4", "v5", "v6", "v7"], ["v0", "v1", "v2", "v3"], [f"v{n}" for n in range(8)]]
    test, train, everyone = seen
    assert [given.name for given in test.sets] == ["this run", "random weights"]
    whole = everyone.sets[0].features["flow"]
    np.testing.assert_array_equal(
        np.concatenate([train.sets[0].features["flow"], test.sets[0].features["flow"]]), whole
    )


def test_the_command_prints_and_reports(many_classes, capsys):
    words = ["analyse", str(many_classes.run), "--data", str(many_classes.data), "--class-relations.neighbours", "2"]
    assert run_arguments([*words, "--beside", str(many_classes.run)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "of 4 classes have at least 1 of their 2 nearest classes in common over rgb, flow" in text
    assert "[class 0]" in text  # a name with brackets is no markup
    page = (many_classes.run / "report.html").read_text()
    assert "nearest classes that all views share" in page
    assert 'href="#analyses"' in page


def test_wrong_words_are_the_users_error(many_classes, tmp_path):
    with pytest.raises(UserError, match="unknown analysis 'class-relation'; did you mean 'class-relations'"):
        analyse_run(many_classes.run, many_classes.data, analysis="class-relation")
    with pytest.raises(UserError, match="did you mean 'neighbours'"):
        analyse_run(many_classes.run, many_classes.data, options={"neighbors": 2})
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "x.json").write_text("{}")
    with pytest.raises(UserError, match="is not a result of coview analyse"):
        read_analyses(tmp_path)


def test_every_analysis_is_described():
    for name in ANALYSES:
        kind = ANALYSES.load(name)
        assert kind.__doc__
        assert kind(kind.Settings()).settings == kind.Settings()


def test_a_table_with_a_missing_cell_is_a_bug():
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        FoundTable("t", ("a", "b"), (("x",),))


def test_folders_of_one_name_are_told_apart(tmp_path, many_classes):
    run = Run.load(many_classes.run)
    assert [name for name, _, _ in running._owners(run, [run, run])][2:] == [str(run.path)] * 2
