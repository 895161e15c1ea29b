"""Our runs beside the papers' rows: who stands where, what stays empty, what is never mixed up."""

import csv
import io
import math
import statistics

import pytest
import yaml
from paper_tables import main, paper_tables

from coview.config import RunConfig, ViewInput, as_plain
from coview.errors import UserError
from coview.evaluation.metrics.base import Scale
from coview.evaluation.results.result import ScoreRow, StageScore
from coview.evaluation.results.tables import lay_out
from coview.training.runfolder import FORMAT
from written_results import write_filled

COCON, VICC = {"name": "cocon"}, {"name": "vicc"}


def rows_of(values, *, metric="top-1", random=None):
    """A row a set of features; random weights at `random`."""
    rows = [ScoreRow("trained", name, {metric: value}) for name, value in values.items()]
    rows += [] if random is None else [ScoreRow("random", name, {metric: random}) for name in values]
    return tuple(rows)


@pytest.fixture
def make_run(tmp_path):
    def make(name, method=COCON, *, seed=0, views=("rgb", "flow"), encoder="tiny3d", learnt_from="/data/ucf101"):
        folder = tmp_path / name
        folder.mkdir()
        config = as_plain(RunConfig(seed=seed, method=method, views={view: ViewInput() for view in views}))
        config["encoder"]["name"] = encoder
        resolved = {"format": FORMAT, "config": config, "data": {"root": learnt_from}}
        (folder / "resolved.yaml").write_text(yaml.safe_dump(resolved))
        return folder

    return make


def score(folder, values, *, protocol="finetune", metric="top-1", stage="together", random=None, **changes):
    """Write a result of a run."""
    config = yaml.safe_load((folder / "resolved.yaml").read_text())["config"]
    split = changes.get("split", "split1")
    data = changes.pop("data", "ucf101")
    fields = {
        "protocol": protocol,
        "checkpoint": {"stage": stage, "global_step": 20, "checkpoint": "x", "trained_views": list(config["views"])},
        "data": {"name": data, "views": dict.fromkeys(config["views"], {}), "storage": {}},
        "seed": config["seed"],
        "rows": rows_of(values, metric=metric, random=random),
    }
    write_filled(folder, f"{protocol}-{split}-{data[-3:]}-{changes.get('variant', '')}", **{**fields, **changes})
    return folder


def lines(table, label, run=None):
    """Return the numbers of a paper's row, or of a run beside it: column -> (published, ours)."""
    values = table.values
    found = values[(values["row"] == label) & ((values["run"] == run) if run else True)]
    return [
        (row["published"], None if math.isnan(row["ours_mean"]) else row["ours_mean"]) for _, row in found.iterrows()
    ]


def ours(table, label, run=None):
    return [mean for _, mean in lines(table, label, run)]


def runs_beside(table, label):
    return list(dict.fromkeys(table.values.loc[table.values["row"] == label, "run"]))


def test_seeds_are_averaged_beside_their_row_and_nowhere_else(make_run):
    runs = [
        score(make_run(f"a{seed}", seed=seed), {"rgb": 0.5 + seed / 10, "flow": 0.6}, random=0.2) for seed in (0, 1)
    ]
    runs.append(score(make_run("sim", {**COCON, "sync_weight": 0.0}), {"rgb": 0.4, "flow": 0.3}, random=0.2))
    (table,) = paper_tables(runs, shape="cocon-1")
    assert lines(table, "L_cocon") == [(67.8, pytest.approx(0.55)), (72.5, pytest.approx(0.6))]
    assert runs_beside(table, "L_cocon") == ["cocon"]
    first = table.values[table.values["row"] == "L_cocon"].iloc[0]
    assert (first["seeds"], first["ours_deviation"]) == (2, pytest.approx(statistics.stdev([0.5, 0.6])))
    assert ours(table, "L_cpc + L_sim") == [0.4, 0.3]
    assert runs_beside(table, "L_cpc") == [""]
    assert ours(table, "Random") == [0.2] * 4
    text = lay_out([table], "markdown")
    assert "| L_cocon | cocon | tiny3d | 2 | 20 | 67.8 | 55.0 ± 7.1 | 72.5 | 60.0 ± 0.0 |" in text
    assert "| L_cpc | - | - | - | - | 63.7 | - | 69.8 | - |" in text
    assert "cannot be compared" not in text


