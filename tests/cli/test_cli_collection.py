"""`coview index` and `coview search`, as they are typed."""

import csv
import io
import json
import shutil

import pytest

from coview.cli import run_arguments
from coview.cli.terminal import run_command
from coview.errors import UserError
from small_index import small_run, videos, write_square

__all__ = ["small_run", "videos"]


@pytest.fixture
def index(tmp_path, small_run, videos, capsys):
    assert run_arguments(["index", str(small_run.run), str(videos), str(tmp_path / "idx"), "--workers", "0"]) == 0
    assert "6 added\nIndex(" in capsys.readouterr().out
    return tmp_path / "idx"


def searched(capsys, index, *words):
    assert run_arguments(["search", str(index), *words]) == 0
    return capsys.readouterr().out


def test_a_stretch_is_named_in_either_words(index, capsys):
    by_start = searched(capsys, index, "fast/v1", "--start", "0.2", "--end", "0.6", "--csv")
    assert searched(capsys, index, "fast/v1", "--from", "0.2", "--to", "0.6", "--csv") == by_start
    assert searched(capsys, index, "fast/v1", "--csv") != by_start
    with pytest.raises(UserError, match="the end must come after the start"):
        run_arguments(["search", str(index), "fast/v1", "--from", "3", "--to", "2"])


def test_index_again_with_fields(index, small_run, videos, tmp_path, capsys):
    (videos / "slow" / "bad.mp4").write_bytes(b"no video")
    (videos / "own.csv").write_text("path,camera\nfast/v1.mp4,north\n")
    words = ["index", str(small_run.run), str(videos / "fast"), str(videos / "slow"), str(index), "--workers", "0"]
    assert run_arguments([*words, "--fields", str(videos / "own.csv")]) == 0
    text = capsys.readouterr().out
    assert "0 added, 6 unchanged, 1 failed" in text
    assert text.count(f"not in the index: {videos / 'slow' / 'bad.mp4'}: not_a_video") == 1
    assert f"next: coview serve {index}\n  or: coview search {index} fast/v1\n" in text
    (hit,) = json.loads(searched(capsys, index, "fast/v3", "--videos", "--where", "camera=north", "--json"))
    assert hit["id"] == "fast/v1"


def test_names_that_nobody_can_type_are_neither_commands_nor_orders_to_the_terminal(small_run, tmp_path, capsys):
    odd = tmp_path / "odd"
    write_square(odd / "-dash.mp4", 1)
    write_square(odd / "\x1b[31mred.mp4", 2)
    (odd / "\x1b[32mbad.mp4").write_bytes(b"no video")
    assert run_arguments(["index", str(small_run.run), str(odd), str(tmp_path / "idx"), "--workers", "0"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert f"not in the index: {odd}/\\x1b[32mbad.mp4: not_a_video" in text
    assert text.endswith(f"next: coview serve {tmp_path / 'idx'}\n")


def test_search_prints_lines_json_and_csv(index, capsys):
    lines = searched(capsys, index, "fast/v1", "--top", "3").splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("  1 0.9")
    assert " s to " in lines[0]
    assert lines[0].endswith("fast/v1.mp4  the query itself")
    rows = json.loads(searched(capsys, index, "fast/v1", "--view", "flow", "--videos", "--json"))
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0]["cosine:flow"] == pytest.approx(1, abs=1e-3)
    words = ["fast/v1", "--where", "label=slow", "time=0..0.2", "path=slow/*", "--csv"]
    table = [*csv.DictReader(io.StringIO(searched(capsys, index, *words)))]
    assert {row["label"] for row in table} == {"slow"}
    assert all(float(row["start_seconds"]) < 0.2 for row in table)
    assert searched(capsys, index, "fast/v1", "--where", "label=nobody") == "nothing found\n"
    assert searched(capsys, index, "fast/v1", "--where", "label=nobody", "--csv") == "rank,id,path\n"


def test_names_with_line_breaks_stay_on_one_line(small_run, videos, tmp_path, capsys):
    (videos / "fast" / "v1.mp4").rename(videos / "fast" / "v\n1\x1b[31m.mp4")
    run_arguments(["index", str(small_run.run), str(videos / "fast"), str(tmp_path / "idx"), "--workers", "0"])
    capsys.readouterr()
    lines = searched(capsys, tmp_path / "idx", "v3", "--videos").splitlines()
    assert len(lines) == 3
    assert any("v\\n1\\x1b[31m.mp4" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["search", "IDX", "fast/v1", "--json", "--csv"], "choose one"),
        (["search", "IDX", "fast/v1", "--moments", "--videos"], "choose one"),
        (["search", "IDX", "fast/v1", "--view", "flw"], "did you mean 'flow'"),
        (["search", "IDX", "fast/v1", "--where", "label"], "expected NAME=VALUE"),
        (["search", "no/idx", "fast/v1"], "there is no index at no/idx"),
        (["index", "RUN", "IDX"], "needs RUN SOURCE INDEX"),
        (["index", "RUN", "no/videos", "IDX"], "no/videos does not exist"),
        (["index", "no/run", "VIDEOS", "IDX"], "no/run is not a run"),
    ],
)
def test_mistakes_are_named(words, message, index, small_run, videos):
    places = {"IDX": str(index), "RUN": str(small_run.run), "VIDEOS": str(videos)}
    with pytest.raises(UserError, match=message):
        run_arguments([places.get(word, word) for word in words])


