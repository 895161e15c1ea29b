from pathlib import Path

import pytest

from coview.datatypes import VideoEntry
from coview.preparation.outcomes import OutcomeLog, VideoOutcome, describe_unread, read_outcomes, source_stamp


def outcome(video: str, at: float, **values: object) -> VideoOutcome:
    return VideoOutcome(id=video, status="ready", views=("rgb",), finished_at=at, **values)  # type: ignore[arg-type]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / ".prepare").mkdir()
    return tmp_path


def test_the_latest_outcome_of_a_video_counts_over_all_files(out: Path) -> None:
    for name, outcomes in (("-1of2", [outcome("a", 5.0, num_frames=7), outcome("b", 1.0)]), ("", [outcome("a", 4.0)])):
        log = OutcomeLog(out, name)
        for item in outcomes:
            log.append(item)
        log.close()
    assert read_outcomes(out) == {"a": outcome("a", 5.0, num_frames=7), "b": outcome("b", 1.0)}


def test_a_torn_last_line_is_skipped_and_does_not_spoil_the_next(out: Path) -> None:
    log = OutcomeLog(out)
    log.append(outcome("a", 1.0, source_stamp=(3, 4), fps=29.97))
    log.close()
    with log.path.open("ab") as file:
        file.write(b'{"id": "b", "status": "re')
    log = OutcomeLog(out)
    log.append(outcome("c", 2.0))
    log.close()
    assert list(read_outcomes(out).values()) == [outcome("a", 1.0, source_stamp=(3, 4), fps=29.97), outcome("c", 2.0)]


def test_a_log_without_outcomes_makes_no_file(out: Path) -> None:
    OutcomeLog(out).close()
    assert list((out / ".prepare").iterdir()) == []


def test_stamp_of_a_file_that_is_not_there(out: Path) -> None:
    assert source_stamp(out / "none.mp4") is None
    (out / "some.mp4").write_bytes(b"12345")
    stamp = source_stamp(out / "some.mp4")
    assert stamp is not None
    assert stamp[0] == 5


def test_reasons_are_told_and_remarks_counted() -> None:
    entries = [
        VideoEntry("a", "/a.mp4", status="ready"),
        VideoEntry("b", "/b.mp4", status="ready", reason="interlaced: 3 of 3 frames, deinterlaced"),
        VideoEntry("c", "/c.mp4", status="failed", reason="corrupt: decoding fails"),
        VideoEntry("d", "/d.mp4", status="missing"),
    ]
    failed, missing, remark = describe_unread(entries)
    assert (failed, missing) == ("  failed c: corrupt: decoding fails", "  missing d: missing")
    assert remark == "  ready, with a remark: interlaced 1"
    assert describe_unread(entries, most=1)[1] == "  and 1 more"
    assert describe_unread(entries[:1]) == []
