"""Our runs beside the papers' rows: who stands where, what stays empty, what is never mixed up."""

import csv
import io
import statistics

import pytest
import yaml
from written_results import write_filled

from coview.cli import run_arguments
from coview.config import RunConfig, ViewInput, as_plain
from coview.errors import UserError
from coview.evaluation.base import ScoreRow, StageScore
from coview.evaluation.shape_formats import shapes_as_text
from coview.evaluation.shape_tables import shape_tables

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
        resolved = {"config": config, "data": {"root": learnt_from}}
        (folder / "resolved.yaml").write_text(yaml.safe_dump(resolved))
        return folder

    return make


def score(folder, values, *, protocol="finetune", metric="top-1", stage="together", random=None, **changes):
    """Write a result of a run."""
    config = yaml.safe_load((folder / "resolved.yaml").read_text())["config"]
    split = changes.get("split", "split1")
    data = changes.pop("data", "/data/ucf101")
    fields = {
        "protocol": protocol,
        "checkpoint": {"stage": stage, "global_step": 20, "checkpoint": "x", "trained_views": list(config["views"])},
        "data": {"root": data, "views": dict.fromkeys(config["views"], {}), "storage": {}},
        "seed": config["seed"],
        "rows": rows_of(values, metric=metric, random=random),
    }
    write_filled(folder, f"{protocol}-{split}-{data[-3:]}-{changes.get('variant', '')}", **{**fields, **changes})
    return folder


def line(table, label, run=None):
    """Return the one line of a paper's row, or of a run."""
    found = [row for row in table.rows if row.label == label and (run is None or row.runs.name == run)]
    assert len(found) == 1
    return found[0]


def test_seeds_are_averaged_beside_their_row_and_nowhere_else(make_run):
    runs = [
        score(make_run(f"a{seed}", seed=seed), {"rgb": 0.5 + seed / 10, "flow": 0.6}, random=0.2) for seed in (0, 1)
    ]
    runs.append(score(make_run("sim", {**COCON, "sync_weight": 0.0}), {"rgb": 0.4, "flow": 0.3}, random=0.2))
    (table,) = shape_tables(runs, shape="cocon-1")
    row = line(table, "L_cocon")
    assert row.published == (67.8, 72.5)
    assert (row.runs.name, row.runs.seeds) == ("cocon", (0, 1))
    assert row.ours[0].mean == pytest.approx(0.55)
    assert row.ours[0].deviation == pytest.approx(statistics.stdev([0.5, 0.6]))
    assert line(table, "L_cpc + L_sim").ours[1].values == (0.3,)
    assert [(row.label, row.runs) for row in table.rows if row.label == "L_cpc"] == [("L_cpc", None)]
    random = [row for row in table.rows if row.label == "Random"]
    assert [row.ours[0].values for row in random] == [(0.2, 0.2), (0.2,)]
    text = shapes_as_text([table], "markdown")
    assert "| L_cocon | cocon | tiny3d | 2 | 20 | 67.8 | 55.0 ± 7.1 | 72.5 | 60.0 ± 0.0 |" in text
    assert "| L_cpc | - | - | - | - | 63.7 | - | 69.8 | - |" in text
    assert "cannot be compared" not in text


def test_a_run_like_no_row_still_appears_with_nothing_published(make_run):
    four = score(make_run("four", views=("rgb", "flow", "pose", "segmentation")), {"rgb": 0.5, "pose": 0.4})
    (table,) = shape_tables([four], shape="cocon-1")
    assert table.rows[-1].label == ""
    assert table.rows[-1].published == (None, None)
    assert [cell and cell.values for cell in table.rows[-1].ours] == [(0.5,), None]
    (other,) = shape_tables([f"Mine={four}"], shape="cocon-3")
    assert line(other, "CoCon").runs.name == "Mine"
    assert [cell and cell.values for cell in line(other, "CoCon").ours] == [(0.5,), None, (0.4,), None]


