"""Numbers in the README and on the pages of results are those that were recorded in benchmarks/results."""

import json
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
JOINT = (ROOT / "docs" / "results" / "joint.md").read_text(encoding="utf-8")
TRIED = (ROOT / "docs" / "what-was-tried.md").read_text(encoding="utf-8")
PAPERS = (ROOT / "docs" / "results" / "papers-on-a-cpu.md").read_text(encoding="utf-8")
SPEED = (ROOT / "docs" / "results" / "speed.md").read_text(encoding="utf-8")


def read_results(name: str) -> dict:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))


SEEDS_FILE = read_results("joint-ucf10-intel-xeon-bf16-2cores")
PLAIN_FILE = read_results("joint-ucf10-amd-epyc-2cores")
MINUTES_FILE = read_results("joint-ucf10-amd-epyc-bf16-2cores")
VICC_FILE = read_results("vicc-ucf10-amd-epyc-2cores")
COOPERATION = {name: read_results(f"cooperation-{name}-amd-epyc-2cores")["results"] for name in ("synthetic", "ucf10")}
BUDGETS = MINUTES_FILE["budgets"]
SEEDS, PLAIN = SEEDS_FILE["results"], PLAIN_FILE["results"]
TABLES = [*(BUDGETS[name]["results"] for name in ("thirty", "ten", "base")), SEEDS, PLAIN]
"""What the tables of the page of joint show, in order: a result a protocol and seed."""
METRICS = {
    "R@1": ("retrieval", "R@1"),
    "R@5": ("retrieval", "R@5"),
    "linear": ("linear", "top-1"),
    "1 label": ("few-labels", "top-1 at 1 label"),
    "5 labels": ("few-labels", "top-1 at 5 labels"),
}
PIXELS = ("mean frame", "frame difference", "colour histogram")
PAPER_METRICS = {
    "R@1 / R@5": ("retrieval", ("R@1", "R@5")),
    "linear": ("linear", ("top-1",)),
    "5 labels": ("few-labels", ("top-1 at 5 labels",)),
}
"""First cell of a table of the papers' methods -> what its cells show."""
PAPER_ROWS = {
    "CPC": ("cpc", "cpc2"),
    "CPC + sim, 2 views": ("sim",),
    "CPC + sync, 2 views": ("sync",),
    "CoCon, 2 views": ("cocon2",),
    "CoCon": ("cocon2",),
    "CoCon, 2 views, flow leads": ("leads",),
    "CoCon, flow leads": ("leads",),
    "CoCon, 4 views": ("cocon4",),
}
"""Row of a table of cooperation -> how it may be called in what was recorded."""


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a page: rows of cells without asterisks and backquotes, the header first."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = [line.replace("`", "").strip("|") for line in table.splitlines() if "|---" not in line]
        found.append([[cell.strip(" *") for cell in line.split("|")] for line in lines])
    return found


def recorded(results: Sequence[dict], kind: str, name: str, metric: str) -> tuple[str, str]:
    """Percent of one row over seeds, or of one seed: the mean, and how far it is from certain."""
    rows = [row for result in results for row in result["rows"] if (row["kind"], row["name"]) == (kind, name)]
    values = [100 * row["metrics"][metric] for row in rows]
    errors = [100 * row["standard_errors"].get(metric, 0) for row in rows]
    spread = statistics.stdev(values) if len(values) > 1 else errors[0]
    return f"{statistics.mean(values):.1f}", f"{spread:.1f}"


def check_row(results: Sequence[dict], names: Sequence[tuple[str, str]], cell: str, metric: str) -> None:
    for (kind, name), number in zip(names, cell.split(" · "), strict=True):
        mean, _, spread = number.partition(" ± ")
        expected = recorded(results, kind, name, metric)
        assert mean == expected[0], (name, metric)
        assert spread in ("", expected[1]), (name, metric)


def rows_of(cell: str) -> list[tuple[str, str]]:
    """Which recorded rows a row of a page shows."""
    if " · " in cell:
        return [("pixels", name) for name in PIXELS]
    kind, _, view = cell.partition(", ")
    return [({"joint": "trained", "random weights": "random"}.get(kind, kind), view or kind)]


@pytest.mark.parametrize(("number", "results"), list(enumerate(TABLES)))
def test_the_tables_of_joint_are_those_recorded(number, results):
    header, *rows = tables(JOINT)[number]
    assert len(rows) >= 6
    for row in rows:
        for column, cell in zip(header[1:], row[1:], strict=True):
            protocol, metric = METRICS[column]
            if cell or "joined" not in row[0]:
                check_row(list(results[protocol].values()), rows_of(row[0]), cell, metric)


def test_the_baselines_beside_joint_are_those_recorded():
    header, *rows = tables(JOINT)[len(TABLES)]
    assert [row[0] for row in rows] == list(MINUTES_FILE["baselines"])
    for method, seconds, *cells in rows:
        recorded_run = MINUTES_FILE["baselines"][method]
        assert seconds == f"{recorded_run['training_cpu_seconds']:.0f}"
        for column, cell in zip(header[2:], cells, strict=True):
            protocol, metric = METRICS.get(column, METRICS["R@1"])
            view = column if column in ("rgb", "flow") else "mean of views"
            check_row(list(recorded_run["results"][protocol].values()), [("trained", view)], cell, metric)


def test_steps_and_seconds_of_joint_are_those_recorded():
    assert f"{SEEDS_FILE['steps']} steps of 16 videos in bf16" in JOINT
    seconds = SEEDS_FILE["training_user_seconds"].values()
    assert f"{min(seconds):.0f} to {max(seconds):.0f} s of user time" in JOINT
    for budget in (BUDGETS["thirty"], BUDGETS["ten"], PLAIN_FILE):
        seconds = budget["training_cpu_seconds"].values()
        assert f"{budget['steps']} steps" in JOINT
        assert f"{min(seconds):.0f} to {max(seconds):.0f} s" in JOINT
    assert f"{BUDGETS['base']['steps']} steps" in JOINT


def test_the_small_table_of_the_readme_is_that_recorded():
    header, *rows = tables(README)[0]
    found = list(SEEDS["retrieval"].values())
    kinds = {"joint, no labels": "trained", "the same encoder with random weights": "random", "chance": "chance"}
    checked = 0
    for title, *cells in rows:
        for column, cell in zip(header[1:], cells, strict=True):
            view = {"both": "mean of views"}.get(column, column)
            name = ("pixels", "colour histogram") if "pixel" in title else (kinds[title], view)
            if cell:
                check_row(found, [("chance", "chance") if title == "chance" else name], cell, "R@1")
                checked += 1
    assert checked == 10
    best = max(float(recorded(found, "pixels", name, "R@1")[0]) for name in PIXELS)
    assert f"| {best:.1f} |" in README


def test_the_demo_of_the_readme_is_that_of_what_was_tried():
    found = re.search(
        r"rgb finds ([\d.]+) % alone and ([\d.]+) % .*?\(95 % interval .*?: ([\d.]+) to ([\d.]+) points\)",
        " ".join(README.split()),
    )
    alone, beside, low, high = found.groups()
    assert re.search(rf"^\| rgb alone \| {alone} ±", TRIED, re.MULTILINE)
    assert re.search(rf"^\| rgb with flow beside it \| \*\*{beside} ±", TRIED, re.MULTILINE)
    difference = f"+{float(beside) - float(alone):.1f} points, 95 % interval +{low} to +{high}"
    assert difference in " ".join(TRIED.split())


def check_cells(
    found: Sequence[dict], kind: str, row: Sequence[str], views: Sequence[str], metrics: Sequence[str]
) -> int:
    """Check the cells of one row that are not empty, each with all metrics; return how many were."""
    checked = 0
    for view, cell in zip(views, row, strict=True):
        for metric, number in zip(metrics, cell.split(" / "), strict=True) if cell else ():
            check_row(found, [(kind, view)], number, metric)
            checked += 1
    return checked


@pytest.mark.parametrize(("number", "name"), list(enumerate(["synthetic"] * 3 + ["ucf10"] * 3)))
def test_the_tables_of_cooperation_are_those_recorded(number, name):
    header, random, *rows = tables(PAPERS)[number]
    results = COOPERATION[name]
    protocol, metrics = PAPER_METRICS[header[0]]
    assert len(rows) == len(results)
    for title, *cells in rows:
        (row,) = (one for one in PAPER_ROWS[title] if one in results)
        found = list(results[row][protocol].values())
        assert len(found) == 3
        assert check_cells(found, "trained", cells, header[1:], metrics) >= 3
    assert random[0] == "random weights"
    (row,) = (one for one in PAPER_ROWS["CPC"] if one in results)
    found = list(results[row][protocol].values())
    assert check_cells(found, "random", random[1:], header[1:], metrics) >= 3
    first = found[:1]
    pixels = [" / ".join(recorded(first, "pixels", one, metric)[0] for metric in metrics) for one in PIXELS]
    assert ", ".join(pixels) in PAPERS


def test_the_tables_of_vicc_are_those_recorded():
    (header, *stages), *summaries = tables(PAPERS)[6:]
    results = VICC_FILE["results"]
    curves = [result["curve"] for result in results["retrieval"].values()]
    assert len(stages) == len(curves[0])
    for number, (_, _, *cells) in enumerate(stages):
        assert check_cells([curve[number] for curve in curves], "trained", cells, header[2:], ("R@1", "R@5")) == 6
    assert len(summaries) == 2
    for header, *rows in summaries:
        protocol, metrics = PAPER_METRICS[header[0]]
        found = list(results[protocol].values())
        for (title, *cells), kind in zip(rows, ("random", "trained"), strict=True):
            assert (title == "random weights") == (kind == "random")
            assert check_cells(found, kind, cells, header[1:], metrics) == 4
    seconds = VICC_FILE["training_cpu_seconds"].values()
    assert f"{min(seconds):.0f} to {max(seconds):.0f} s of processor time" in PAPERS


def test_every_claim_of_speed_names_a_script_that_is_there_or_says_that_none_is_kept():
    for claim, _, script in tables(SPEED)[0][1:]:
        file = re.match(r"([\w.]+\.py)", script)
        assert file or script.startswith("/usr/bin/time coview ") or "not kept" in script, claim
        assert not file or (ROOT / "benchmarks" / file[1]).is_file(), script
