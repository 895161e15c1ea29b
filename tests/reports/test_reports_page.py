"""The page holds what the run's folder says, whatever is missing from it."""

import dataclasses
import html.parser
import re
import shutil

import pytest

from coview.analysis.base import Findings, FoundTable
from coview.analysis.figure import draw
from coview.datasets.prepared import PreparedDataset
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
        "2 of 3 query videos scored against 5 of 5 gallery videos",
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
        "3 of 8 videos (test of split1), 2 classes. a remark.",
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
