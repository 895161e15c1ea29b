"""The page holds what the run's folder says, whatever is missing from it."""

import base64
import dataclasses
import hashlib
import html.parser
import re
import shutil
from pathlib import Path

import pytest

from coview import reports
from coview.analysis import analyse
from coview.analysis.base import Findings, FoundTable
from coview.analysis.figure import Figure, draw
from coview.datasets.prepared import PreparedDataset
from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation import evaluate
from coview.evaluation.metrics.clusters import SCALES as ENTROPY
from coview.evaluation.results.result import ScoreRow, write_result
from coview.reports import write_report

VOID = {"meta", "link", "br", "img", "input", "hr", "line", "path", "circle", "image"}


class Outline(html.parser.HTMLParser):
    """Checks that tags nest, and collects what a reader needs."""

    def __init__(self):
        super().__init__()
        self.open, self.headings, self.ids, self.links, self.unnamed, self.text = [], [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        if given.get("role") == "img" and not given.get("aria-label"):
            self.unnamed.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)


def outline(path):
    parser = Outline()
    parser.feed(path.read_text(encoding="utf-8"))
    assert parser.open == []
    parser.words = re.sub(r"\s+", " ", "".join(parser.text))
    return parser


def loads(source):
    """Addresses outside the page; names of XML vocabularies are none."""
    source = re.sub(r"http://www\.w3\.org/(2000/svg|1999/xlink)", "", source)
    return re.findall(r"""(?:src|href)=["']?(?!#|data:)[^"'>\s]+|url\((?!data:|#)|@import|https?://""", source)


def test_a_whole_run(run_folder):
    run_folder.train()
    run_folder.evaluate()
    path = write_report(run_folder.path, run_folder.data)
    assert path == run_folder.path / "report.html"
    page = outline(path)
    source = path.read_text(encoding="utf-8")
    for words in (
        "my <run>",
        "random weights 30% (clearly better, +20 ± 4 points)",
        "Yes: features are spread out and every loss is below that of a guess.",
        "What to try next?",
        "coview evaluate",
        "Protocols that have not been run: ",
        "150 of 151 query videos scored against 5 of 5 gallery videos",
        "corrupt: <made so>",
        "a remark.",
        "1 failed",
        "✓ same class",
        "colour histogram",
        "bf16, channels last",
        "pose: frames with person",
        "93.0% of all frames, 50.0% in the video with the fewest; 2 videos without any",
    ):
        assert words in page.words, words
    assert source.count('class="chart"') == 2 * 5
    assert source.count("data:image/jpeg;base64,") == 3 + 2 * 6  # three strips, loops of six videos in two views
    assert page.unnamed == []
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert all(later - earlier <= 1 for earlier, later in zip(page.headings, page.headings[1:], strict=False))


@pytest.mark.parametrize("has_labels", [True, False])
def test_nothing_is_said_twice(run_folder, has_labels):
    if not has_labels:
        unlabelled = tuple(dataclasses.replace(entry, label=None) for entry in run_folder.data.entries)
        run_folder = dataclasses.replace(run_folder, data=dataclasses.replace(run_folder.data, entries=unlabelled))
    page = write_report(run_folder.path, run_folder.data).read_text()
    names = re.findall(r'<(?:h2|section|article|main|nav)[^>]* id="([^"]+)"', page)
    assert len(names) == len(set(names))
    assert len(names) > 4
    questions = re.findall(r"<h2[^>]*>([^<]+)</h2>", page)
    assert len(questions) == len(set(questions))


def test_it_needs_nothing_from_outside(run_folder):
    run_folder.train()
    run_folder.evaluate()
    source = write_report(run_folder.path, run_folder.data).read_text(encoding="utf-8")
    assert loads(source) == []
    assert len(source) < 500_000
    assert [file.name for file in run_folder.path.iterdir() if file.name.endswith(".tmp")] == []


