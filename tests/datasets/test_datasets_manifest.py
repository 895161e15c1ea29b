"""A manifest comes back as it was written, at once or not at all."""

import os
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coview.datasets.manifest import is_inside, read_manifest, write_manifest
from coview.datatypes import VideoEntry
from coview.errors import UserError

FULL = VideoEntry(
    id="wave/ä #1",
    path="/videos/wave/ä #1.mp4",
    label="wave",
    group="g1",
    splits={"split1": "train", "split2": "validation"},
    status="ready",
    reason="truncated: the header promises 260 frames, 156 decoded",
    num_frames=156,
    fps=30000 / 1001,
    width=192,
    height=144,
    duration_seconds=156 * 1001 / 30000,
    counts={"pose.frames_with_person": 120, "segmentation.frames_with_person": 0},
)


@pytest.mark.parametrize(
    "entries",
    [
        (),
        (FULL,),
        (VideoEntry(id="a", path="/a.mp4"),),
        (FULL, VideoEntry(id="a", path="/a.mp4", status="missing"), VideoEntry(id="b", path="", splits={"z": "test"})),
    ],
)
def test_what_is_read_is_what_was_written(tmp_path, entries):
    path = tmp_path / "new" / "videos.parquet"
    write_manifest(entries, path)
    back = read_manifest(path)
    assert back == tuple(entries)
    for entry, given_entry in zip(back, entries, strict=True):
        assert {name: type(value) for name, value in vars(entry).items()} == {
            name: type(value) for name, value in vars(given_entry).items()
        }
    assert os.listdir(path.parent) == ["videos.parquet"]  # noqa: PTH208


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
entry_rows = st.builds(
    VideoEntry,
    id=text.filter(is_inside),
    path=text,
    label=st.none() | text,
    group=st.none() | text,
    splits=st.dictionaries(st.sampled_from(["split1", "split2", "mine"]), st.sampled_from(["train", "test"])),
    status=st.sampled_from(["listed", "ready", "failed", "missing"]),
    reason=text,
    num_frames=st.none() | st.integers(0, 2**53 + 1),
    fps=st.none() | st.floats(allow_nan=False),
    width=st.none() | st.integers(1, 10**5),
    height=st.none() | st.integers(1, 10**5),
    duration_seconds=st.none() | st.floats(allow_nan=False),
    counts=st.dictionaries(st.sampled_from(["pose.frames_with_person", "mine.few"]), st.integers(0, 2**40)),
)


@given(st.lists(entry_rows, max_size=6, unique_by=lambda entry: entry.id))
@settings(max_examples=60, deadline=None)
def test_any_rows_come_back(tmp_path_factory, entries):
    path = tmp_path_factory.getbasetemp() / "any.parquet"
    write_manifest(entries, path)
    assert read_manifest(path) == tuple(entries)


def test_other_tools_can_read_it(tmp_path):
    write_manifest([FULL], tmp_path / "v.parquet")
    (row,) = pq.read_table(tmp_path / "v.parquet").to_pylist()
    assert (row["id"], row["split:split1"], row["num_frames"]) == ("wave/ä #1", "train", 156)
    assert row["count:pose.frames_with_person"] == 120


def test_a_failed_write_leaves_the_old_manifest(tmp_path, monkeypatch):
    path = tmp_path / "v.parquet"
    write_manifest([FULL], path)

    def full_disk(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_manifest([], path)
    assert read_manifest(path) == (FULL,)
    assert [file.name for file in tmp_path.iterdir()] == ["v.parquet"]


def test_rows_that_cannot_be_stored(tmp_path):
    twice = [VideoEntry(id="a", path="/a.mp4"), VideoEntry(id="a", path="/a.avi")]
    with pytest.raises(UserError, match="two videos have the same id"):
        write_manifest(twice, tmp_path / "v.parquet")
    with pytest.raises(UserError, match=r"not valid UTF-8 .*udcff"):
        write_manifest([VideoEntry(id="a", path="/\udcff.mp4")], tmp_path / "v.parquet")


def test_damage_is_named(tmp_path):
    path = tmp_path / "videos.parquet"
    with pytest.raises(UserError, match="there is no manifest at"):
        read_manifest(path)
    write_manifest([FULL], path)
    whole = path.read_bytes()
    for damaged in (b"", b"not parquet", whole[:-20], whole[: len(whole) // 2], whole[20:]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="damaged or not a Parquet file .*run the same coview prepare"):
            read_manifest(path)


def test_other_parquet_files_and_newer_formats_are_named(tmp_path):
    path = tmp_path / "videos.parquet"
    pq.write_table(pa.table({"path": ["a"]}), path)
    with pytest.raises(UserError, match=r"not a manifest of coview; its columns: \['path'\]"):
        read_manifest(path)
    write_manifest([FULL], path)
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"coview.manifest": b"99"}), path)
    with pytest.raises(UserError, match="newer coview .*99.*; update coview"):
        read_manifest(path)
    less = table.drop_columns(["width"])
    pq.write_table(less, path)
    with pytest.raises(UserError, match="damaged.*not those that were written"):
        read_manifest(path)
    pq.write_table(less.replace_schema_metadata({b"coview.manifest": b"1"}), path)
    with pytest.raises(UserError, match=r"lacks the columns \['width'\]"):
        read_manifest(path)


def test_a_manifest_the_size_of_ucf101_is_read_at_once(tmp_path):
    entries = [
        VideoEntry(
            id=f"v{number}",
            path=f"/videos/v{number}.mp4",
            label=f"class {number % 101}",
            group=f"g{number // 7}",
            splits={f"split{k}": "train" if (number + k) % 3 else "test" for k in (1, 2, 3)},
            status="ready",
            num_frames=number,
            fps=25.0,
        )
        for number in range(13_000)
    ]
    write_manifest(entries, tmp_path / "v.parquet")
    started = time.process_time()
    back = read_manifest(tmp_path / "v.parquet")
    assert time.process_time() - started < 1
    assert back == tuple(entries)


@pytest.mark.parametrize("video_id", ["../a", "a/../../b", "/etc/a", "", "..", "a/..", "C:\\a", "..\\a", "a\0b", "."])
def test_ids_of_strangers_cannot_leave_the_folder(tmp_path, video_id):
    write_manifest([VideoEntry("fine", "/a.mp4"), VideoEntry(video_id, "/b.mp4")], tmp_path / "videos.parquet")
    with pytest.raises(UserError, match="would lead out of the folder"):
        read_manifest(tmp_path / "videos.parquet")


def test_ids_that_only_look_strange_are_read(tmp_path):
    entries = tuple(VideoEntry(name, "/a.mp4") for name in ("a..b", "...", "x/.y", "ü\u2028 z", "a.mp4", "c: d", "%2e"))
    write_manifest(entries, tmp_path / "videos.parquet")
    assert read_manifest(tmp_path / "videos.parquet") == entries
