"""The table of `make bench`: rows are measured by turns and printed with their ratio."""

import table


def test_rows_are_measured_and_printed():
    scale = table.Scale(turns=1, batch=2, side=32, frames=8, windows=300, queries=20, rows=10)
    rows = [row.as_plain() for row in table.search_rows(scale)]
    assert {"NumPy, float32 product", "scikit-learn, neighbours only"} <= {row["peer"] for row in rows}
    assert all(row["coview"]["processor_seconds"] >= 0 and row["ratio_of_processor_time"] > 0 for row in rows)
    lines = table.as_markdown(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert all(line.count("|") == 7 for line in lines)


def test_the_median_leaves_the_first_turn_out():
    calls = []
    medians = table.by_turns({"one": lambda: calls.append(1), "other": lambda: calls.append(2)}, turns=3)
    assert calls == [1, 2] * 4
    assert set(medians) == {"one", "other"}
    assert all(len(seconds) == 2 for seconds in medians.values())