def test_an_index_is_looked_over(index, videos, capsys):
    def printed(*words):
        assert run_arguments([words[0], str(index), *words[1:]]) == 0
        return capsys.readouterr().out

    lines = printed("outliers", "--top", "3", "--neighbours", "2").splitlines()
    assert lines[0].split() == ["video", "label", "score", "distance", "nearest"]
    assert lines[-1] == "3 outliers of 6 videos"
    rows = json.loads(printed("outliers", "--json", "--view", "flow"))
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
    table = [*csv.DictReader(io.StringIO(printed("sample", "4", "--csv", "--where", "label=slow")))]
    assert len(table) == 3
    assert all(row["path"].startswith(str(videos / "slow")) for row in table)
    clusters = json.loads(printed("clusters", "--min-size", "2", "--json"))
    assert {row["id"] for row in clusters} <= {f"{'fast' if n % 2 else 'slow'}/v{n}" for n in range(6)}
    assert printed("duplicates", "--csv", "--where", "label=nobody") == "rank,confidence,id,path,other_id,other_path\n"
    assert printed("outliers", "--where", "label=nobody") == "nothing found: 0 outliers of 0 videos\n"
    with pytest.raises(UserError, match="--json and --csv were both given"):
        printed("sample", "2", "--json", "--csv")


def test_duplicates_are_printed_with_their_times(index, small_run, videos, capsys):
    shutil.copy(videos / "fast" / "v1.mp4", videos / "fast" / "copy.mp4")
    run_arguments(["index", str(small_run.run), str(videos), str(index), "--workers", "0"])
    capsys.readouterr()
    assert run_arguments(["duplicates", str(index)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["confidence", "video", "when"]
    assert "1.00" in lines[1]
    assert {"fast/v1", "fast/copy"} <= set(lines[1].split())
    assert "[0.0 s to 0.8 s]" in lines[1]


def test_where_every_video_failed_the_status_says_so(small_run, tmp_path, capsys):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    words = ["index", str(small_run.run), str(tmp_path / "bad.mp4"), str(tmp_path / "idx"), "--workers", "0"]
    assert run_command(lambda: run_arguments(words)) == 1
    said = capsys.readouterr().out
    assert "0 added, 1 failed" in said
    assert "next:" not in said


def test_a_source_without_videos_leaves_no_index(small_run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    words = ["index", str(small_run.run), str(tmp_path / "empty"), str(tmp_path / "idx")]
    assert run_command(lambda: run_arguments(words)) == 2
    assert not (tmp_path / "idx").exists()