def test_a_run_like_no_row_still_appears_with_nothing_published(make_run):
    four = score(make_run("four", views=("rgb", "flow", "pose", "segmentation")), {"rgb": 0.5, "pose": 0.4})
    (table,) = paper_tables([four], shape="cocon-1")
    assert ours(table, "") == [0.5, None]
    assert table.values[table.values["row"] == ""]["published"].isna().all()
    (other,) = paper_tables([f"Mine={four}"], shape="cocon-3")
    assert runs_beside(other, "CoCon") == ["Mine"]
    assert ours(other, "CoCon") == [0.5, None, 0.4, None]


def test_each_data_set_has_a_table_with_its_own_columns(make_run):
    run = make_run("a")
    score(run, {"rgb": 0.5, "flow": 0.6})
    score(run, {"rgb": 0.3, "flow": 0.2}, data="hmdb51")
    score(run, {"rgb": 0.9, "flow": 0.8}, data="ucf10")
    tables = {table.values["data"].iloc[0]: table for table in paper_tables([run], shape="cocon-5")}
    assert set(tables["hmdb51"].values["published_data"]) == {"HMDB51"}
    assert lines(tables["hmdb51"], "2 views") == [(37.7, 0.3), (44.1, 0.2)]
    assert ours(tables["ucf101"], "2 views") == [0.5, 0.6]
    assert lines(tables["ucf10"], "2 views") == [(67.8, 0.9), (72.5, 0.8)]
    assert "of UCF101, ours are not: the two cannot be compared" in lay_out([tables["ucf10"]], "markdown")


def test_the_mean_over_splits_where_the_paper_has_it(make_run):
    run = make_run("a", views=("rgb", "flow", "pose", "segmentation"), encoder="r2d3d18")
    for number, value in enumerate((0.4, 0.5, 0.9), start=1):
        score(run, {"rgb": value, "weighted views": value}, split=f"split{number}")
    (mean,) = paper_tables([run], shape="cocon-6")
    assert mean.title.endswith("mean of split1, split2, split3")
    assert ours(mean, "CoCon - RGB, 128, ResNet18, 4 views, UCF101")[0] == pytest.approx(0.6)
    (first,) = paper_tables([run], shape="cocon-3")
    assert first.title.endswith(", split1")
    assert ours(first, "CoCon")[0] == 0.4


def test_kinetics_and_the_encoder_tell_rows_apart(make_run):
    own = score(make_run("own", encoder="r2d3d18"), {"rgb": 0.1, "flow": 0.2})
    kinetics = make_run("kin", encoder="r2d3d34", learnt_from="/data/kinetics400")
    score(kinetics, {"rgb": 0.3, "flow": 0.4, "mean of views": 0.5})
    (table,) = paper_tables([own, kinetics], shape="cocon-2")
    assert ours(table, "CoCon UCF")[0] == 0.1
    assert ours(table, "CoCon K400")[0] == 0.3
    (table,) = paper_tables([own, kinetics], shape="cocon-6")
    assert ours(table, "CoCon - Ensemble, 224, ResNet34, 2 views, Kinetics") == [0.5]
    assert runs_beside(table, "CoCon - RGB, 128, ResNet18, 2 views, Kinetics") == [""]


def test_stage_one_comes_from_the_curve_of_retrieval(make_run):
    run = make_run("v", VICC)
    curve = (
        StageScore("random weights", "", (), rows_of({"rgb": 0.1, "flow": 0.1}, metric="R@1")),
        StageScore("rgb", "rgb-1", ("rgb",), rows_of({"rgb": 0.2, "flow": 0.1}, metric="R@1")),
        StageScore("flow", "flow-1", ("flow",), rows_of({"rgb": 0.2, "flow": 0.3}, metric="R@1")),
        StageScore("cycle1-rgb", "cycle1-rgb-1", ("rgb",), rows_of({"rgb": 0.5, "flow": 0.3}, metric="R@1")),
    )
    late = {"rgb": 0.6, "flow": 0.7, "mean of views": 0.8}
    score(run, late, protocol="retrieval", metric="R@1", stage="cycle2-flow", curve=curve)
    score(run, {name: value / 2 for name, value in late.items()}, protocol="linear", stage="cycle2-flow")
    (table,) = paper_tables([run], shape="vicc-1")
    labels = dict.fromkeys(table.values.loc[table.values["run"] != "", "row"])
    assert {label: ours(table, label) for label in labels} == {
        "ViCC-RGB-1": [None, None, 0.2],
        "ViCC-Flow-1": [None, None, 0.3],
        "ViCC-RGB-2": [0.3, None, 0.6],
        "ViCC-Flow-2": [0.35, None, 0.7],
        "ViCC-R+F-2": [0.4, None, 0.8],
    }
    assert set(table.values["run"]) == {"", "vicc, alone", "vicc, together"}
    assert "No run was evaluated under finetune" in table.note


