"""One table of many runs: what is averaged, what never shares a table, how it is written."""

import csv
import io
import math
import statistics

import pytest
import yaml

from coview.cli import run_arguments
from coview.config import RunConfig, as_plain
from coview.errors import UserError
from coview.evaluation.results.result import ScoreRow
from coview.evaluation.results.runs import _name_configs
from coview.evaluation.results.tables import lay_out, tabulate_runs
from coview.training.runfolder import FORMAT
from written_results import COUNTS, write_filled


def add_result(folder, value, *, seed=0, step=10, file="retrieval-split1", **changes):
    """Write a result: rgb at `value`, flow a tenth above, both a fifth lower with random weights."""

    def row(kind, name, at):
        return ScoreRow(kind, name, {"R@1": at, "R@5": at + 0.1, "R@10": 1.0})

    rows = [row("trained", "rgb", value), row("trained", "flow", value + 0.1)]
    rows += [row("random", "rgb", value - 0.2), row("random", "flow", value - 0.1)]
    rows += [row("pixels", "mean frame", 0.3), row("chance", "chance", 0.25)]
    values = {
        "checkpoint": {"stage": "together", "global_step": step},
        "data": {"name": "ucf10", "views": {}, "storage": {"short_side": 144}},
        "seed": seed,
        "settings": {"workers": 2, "weights": {"rgb": 2}},
        "rows": tuple(rows),
    }
    write_filled(folder, file, **{**values, **changes})


@pytest.fixture
def make_run(tmp_path):
    def make(name, value, *, seed=0, method=None, training=None, **changes):
        folder = tmp_path / name
        folder.mkdir()
        config = as_plain(RunConfig(seed=seed, method=method or {"name": "cpc"}))
        config["training"].update(training or {})
        (folder / "resolved.yaml").write_text(yaml.safe_dump({"format": FORMAT, "config": config}))
        add_result(folder, value, seed=seed, **changes)
        return folder

    return make


COCON = {"name": "cocon", "sim_weight": 1.0}