def test_each_data_set_has_a_table_with_its_own_columns(make_run):
    run = make_run("a")
    score(run, {"rgb": 0.5, "flow": 0.6})
    score(run, {"rgb": 0.3, "flow": 0.2}, data="/data/hmdb51")
    score(run, {"rgb": 0.9, "flow": 0.8}, data="/data/ucf10")
    tables = {table.data: table for table in shape_tables([run], shape="cocon-5")}
    assert [column.data for column in tables["/data/hmdb51"].columns] == ["HMDB51", "HMDB51"]
    assert line(tables["/data/hmdb51"], "2 views").published == (37.7, 44.1)
    assert line(tables["/data/hmdb51"], "2 views").ours[0].values == (0.3,)
    assert line(tables["/data/ucf101"], "2 views").ours[0].values == (0.5,)
    assert line(tables["/data/ucf10"], "2 views").published == (67.8, 72.5)
    assert "of UCF101, ours are not: the two cannot be compared" in shapes_as_text([tables["/data/ucf10"]], "markdown")


def test_the_mean_over_splits_where_the_paper_has_it(make_run):
    run = make_run("a", views=("rgb", "flow", "pose", "segmentation"), encoder="r2d3d18")
    for number, value in enumerate((0.4, 0.5, 0.9), start=1):
        score(run, {"rgb": value, "weighted views": value}, split=f"split{number}")
    (mean,) = shape_tables([run], shape="cocon-6")
    assert mean.split == "mean of split1, split2, split3"
    assert line(mean, "CoCon - RGB, 128, ResNet18, 4 views, UCF101").ours[0].mean == pytest.approx(0.6)
    (first,) = shape_tables([run], shape="cocon-3")
    assert first.split == "split1"
    assert line(first, "CoCon").ours[0].values == (0.4,)


def test_kinetics_and_the_encoder_tell_rows_apart(make_run):
    own = score(make_run("own", encoder="r2d3d18"), {"rgb": 0.1, "flow": 0.2})
    kinetics = make_run("kin", encoder="r2d3d34", learnt_from="/data/kinetics400")
    score(kinetics, {"rgb": 0.3, "flow": 0.4, "mean of views": 0.5})
    (table,) = shape_tables([own, kinetics], shape="cocon-2")
    assert line(table, "CoCon UCF").ours[0].values == (0.1,)
    assert line(table, "CoCon K400").ours[0].values == (0.3,)
    (table,) = shape_tables([own, kinetics], shape="cocon-6")
    assert line(table, "CoCon - Ensemble, 224, ResNet34, 2 views, Kinetics").ours[0].values == (0.5,)
    assert line(table, "CoCon - RGB, 128, ResNet18, 2 views, Kinetics").runs is None


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
    (table,) = shape_tables([run], shape="vicc-1")
    ours = {row.label: [cell and cell.values[0] for cell in row.ours] for row in table.rows if row.runs}
    assert ours == {
        "ViCC-RGB-1": [None, None, 0.2],
        "ViCC-Flow-1": [None, None, 0.3],
        "ViCC-RGB-2": [0.3, None, 0.6],
        "ViCC-Flow-2": [0.35, None, 0.7],
        "ViCC-R+F-2": [0.4, None, 0.8],
    }
    assert {row.runs.name for row in table.rows if row.runs} == {"vicc, alone", "vicc, together"}
    assert any("No run was evaluated under finetune" in remark for remark in table.remarks)


def test_a_view_that_has_not_learnt_yet_is_not_ours(make_run):
    run = make_run("v", VICC)
    checkpoint = {"stage": "rgb", "global_step": 5, "checkpoint": "rgb-5", "trained_views": ["rgb"]}
    values = {"rgb": 0.4, "flow": 0.1, "mean of views": 0.3}
    score(run, values, protocol="linear", stage="rgb", checkpoint=checkpoint)
    (table,) = shape_tables([run], shape="vicc-1")
    assert [(row.label, row.ours[0].values) for row in table.rows if row.runs] == [("ViCC-RGB-1", (0.4,))]