def test_before_the_first_step(run_folder):
    page = outline(write_report(run_folder.path, run_folder.data))
    assert "Training has not logged a step yet" in page.words
    assert "No evaluation yet" in page.words
    assert "Training has not begun" in page.words


def test_interrupted_and_without_labels_or_evaluation(run_folder):
    run_folder.train(steps=7, stages=("rgb",), end="stopped", validation=False)
    entries = tuple(dataclasses.replace(entry, label=None, splits={}) for entry in run_folder.data.entries)
    page = outline(write_report(run_folder.path, dataclasses.replace(run_folder.data, entries=entries)))
    assert "Not finished: it stands in stage rgb at step 7 of 7" in page.words
    assert "No scores: they compare classes, and no video has a label." in page.words
    assert "coview evaluate RUN" not in page.words


def test_neighbours_without_labels_are_not_judged(run_folder):
    run_folder.train()
    run_folder.evaluate(labels=False)
    words = outline(write_report(run_folder.path, run_folder.data)).words
    assert "nobody can say which are right" in words
    assert "✓" not in words


def test_data_that_is_gone_is_said(run_folder):
    run_folder.train()
    run_folder.evaluate()
    page = outline(write_report(run_folder.path))
    assert "No pictures:" in page.words
    assert "gone" in page.words


def test_a_picture_that_cannot_be_read_leaves_a_gap_and_a_reason(run_folder):
    run_folder.train()
    entries = tuple(
        dataclasses.replace(entry, id="broken" if entry.id == "v3" else entry.id) for entry in run_folder.data.entries
    )
    page = outline(write_report(run_folder.path, dataclasses.replace(run_folder.data, entries=entries)))
    assert "Some pictures are missing" in page.words
    assert "broken.mp4: corrupt: made so" in page.words


def test_a_log_cut_off_by_a_kill(run_folder):
    run_folder.train()
    log = run_folder.path / "log.jsonl"
    log.write_text(log.read_text()[:-40])
    assert "Not finished" in outline(write_report(run_folder.path, run_folder.data)).words


def test_not_a_run(run_folder, tmp_path):
    with pytest.raises(UserError, match="is not a run"):
        write_report(tmp_path)
    shutil.rmtree(run_folder.path)


def test_an_analysis_and_a_protocol_without_errors_are_shown(run_folder):
    run_folder.train()
    made = run_folder.evaluate()
    rows = tuple(
        ScoreRow(kind, name, {"mean entropy": value}, scales=ENTROPY)
        for kind, name, value in (("trained", "rgb", 1.25), ("chance", "chance", 2.0))
    )
    other = {
        "protocol": "clusters",
        "rows": rows,
        "settings": {"windows": "w", "max_windows": None, "weights": {"a": 2}},
    }
    path = run_folder.path / "evaluation" / "clusters-split1.json"
    write_result(dataclasses.replace(made, **other, examples={}, path=str(path)))
    findings = Findings(
        sentences=("Views agree on <much>.",),
        tables=(FoundTable("nearest <classes>", ("class", "this run"), (("wave & jump", "none"),)),),
        values={},
        records=[{"class": "wave"}],
        figures=[draw("", title="how alike", caption="c", size=(3, 3), paint=lambda canvas: canvas.subplots())],
    )
    run_folder.analyse(made, findings)
    path = write_report(run_folder.path, run_folder.data)
    page = outline(path)
    assert page.unnamed == []
    assert {link[1:] for link in page.links} <= set(page.ids)
    for words in (
        "Views agree on <much>.",
        "nearest <classes>",
        "wave & jump",
        "3 of 8 videos of data (test of split1), 2 classes. a remark.",
        "mean entropy (nats)",
        "1.25",
        "a 2",
    ):
        assert words in page.words, words
    folders = (str(run_folder.path), str(run_folder.data.root))  # whose names may hold any number
    assert "125" not in page.words.replace(folders[0], "").replace(folders[1], "")  # an entropy is no share
    assert loads(path.read_text(encoding="utf-8")) == []