def test_a_view_that_has_not_learnt_yet_is_not_ours(make_run):
    run = make_run("v", VICC)
    checkpoint = {"stage": "rgb", "global_step": 5, "checkpoint": "rgb-5", "trained_views": ["rgb"]}
    values = {"rgb": 0.4, "flow": 0.1, "mean of views": 0.3}
    score(run, values, protocol="linear", stage="rgb", checkpoint=checkpoint)
    (table,) = paper_tables([run], shape="vicc-1")
    assert set(table.values.loc[table.values["run"] != "", "row"]) == {"ViCC-RGB-1"}
    assert ours(table, "ViCC-RGB-1")[0] == 0.4


def test_prototypes_are_their_own_variant_and_ensembles_stay_out(make_run):
    run = make_run("v", VICC)
    measures = {"accuracy": 0.4, "NMI": 0.5, "ARI": 0.3, "mean entropy": 1.5, "mean max purity": 0.6}
    rows = (ScoreRow("trained", "rgb", measures, scales={"mean entropy": Scale(False, "nats")}),)
    score(run, {}, protocol="clusters", variant="prototypes", stage="cycle2-flow", rows=rows)
    score(run, {}, protocol="clusters", stage="cycle2-flow", rows=rows_of({"rgb": 0.9}, metric="accuracy"))
    score(run, {"rgb": 0.9}, protocol="linear", settings={"members": [1]}, variant="ensemble-abc")
    (table,) = paper_tables([run], shape="vicc-6")
    text = lay_out([table], "markdown")
    assert "| ViCC-RGB-2 | vicc | tiny3d | 1 | 20 | 40.8 | 40.0 | 67.8 | 50.0 | 24.5 | 30.0 | 1.4 | 1.50 |" in text
    assert "mean entropy of clusters (prototypes) in nats" in text


def test_another_protocol_on_request_is_named(make_run):
    run = score(make_run("a"), {"rgb": 0.25, "flow": 0.5}, protocol="retrieval", metric="R@1")
    (table,) = paper_tables([run], shape="cocon-1", protocol="retrieval")
    assert ours(table, "L_cocon")[0] == 0.25
    assert "RGB: R@1 of retrieval in %" in lay_out([table], "markdown")
    with pytest.raises(UserError, match="no metric 'R@7'"):
        paper_tables([run], shape="cocon-1", protocol="retrieval", metrics=["R@7"])
    with pytest.raises(UserError, match="no run has a result under protocol 'knn'"):
        paper_tables([run], shape="cocon-1", protocol="knn")


def test_unlike_results_are_left_out_and_said(make_run):
    runs = [score(make_run(f"a{seed}", seed=seed), {"rgb": 0.5, "flow": 0.5}) for seed in (0, 1)]
    runs.append(score(make_run("odd", seed=2), {"rgb": 0.9, "flow": 0.9}, settings={"crops": 10}))
    (table,) = paper_tables(runs, shape="cocon-1")
    assert set(table.values[table.values["row"] == "L_cocon"]["seeds"]) == {2}
    assert "Left out, since evaluated under other settings of finetune: odd." in table.note
    with pytest.raises(UserError, match="the same settings and the same seed 0"):
        paper_tables([runs[0], score(make_run("b"), {"rgb": 0.1})], shape="cocon-1")


def test_csv_and_latex_keep_published_and_ours_apart(make_run, tmp_path, monkeypatch):
    run = score(make_run("a"), {"rgb": 0.25, "flow": 0.5})
    tables = paper_tables([run], shape="cocon-1")
    rows = list(csv.DictReader(io.StringIO(lay_out(tables, "csv"))))
    assert len(rows) == 5 * 2
    found = [row for row in rows if row["run"]]
    assert [(row["row"], row["column"], row["published"], row["ours_mean"]) for row in found] == [
        ("L_cocon", "RGB", "67.8", "0.25"),
        ("L_cocon", "Flow", "72.5", "0.5"),
    ]
    assert all(row["ours_mean"] == "" for row in rows if not row["run"])
    latex = lay_out(tables, "latex")
    assert r"L\_cocon & cocon & tiny3d & 1 & 20 & 67.8 & 25.0 & 72.5 & 50.0 \\" in latex
    out = tmp_path / "table.md"
    monkeypatch.setattr("sys.argv", ["paper_tables.py", "cocon-1", str(run), "--out", str(out)])
    main()
    assert "RGB: published | RGB: ours" in out.read_text()
    monkeypatch.setattr("sys.argv", ["paper_tables.py", "cocn-1", str(run)])
    with pytest.raises(SystemExit, match="did you mean 'cocon-1'"):
        main()