def line(table, run, features, metric="R@1"):
    """Return the one line of a table's numbers."""
    values = table.values
    found = values[(values["run"] == run) & (values["features"] == features) & (values["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0]


def runs_of(table):
    return table.values.loc[(table.values["features"] == "rgb") & (table.values["metric"] == "R@1"), "run"].tolist()


def test_mean_and_deviation_over_seeds_beside_random_weights(make_run):
    values = [0.5, 0.6, 0.4]
    runs = [make_run(f"cpc-{seed}", value, seed=seed, step=10 + seed) for seed, value in enumerate(values)]
    runs.append(make_run("cocon", 0.7, method=COCON))
    (table,) = tabulate_runs(runs)
    assert list(table.cells.columns)[4:] == ["R@1", "R@1, random weights", "R@5", "R@5, random weights"]
    assert table.cells[["run", "features"]].values.tolist() == [
        *(["cpc", "rgb"], ["cpc", "flow"], ["cocon", "rgb"], ["cocon", "flow"]),
        *(["-", "mean frame"], ["-", "chance"]),
    ]
    rgb = line(table, "cpc", "rgb")
    assert (rgb["seeds"], rgb["steps"], rgb["preset"]) == (3, "10-12", "cpu")
    assert rgb["mean"] == pytest.approx(statistics.fmean(values))
    assert rgb["deviation"] == pytest.approx(statistics.stdev(values))
    assert line(table, "cpc", "rgb", "R@5")["random_mean"] == pytest.approx(0.4)
    assert math.isnan(line(table, "cocon", "rgb")["deviation"])
    pixels = line(table, "", "mean frame")  # the same in every run, once
    assert (pixels["mean"], math.isnan(pixels["deviation"]), math.isnan(pixels["random_mean"])) == (0.3, True, True)


def test_unlike_results_get_tables_of_their_own(make_run):
    runs = [
        make_run("a", 0.5),
        make_run("b", 0.5, seed=1, split="split2"),
        make_run("c", 0.5, seed=2, data={"name": "other", "views": {}, "storage": {"short_side": 144}}),
        make_run("d", 0.5, seed=3, variant="leave-group-out"),
        make_run("e", 0.5, seed=4, settings={"weights": {"rgb": 3}}),
        make_run("f", 0.5, seed=5, counts={**COUNTS, "queries_scored": 3}),
        make_run("g", 0.5, seed=6, protocol="linear"),
        make_run("h", 0.5, seed=7, settings={"workers": 9, "weights": {"rgb": 2}}),
    ]
    tables = tabulate_runs(runs)
    assert [line(table, "cpc", "rgb")["seeds"] for table in tables] == [2, 1, 1, 1, 1, 1, 1]
    (linear,) = tabulate_runs(runs, protocol="linear")
    assert linear.title == "linear, split1, data ucf10"


def test_a_run_counts_once_with_its_latest_checkpoint(make_run):
    folder = make_run("a", 0.5, step=200)
    add_result(folder, 0.1, step=100, file="retrieval-split1-rgb-00000100")
    (table,) = tabulate_runs([folder, folder])
    assert (line(table, "cpc", "rgb")["mean"], line(table, "cpc", "rgb")["seeds"]) == (0.5, 1)


def test_other_stages_and_settings_are_other_rows(make_run):
    runs = [
        make_run("a", 0.5, method=COCON),
        make_run("b", 0.4, method=COCON, checkpoint={"stage": "rgb", "global_step": 5}),
        make_run("c", 0.3, method={**COCON, "sim_weight": 0.0}, seed=1),
        make_run("d", 0.2, seed=2, training={"batch_size": 8}),
    ]
    (table,) = tabulate_runs(runs)
    assert runs_of(table) == [
        "cocon, sim_weight 1.0, training.batch_size 64, at stage together",
        "cocon, sim_weight 1.0, training.batch_size 64, at stage rgb",
        "cocon, sim_weight 0.0, training.batch_size 64",
        "cpc, training.batch_size 8",
    ]


def test_settings_of_speed_make_no_difference(make_run):
    runs = [make_run("a", 0.5), make_run("b", 0.6, seed=1, training={"workers": 7, "log_every": 3})]
    (table,) = tabulate_runs(runs)
    assert line(table, "cpc", "rgb")["seeds"] == 2


def test_seeds_that_each_start_from_a_run_of_their_own_share_a_row(make_run, tmp_path):
    runs = [make_run("a", 0.5), make_run("b", 0.6, seed=1), make_run("c", 0.7)]
    for run, start in zip(runs, ("alone-0", "alone-1", None), strict=True):
        resolved = yaml.safe_load((run / "resolved.yaml").read_text())
        resolved["config"]["start_from"] = start
        (run / "resolved.yaml").write_text(yaml.safe_dump(resolved))
    (table,) = tabulate_runs(runs)
    assert runs_of(table) == ["cpc, start_from other runs", "cpc, start_from None"]
    assert [line(table, run, "rgb")["seeds"] for run in runs_of(table)] == [2, 1]


def test_runs_are_called_as_the_user_says(make_run):
    a, b, c = make_run("a", 0.5), make_run("b", 0.5, seed=1), make_run("c=d", 0.6, method=COCON)
    (table,) = tabulate_runs([f"CPC={a}", f"CPC={b}", c])
    assert table.cells["run"].tolist()[:4] == ["CPC", "CPC", "cocon", "cocon"]
    with pytest.raises(UserError, match="'CPC' stands for runs of different settings"):
        tabulate_runs([f"CPC={a}", f"CPC={c}"])
    with pytest.raises(UserError, match="CPC and other stand for runs that differ in nothing but their seed"):
        tabulate_runs([f"CPC={a}", f"other={b}"])


def test_one_seed_twice_is_refused(make_run):
    with pytest.raises(UserError, match="the same settings and the same seed 0"):
        tabulate_runs([make_run("a", 0.5), make_run("b", 0.6)])


def test_what_cannot_be_tabulated_is_the_users_error(make_run, tmp_path):
    run = make_run("a", 0.5)
    with pytest.raises(UserError, match="no metric 'R@100'; did you mean 'R@10'"):
        tabulate_runs([run], metrics=["R@100"])
    with pytest.raises(UserError, match="has not been evaluated under protocol 'linear'"):
        tabulate_runs([run], protocol="linear")
    (run / "evaluation" / "retrieval-split1.json").unlink()
    with pytest.raises(UserError, match="has not been evaluated"):
        tabulate_runs([run])
    with pytest.raises(UserError, match="is not a run"):
        tabulate_runs([tmp_path])


def test_runs_without_results_are_left_out_with_a_word(make_run, tmp_path, caplog):
    run, bare = make_run("a", 0.5), make_run("b", 0.6, seed=1)
    (bare / "evaluation" / "retrieval-split1.json").unlink()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    (table,) = tabulate_runs([run, bare, tmp_path / "notes", tmp_path / "notes.txt"])
    assert line(table, "cpc", "rgb")["seeds"] == 1
    for words in (f"{bare} has not been evaluated", f"{tmp_path / 'notes'} is not a run", "notes.txt is not a run"):
        assert words in caplog.text, words
    with pytest.raises(UserError, match="there is no .*absent"):
        tabulate_runs([run, tmp_path / "absent"])


def test_a_run_without_random_weights_has_none_beside_it(make_run):
    rows = (ScoreRow("trained", "rgb", {"R@1": 0.5, "R@5": 0.6}), ScoreRow("chance", "chance", {"R@1": 0.2, "R@5": 1}))
    (table,) = tabulate_runs([make_run("a", 0.5, rows=rows)])
    assert math.isnan(line(table, "cpc", "rgb")["random_mean"])
    assert "| 50.0 | - | 60.0 | - |" in lay_out([table], "markdown")


def test_names_say_views_and_only_what_differs():
    def config(views, **method):
        return as_plain(RunConfig(views={view: {"size": 16} for view in views}, method={"name": "cocon", **method}))

    assert _name_configs([config(["rgb"]), config(["rgb", "flow"])]) == ["cocon, rgb", "cocon, rgb + flow"]
    assert _name_configs([config(["rgb"]), config(["rgb"], alpha=2)]) == ["cocon", "cocon, alpha 2"]
    assert _name_configs([config(["rgb"], alpha=2)]) == ["cocon"]


def test_markdown(make_run):
    runs = [make_run("a", 0.5), make_run("b", 0.6, seed=1)]
    text = lay_out(tabulate_runs(runs, metrics=["R@1"]), "markdown")
    assert text.splitlines()[:5] == [
        "**retrieval, split1, data ucf10**",
        "",
        "| run | features | seeds | steps | R@1 | R@1, random weights |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
        "| cpc | rgb | 2 | 10 | 55.0 ± 7.1 | 35.0 ± 7.1 |",
    ]
    assert "| - | chance | - | - | 25.0 | - |" in text
    assert "4 of 5 query videos scored; 4 of 4 gallery videos used. Preset cpu." in text


def test_csv_holds_the_numbers_themselves(make_run):
    runs = [make_run("a", 0.5), make_run("b", 0.6, seed=1)]
    rows = list(csv.DictReader(io.StringIO(lay_out(tabulate_runs(runs), "csv"))))
    assert len(rows) == 4 * 2
    assert (rows[0]["metric"], rows[0]["seeds"], rows[0]["queries_scored"]) == ("R@1", "2", "4")
    assert float(rows[0]["mean"]) == pytest.approx(0.55)
    assert float(rows[0]["deviation"]) == pytest.approx(statistics.stdev([0.5, 0.6]))
    assert float(rows[0]["random_mean"]) == pytest.approx(0.35)


def test_text_is_for_the_terminal(make_run):
    text = lay_out(tabulate_runs([make_run("a", 0.5)], metrics=["R@1"]), "text")
    lines = text.splitlines()
    assert lines[0] == "retrieval, split1, data ucf10"
    assert lines[3].split() == ["cpc", "rgb", "1", "10", "50.0", "30.0"]
    assert "4 of 5 query videos scored" in text


def test_latex_escapes_and_balances(make_run):
    text = lay_out(tabulate_runs([f"a_b & 5%={make_run('a', 0.5)}"]), "latex")
    assert r"a\_b \& 5\% & rgb & 1 & 10 & 50.0 & 30.0" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    cells = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in cells} == {7}


def test_the_command_writes_a_file(make_run, tmp_path, capsys):
    out = tmp_path / "tables" / "results.md"
    assert run_arguments(["table", str(make_run("a", 0.5)), "--metrics", "R@10", "--out", str(out)]) == 0
    assert "| R@10 |" in out.read_text()
    assert str(out) in capsys.readouterr().out
    assert run_arguments(["table", str(tmp_path / "a"), "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("protocol,variant,split")


def test_mean_over_splits_then_over_seeds(make_run):
    runs = [make_run("a", 0.5), make_run("b", 0.6, seed=1), make_run("c", 0.9, method=COCON)]
    for run, values in zip(runs[:2], ((0.3, 0.4), (0.5, 0.7)), strict=True):
        for number, value in enumerate(values, start=2):
            counts = {**COUNTS, "queries": 3, "queries_scored": 2}
            seed = int(run.name == "b")
            add_result(run, value, seed=seed, split=f"split{number}", file=f"retrieval-split{number}", counts=counts)
    tables = {table.values["split"].iloc[0]: table for table in tabulate_runs(runs)}
    assert list(tables) == ["split1", "split2", "split3", "mean of split1, split2, split3"]
    mean = tables["mean of split1, split2, split3"]
    assert runs_of(mean) == ["cpc"]  # the other has one split only
    found = line(mean, "cpc", "rgb")
    assert found["mean"] == pytest.approx(0.5)
    assert found["deviation"] == pytest.approx(statistics.stdev([0.4, 0.6]))
    assert found["random_mean"] == pytest.approx(0.3)
    assert (found["queries_scored"], found["queries"]) == (8, 11)
    assert "**retrieval, mean of split1, split2, split3, data ucf10**" in lay_out(list(tables.values()), "markdown")


def test_splits_of_other_checkpoints_or_settings_are_not_averaged(make_run):
    run = make_run("a", 0.5)
    add_result(run, 0.3, split="split2", file="x", checkpoint={"checkpoint": "rgb-1", "global_step": 1})
    add_result(run, 0.3, split="split3", file="y", settings={"weights": {"rgb": 1}})
    assert [table.values["split"].iloc[0] for table in tabulate_runs([run])] == ["split1", "split2", "split3"]
