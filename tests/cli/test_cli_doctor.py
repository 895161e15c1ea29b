"""`coview doctor`: groups of findings, each that is not ok with its remedy."""

import re
import subprocess
import sys

import pytest

from coview.cli import run_arguments
from coview.cli.examination import libraries, people, video
from coview.cli.examination.finding import Finding


@pytest.fixture(scope="module")
def report() -> str:
    """What the command prints, run once."""
    done = subprocess.run([sys.executable, "-m", "coview", "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_findings_stand_in_groups_and_each_that_is_not_ok_has_a_remedy(report):
    titles = re.findall(r"^\S.*$", report, re.MULTILINE)
    assert titles[:3] == ["Python and libraries", "Video", "Disk and memory"]
    assert titles[-1].startswith("nothing broken")
    lines = report.splitlines()
    for line, after in zip(lines, lines[1:], strict=False):
        assert bool(re.match(r"  (missing|note|broken) ", line)) == ("->" in after), line
    assert "8 frames written, read back" in report
    assert "shapes known to go wrong" in report


def test_it_tells_no_folder(report):
    assert not re.search(r"(?<![\w.])/(home|tmp|root|work|usr)\b", report)


def test_what_is_broken_decides_the_exit_status(monkeypatch, capsys):
    import coview.cli.examination as examination

    broken = Finding("a", "broken", "[b]", "do c")
    monkeypatch.setattr(examination, "examine", lambda: iter([("Group", iter([broken]))]))
    assert run_arguments(["doctor"]) == 1
    assert " ".join(capsys.readouterr().out.split()) == "Group broken a [b] -> do c 1 broken, 0 optional missing"


def test_a_finding_that_is_not_ok_needs_a_remedy():
    with pytest.raises(ValueError, match="remedy"):
        Finding("a", "note", "b")
    with pytest.raises(ValueError, match="remedy"):
        Finding("a", "ok", "b", "c")


def test_what_is_absent_is_named(monkeypatch):
    monkeypatch.setattr(libraries, "_version", lambda name: None)
    assert "torch" in libraries._needed().detail
    assert libraries._needed().verdict == "broken"
    assert libraries._opencv().detail.endswith("(not from a wheel)")
    monkeypatch.setattr(video, "_has", lambda codec, mode: mode == "r" and codec == "h264")
    assert [finding.verdict for finding in video.examine_video()] == ["ok", "missing", "broken"]
    assert people._mediapipe(None).verdict == "missing"


def test_two_opencvs_of_different_versions_are_broken(monkeypatch):
    monkeypatch.setattr(
        libraries, "_version", lambda name: {"opencv-python": "4.9", "opencv-contrib-python": "4.11"}.get(name)
    )
    assert libraries._opencv().verdict == "broken"


def test_mediapipe_that_fails_tells_its_last_line():
    command = [sys.executable, "-c", "raise ImportError('no model')"]
    trial = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    finding = people._mediapipe(trial)
    assert (finding.verdict, finding.detail) == ("broken", "cannot be used: ImportError: no model")