def test_prototypes_are_their_own_variant_and_ensembles_stay_out(make_run):
    run = make_run("v", VICC)
    measures = {"accuracy": 0.4, "NMI": 0.5, "ARI": 0.3, "mean entropy": 1.5, "mean max purity": 0.6}
    rows = (ScoreRow("trained", "rgb", measures),)
    score(run, {}, protocol="clusters", variant="prototypes", stage="cycle2-flow", rows=rows)
    score(run, {}, protocol="clusters", stage="cycle2-flow", rows=rows_of({"rgb": 0.9}, metric="accuracy"))
    score(run, {"rgb": 0.9}, protocol="linear", settings={"members": [1]}, variant="ensemble-abc")
    (table,) = shape_tables([run], shape="vicc-6")
    text = shapes_as_text([table], "markdown")
    assert "| ViCC-RGB-2 | vicc | tiny3d | 1 | 20 | 40.8 | 40.0 | 67.8 | 50.0 | 24.5 | 30.0 | 1.4 | 1.50 |" in text
    assert "mean entropy of clusters (prototypes) in nats" in text


def test_another_protocol_on_request_is_named(make_run):
    run = score(make_run("a"), {"rgb": 0.25, "flow": 0.5}, protocol="retrieval", metric="R@1")
    (table,) = shape_tables([run], shape="cocon-1", protocol="retrieval")
    assert line(table, "L_cocon").ours[0].values == (0.25,)
    assert "RGB: R@1 of retrieval in %" in shapes_as_text([table], "markdown")
    with pytest.raises(UserError, match="no metric 'R@7'"):
        shape_tables([run], shape="cocon-1", protocol="retrieval", metrics=["R@7"])
    with pytest.raises(UserError, match="no run has a result under protocol 'knn'"):
        shape_tables([run], shape="cocon-1", protocol="knn")


def test_unlike_results_are_left_out_and_said(make_run):
    runs = [score(make_run(f"a{seed}", seed=seed), {"rgb": 0.5, "flow": 0.5}) for seed in (0, 1)]
    runs.append(score(make_run("odd", seed=2), {"rgb": 0.9, "flow": 0.9}, settings={"crops": 10}))
    (table,) = shape_tables(runs, shape="cocon-1")
    assert line(table, "L_cocon").runs.seeds == (0, 1)
    assert table.remarks == ("Left out, since evaluated under other settings of finetune: odd",)
    with pytest.raises(UserError, match="the same settings and the same seed 0"):
        shape_tables([runs[0], score(make_run("b"), {"rgb": 0.1})], shape="cocon-1")


def test_csv_and_latex_keep_published_and_ours_apart(make_run, tmp_path, capsys):
    run = score(make_run("a"), {"rgb": 0.25, "flow": 0.5})
    tables = shape_tables([run], shape="cocon-1")
    rows = list(csv.DictReader(io.StringIO(shapes_as_text(tables, "csv"))))
    assert len(rows) == 5 * 2
    ours = [row for row in rows if row["run"]]
    assert [(row["row"], row["column"], row["published"], row["ours_mean"]) for row in ours] == [
        ("L_cocon", "RGB", "67.8", "0.25"),
        ("L_cocon", "Flow", "72.5", "0.5"),
    ]
    assert all(row["ours_mean"] == "" for row in rows if not row["run"])
    latex = shapes_as_text(tables, "latex")
    assert r"L\_cocon & cocon & tiny3d & 1 & 20 & 67.8 & 25.0 & 72.5 & 50.0 \\" in latex
    out = tmp_path / "table.md"
    assert run_arguments(["table", str(run), "--shape", "cocon-1", "--out", str(out)]) == 0
    assert "RGB: published | RGB: ours" in out.read_text()
