"""From a run and a data set to the files of an analysis, the command and the report."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from coview.analysis import ANALYSES, analyse_all, analyse_run, read_analyses, running
from coview.analysis.base import Analysis, Findings, FoundTable
from coview.analysis.class_relations import ClassRelations
from coview.analysis.result import read_analysis, write_analysis
from coview.cli import run_arguments
from coview.datasets.manifest import write_manifest
from coview.datasets.prepared import PreparedDataset
from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation import evaluate
from coview.files import read_json


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


def relations(given, **options):
    return analyse_run(given.run, given.data, analysis="class-relations", **options)


def test_the_files_say_all_of_it(many_classes):
    small_run = many_classes
    result = relations(small_run, beside=[small_run.run], part="all", options={"neighbours": 2})
    path = small_run.run / "analysis" / "class-relations.json"
    assert result.path == str(path)
    values = json.loads(path.read_text())
    for key in ("run", "checkpoint", "data", "part", "settings", "preset", "counts", "seed", "versions"):
        assert values[key] not in (None, ""), key
    assert values["counts"] == {"videos": 8, "of": 10, "classes": 4}
    again = read_analysis(path)
    assert {file.name for file in path.parent.glob("class-relations-*")} == {
        f"class-relations-{view}.{suffix}" for view in ("counts", "rgb", "flow") for suffix in ("svg", "png")
    }
    assert dataclasses.replace(again.findings, values={}, records=()) == dataclasses.replace(
        result.findings, values={}, records=()
    )
    with path.with_suffix(".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 * 4 * 2
    assert rows[0]["features"] == "this run"
    found = values["findings"]["values"]["relations"]
    assert found["run"]["nearest"] == found["this run"]["nearest"]


def test_figures_that_are_gone_leave_no_files(many_classes, tmp_path):
    result = relations(many_classes, options={"neighbours": 2})
    moved = dataclasses.replace(result, path=str(tmp_path / "class-relations.json"))
    write_analysis(moved)
    keeps = dataclasses.replace(result.findings, figures=result.findings.figures[1:2])
    (tmp_path / "class-relations-mine.png").touch()
    write_analysis(dataclasses.replace(moved, findings=keeps))
    assert {file.name for file in tmp_path.glob("*.png")} == {"class-relations-rgb.png", "class-relations-mine.png"}
    (tmp_path / "class-relations-rgb.png").unlink()
    assert read_analysis(tmp_path / "class-relations.json").findings.figures == ()


def test_results_of_an_older_format_say_what_to_do(many_classes, tmp_path):
    result = relations(many_classes, options={"neighbours": 2})
    (tmp_path / "old.json").write_text(json.dumps({**read_json(Path(result.path)), "format": 2}))
    with pytest.raises(UserError, match=r"older coview \(format 2; this one reads 3\): run coview analyse again"):
        read_analysis(tmp_path / "old.json")


def test_embeddings_of_an_evaluation_are_used_again(many_classes, monkeypatch):
    evaluate(many_classes.run, many_classes.data)
    original, embedded = Run.embed_entries, []

    def embed(run, data, entries, **options):
        embedded.extend(entries)
        return original(run, data, entries, **options)

    monkeypatch.setattr(Run, "embed_entries", embed)
    result = relations(many_classes, options={"neighbours": 2})
    assert (result.part, result.split, result.counts["videos"]) == ("test", "split1", 4)
    assert embedded == []
    assert relations(many_classes, part="train", options={"neighbours": 2}).counts["videos"] == 4
    assert [entry.label for entry in embedded if entry.label is not None] == []


def test_the_parts_hold_the_right_videos(many_classes, monkeypatch):
    seen = []

    class Seen(Analysis):
        """Remembers what it is shown."""

        Settings = ClassRelations.Settings
        needs_labels = True

        def analyse(self, context):
            seen.append(context)
            return Findings((), (), {}, ())

    monkeypatch.setattr(ANALYSES, "load", lambda name: Seen)
    for part in ("test", "train", "all"):
        relations(many_classes, part=part, options={"neighbours": 1})
    Seen.needs_labels = False
    relations(many_classes, part="all")
    ids = [[entry.id for entry in context.entries] for context in seen]
    eight = [f"v{n}" for n in range(8)]
    assert ids == [["v4", "v5", "v6", "v7"], ["v0", "v1", "v2", "v3"], eight, [*eight, "v8"]]
    test, train, everyone, unlabelled_too = seen
    np.testing.assert_array_equal(unlabelled_too.own.features["rgb"][:8], everyone.own.features["rgb"])
    assert unlabelled_too.own.features["rgb"].shape[0] == 9
    assert [given.name for given in test.sets] == ["this run", "random weights"]
    whole = everyone.sets[0].features["flow"]
    np.testing.assert_array_equal(
        np.concatenate([train.sets[0].features["flow"], test.sets[0].features["flow"]]), whole
    )


def test_the_command_prints_and_reports(many_classes, capsys):
    words = ["analyse", str(many_classes.run), "--data", str(many_classes.data), "--analysis", "class-relations"]
    assert run_arguments([*words, "--class-relations.neighbours", "2", "--beside", str(many_classes.run)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "of 4 classes have at least 1 of their 2 nearest classes in common over rgb, flow" in text
    assert "[class 0]" in text  # a name with brackets is no markup
    page = (many_classes.run / "report.html").read_text()
    assert "nearest classes that all views share" in page
    assert 'href="#analyses"' in page


def test_wrong_words_are_the_users_error(many_classes, tmp_path, caplog):
    with pytest.raises(UserError, match="unknown analysis 'class-relation'; did you mean 'class-relations'"):
        analyse_run(many_classes.run, many_classes.data, analysis="class-relation")
    with pytest.raises(UserError, match="did you mean 'neighbours'"):
        relations(many_classes, options={"neighbors": 2})
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "x.json").write_text("{}")
    with pytest.raises(UserError, match="is not a result of coview analyse"):
        read_analysis(tmp_path / "analysis" / "x.json")
    assert read_analyses(tmp_path) == []
    assert "left out" in caplog.text


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
    other = SimpleNamespace(path=tmp_path / "run", name="run")
    assert list(running._owners(run, [run, other]))[2:] == [str(run.path), str(tmp_path / "run")]
    assert list(running._owners(run, [other]))[2:] == ["run"]


def test_without_labels_the_rest_is_run(many_classes, tmp_path, monkeypatch, caplog):
    class Any(Analysis):
        """Needs no labels."""

        Settings = ClassRelations.Settings

        def analyse(self, context):
            assert context.labels == [""] * 9
            return Findings((), (), {}, ())

    kinds = {"class-relations": ClassRelations, "any": Any}
    monkeypatch.setattr(ANALYSES, "_rows", kinds)
    monkeypatch.setattr(ANALYSES, "load", lambda name: kinds[name])
    bare = tmp_path / "bare"
    shutil.copytree(many_classes.data, bare)
    data = PreparedDataset.open(bare)
    write_manifest([dataclasses.replace(e, label=None, splits={}) for e in data.entries], bare / "videos.parquet")
    relations, other = analyse_all(many_classes.run, bare)
    assert relations.result is None
    assert relations.reason.startswith("class-relations compares classes, and none of the 9 videos has a label")
    assert other.result is not None
    assert (other.result.part, other.result.split, other.result.counts["classes"]) == ("all", None, 0)
    words = ["analyse", str(many_classes.run), "--data", str(bare)]
    assert run_arguments(words) == 0
    assert "not run: class-relations: class-relations compares classes, and none of" in caplog.text
    with pytest.raises(UserError, match="compares classes"):
        run_arguments([*words, "--analysis", "class-relations"])
    with pytest.raises(UserError, match="needs a split"):
        list(analyse_all(many_classes.run, bare, part="test"))
    with pytest.raises(UserError, match="has no split 'split2'"):
        list(analyse_all(many_classes.run, many_classes.data, part="all", split="split2"))


def test_settings_are_checked_before_the_work(many_classes, monkeypatch):
    monkeypatch.setattr(Run, "load", lambda *args: pytest.fail("opened"))
    with pytest.raises(UserError, match="did you mean 'neighbours'"):
        list(analyse_all(many_classes.run, many_classes.data, options={"class-relations": {"neighbors": 2}}))
    with pytest.raises(UserError, match="no setting of an analysis; did you mean 'class-relations'"):
        running.options_by_analysis({"class_relation": {"neighbours": 2}})
    assert running.options_by_analysis({"class_relations": {"a": 2}}) == {"class-relations": {"a": 2}}


def test_damaged_results_and_figures_are_named_and_left_out(many_classes, tmp_path, caplog):
    made = relations(many_classes, options={"neighbours": 2})
    folder = tmp_path / "analysis"
    folder.mkdir()
    for file in Path(made.path).parent.glob("class-relations*"):  # other tests analyse the same run
        shutil.copy(file, folder)
    path, figure = folder / "class-relations.json", folder / "class-relations-rgb.svg"
    figure.write_text(figure.read_text().replace("</svg>", "<!-- --></svg>"))
    assert [one.name for one in read_analysis(path).findings.figures] == ["counts", "flow"]
    assert "class-relations-rgb.svg is damaged: its checksum differs" in caplog.text
    path.write_text(path.read_text().replace('"classes": 4', '"classes": 5'))
    with pytest.raises(UserError, match=r"class-relations.json is not a result .*damaged: its checksum differs"):
        read_analysis(path)
    assert read_analyses(tmp_path) == []