def test_real_views_and_a_real_evaluation(small_run):
    evaluate(small_run.run, small_run.data)
    path = write_report(small_run.run, PreparedDataset.open(small_run.data))
    words = outline(path).words
    assert "No pictures" not in words
    assert "Some pictures are missing" not in words
    assert "4 of 5 query videos scored" in words
    assert path.read_text(encoding="utf-8").count("data:image/jpeg;base64,") >= 10


def test_what_is_shared_tells_nothing_of_the_machine(small_run, tmp_path, monkeypatch):
    """Page, results, analyses and embeddings of a real run name folders, not where they lie, nor the host."""
    folder = tmp_path / "home" / "somebody"
    shutil.copytree(small_run.data, folder / "films")
    shutil.copytree(small_run.run, folder / "mine")
    resolved = folder / "mine" / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace(str(small_run.data), str(folder / "films")))
    shutil.rmtree(folder / "mine" / "evaluation", ignore_errors=True)
    monkeypatch.setattr("socket.gethostname", lambda: "a-host-of-mine")
    evaluate(folder / "mine", folder / "films", settings={"weights.rgb": 3})
    evaluate([f"{folder / 'mine'}:rgb", f"{folder / 'mine'}:flow=2"], folder / "films")
    evaluate(folder / "mine", folder / "films", protocol="clusters")
    analyse(folder / "mine", folder / "films", ["similarity", "health", "neighbours", "stages"])
    Run.load(folder / "mine").embed(folder / "films").save(folder / "mine" / "vectors.parquet")
    made = [write_report(folder / "mine", folder / "films")]
    made += [*folder.rglob("evaluation/*"), *folder.rglob("analysis/*"), *folder.rglob("embeddings/*")]
    made += [folder / "mine" / "vectors.parquet"]
    assert len(made) > 20
    for path in made:
        told = path.read_bytes()
        for word in (str(tmp_path), "somebody", "a-host-of-mine", str(small_run.source.parent)):
            assert word.encode() not in told, (path.name, word)
    asked = write_report(folder / "mine", folder / "films", full_paths=True).read_text()
    assert f"--data {folder / 'films'}" in asked


def test_every_page_has_a_policy_that_allows_its_own_script_alone(run_folder):
    run_folder.train()
    source = write_report(run_folder.path, run_folder.data).read_text(encoding="utf-8")
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', source)
    rules = dict(rule.split(" ", 1) for rule in policy.replace("&#39;", "'").split("; "))
    (script,) = re.findall(r"<script>(.*?)</script>", source, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules.pop("script-src") == f"'sha256-{digest}'"
    assert rules.pop("style-src") == "'unsafe-inline'"
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "media-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert source.index("Content-Security-Policy") < source.index("<title>")
    pages = [path for path in Path(reports.__file__).parent.rglob("*.j2") if "<head>" in path.read_text()]
    assert all("Content-Security-Policy" in path.read_text() for path in pages)


def test_pictures_of_one_data_set_stand_under_no_other(run_folder):
    """Another data set may call other videos by the same names."""
    run_folder.train()
    run_folder.evaluate(data={"name": "other", "is_of_run": False, "views": {}, "storage": {}})
    page = outline(write_report(run_folder.path, run_folder.data))
    assert "retrieval, split1, on other" in page.words
    assert "These are other videos than those the run learnt from." in page.words
    assert "✓ same class" not in page.words
    run_folder.evaluate()
    page = outline(write_report(run_folder.path, run_folder.data))
    assert "retrieval, split1, on data" in page.words
    assert "Videos of data." in page.words


def test_a_figure_that_is_no_drawing_is_left_out_with_a_word(run_folder):
    run_folder.train()
    made = run_folder.evaluate()
    broken = Figure("f", "t", "c", "<html>no</html>", b"no png")
    run_folder.analyse(made, Findings(("Said.",), (), {}, (), figures=(broken,)))
    page = outline(write_report(run_folder.path, run_folder.data))
    assert "Left out: the file of this figure is no drawing." in page.words
