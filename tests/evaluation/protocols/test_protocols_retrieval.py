"""The protocol from a run and a data set to a result file, and who takes part in it."""

import dataclasses
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from coview.datasets.prepared import PreparedDataset
from coview.datatypes import VideoEntry
from coview.embedding.run import load
from coview.errors import UserError
from coview.evaluation import PROTOCOLS, evaluate, pixel_baselines, read_results
from coview.evaluation.pixel_baselines import PIXEL_BASELINES, _embed_pixels, _pixel_vectors
from coview.evaluation.query_gallery import choose_videos
from coview.evaluation.results.result import read_result, write_result
from coview.evaluation.results.tables import lay_out, result_table
from coview.files import read_json


@pytest.fixture(scope="module")
def result(small_run):
    return evaluate(small_run.run, small_run.data)


def test_scores_equal_plain_loops(result, small_run):
    data = PreparedDataset.open(small_run.data)
    features = load(small_run.run).embed(data).features
    train, test = [0, 1, 2, 3], [4, 5, 6, 7]
    for name in ("rgb", "flow", "mean of views"):
        views = ["rgb", "flow"] if name == "mean of views" else [name]
        hits = 0
        for query in test:
            cosines = [np.mean([features[view][query] @ features[view][item] for view in views]) for item in train]
            best = train[int(np.argmax(cosines))]
            hits += data.ready[best].label == data.ready[query].label
        assert result.row("trained", name).metrics["R@1"] == pytest.approx(hits / 4)


def test_every_row_is_there(result):
    named = ["rgb", "flow", "mean of views"]
    expected = [("trained", name) for name in named] + [("random", name) for name in named]
    expected += [("pixels", name) for name in PIXEL_BASELINES] + [("chance", "chance")]
    assert [(row.kind, row.name) for row in result.rows] == expected
    for row in result.rows:
        assert list(row.metrics) == ["R@1", "R@5", "R@10", "R@20", "R@50"]
        assert row.metrics["R@5"] == pytest.approx(1)  # more than the gallery of 4: both classes are in it
        assert row.description
    assert result.row("chance", "chance").metrics["R@1"] == pytest.approx(0.5)
    assert result.row("random", "rgb").metrics != {}


def test_counts_tell_where_everyone_went(result):
    counts = result.counts
    assert (counts["queries_scored"], counts["queries"]) == (4, 5)
    assert (counts["gallery_used"], counts["gallery"]) == (4, 5)
    assert counts["not_ready"] == {"failed": 1}
    assert counts["not_ready_videos"] == {"broken": "corrupt: made so"}
    assert (counts["unlabelled"], counts["not_in_this_split"], counts["videos"]) == (1, 0, 10)


def test_the_file_says_all_of_it(result, small_run):
    path = small_run.run / "evaluation" / "retrieval-split1.json"
    assert result.path == str(path)
    values = json.loads(path.read_text())
    for key in ("run", "checkpoint", "data", "split", "protocol", "settings", "preset", "counts", "seed", "versions"):
        assert values[key] not in (None, ""), key
    assert values["seconds"] > 0
    assert values["checkpoint"]["checkpoint"] == "flow-00000010"
    assert read_result(path) == dataclasses.replace(result, examples=values["examples"], settings=values["settings"])
    example = result.examples["rgb"][0]
    assert (example["id"], len(example["neighbours"])) == ("v4", 4)


def test_again_gives_the_same_numbers(result, small_run):
    again = evaluate(small_run.run, small_run.data)
    assert again.rows == result.rows
    assert again.examples == result.examples


def test_the_table_shows_scores_and_counts(result):
    text = lay_out([result_table(result)], "text")
    assert "4 of 5 query videos scored" in text
    assert "mean of views, random weights" in text
    assert f"{100 * result.row('trained', 'flow').metrics['R@1']:.1f} ±" in text


def test_leaving_the_own_group_out(small_run):
    result = evaluate(small_run.run, small_run.data, settings={"variant": "leave-group-out", "baselines": False})
    assert result.path.endswith("retrieval-all-leave-group-out.json")
    assert result.split is None
    assert (result.counts["queries_scored"], result.counts["queries"]) == (8, 10)
    assert [row.kind for row in result.rows] == ["trained"] * 3 + ["chance"]
    assert result.row("chance", "chance").metrics["R@1"] == pytest.approx(0.5)  # 3 of 6: a group holds both classes
    for example in result.examples["rgb"]:
        own = int(example["id"][1:]) // 2
        assert own not in {int(found["id"][1:]) // 2 for found in example["neighbours"]}


def grouped(root, rows):
    """Labelled, ready videos of (label, group) without a split."""
    entries = [
        VideoEntry(f"v{n}", f"/v{n}.mp4", label=label, group=group, status="ready")
        for n, (label, group) in enumerate(rows)
    ]
    return PreparedDataset(root, tuple(entries), {}, {})


def test_nothing_is_called_leave_group_out_where_no_two_videos_share_a_group(tmp_path):
    alone = choose_videos(grouped(tmp_path, [("a", None), ("a", None), ("b", "g1"), ("b", "g2")]), None, variant="auto")
    assert alone.variant == "leave-one-out"
    assert any("no two videos share a group" in remark for remark in alone.remarks)
    shared = choose_videos(grouped(tmp_path, [("a", "g1"), ("a", "g1"), ("b", None)]), None, variant="leave-group-out")
    assert (shared.variant, shared.remarks) == ("leave-group-out", ())


def test_queries_without_a_class_mate_are_counted_and_told(tmp_path, result):
    rows = [("a", "g1"), ("a", "g1"), ("b", "g1"), ("b", "g2"), ("c", "g3")]
    videos = choose_videos(grouped(tmp_path, rows), None, variant="auto")
    # both of class a are of one group, and c is alone: none of the three can find its class; the two of b can
    assert videos.counts["queries_without_their_class_in_gallery"] == 3
    assert (videos.counts["queries_scored"], videos.counts["query_groups"]) == (5, 3)
    dealt = choose_videos(grouped(tmp_path, rows), None, folds=3)
    assert dealt.counts["queries_without_their_class_in_gallery"] == 3
    told = lay_out([result_table(dataclasses.replace(result, counts=dict(videos.counts)))], "text")
    assert "3 query videos whose class no gallery video has count as misses" in " ".join(told.split())
    assert "count as misses" not in lay_out([result_table(result)], "text")


def test_folds_that_were_dealt_change_no_protocol_and_a_named_one_is_used(tmp_path):
    data = grouped(tmp_path, [("a", None), ("a", None), ("b", None), ("b", None)])
    parts = ["test", "train", "test", "train"]
    entries = tuple(dataclasses.replace(e, splits={"fold1": p}) for e, p in zip(data.entries, parts, strict=True))
    dealt = dataclasses.replace(data, entries=entries, info={"folds": 1})
    assert choose_videos(dealt, dealt.split_of_run("split1"), variant="auto").variant == "leave-one-out"
    named = choose_videos(dealt, "fold1")
    assert (named.variant, named.split, named.folds[0].queries) == ("", "fold1", (0, 2))


@pytest.mark.parametrize("given", [{}, {"variant": "leave-group-out"}, {"folds": 2}])
def test_a_split_that_is_not_there_is_an_error_under_every_variant(tmp_path, given):
    data = grouped(tmp_path, [("a", None), ("a", None), ("b", None), ("b", None)])
    with pytest.raises(UserError, match="has no split 'split1'. It has none"):
        choose_videos(data, "split1", **given)


@pytest.mark.parametrize("variant", ["split", "leave-group-out"])
def test_weighted_views_equal_plain_loops(small_run, variant):
    """rgb three times as loud as flow; every video in order v0..v7, two of a group, classes in turn."""
    options = {"variant": variant, "weights": {"rgb": 3, "pose": 5}}
    result = evaluate(small_run.run, small_run.data, settings=options)
    data = PreparedDataset.open(small_run.data)
    run = load(small_run.run)
    for kind, encoders in (("trained", run.encoders), ("random", run.random_encoders())):
        features = run.embed_entries(data, data.ready, encoders=encoders).features
        hits, queries = 0, range(4, 8) if variant == "split" else range(8)
        for query in queries:
            gallery = range(4) if variant == "split" else [i for i in range(8) if i // 2 != query // 2]
            cosines = {
                item: 3 / 4 * float(features["rgb"][query] @ features["rgb"][item])
                + 1 / 4 * float(features["flow"][query] @ features["flow"][item])
                for item in gallery
            }
            best = max(cosines, key=cosines.get)
            hits += data.ready[best].label == data.ready[query].label
        row = result.row(kind, "weighted views")
        assert row.metrics["R@1"] == pytest.approx(hits / len(queries))
        assert "rgb 75%, flow 25%" in row.description
    assert result.row("pixels", "weighted views") is None
    assert result.settings["weights"] == {"rgb": 3, "pose": 5}
    assert "weighted views" in result.examples


def test_equal_weights_make_no_second_ensemble(result):
    """The default weighs rgb and flow alike."""
    assert result.settings["weights"]["rgb"] == 2
    assert result.row("trained", "weighted views") is None


def test_weights_that_cannot_be_used_are_the_users_error(small_run):
    with pytest.raises(UserError, match="'floww' is no view; did you mean 'flow'"):
        evaluate(small_run.run, small_run.data, settings={"weights": {"floww": 1}})
    with pytest.raises(UserError, match="one above 0"):
        evaluate(small_run.run, small_run.data, settings={"weights": {"rgb": 0, "flow": 0}})
    with pytest.raises(UserError, match="greater than or equal to 0"):
        evaluate(small_run.run, small_run.data, settings={"weights": {"rgb": -1}})


def test_an_earlier_checkpoint_gets_a_file_and_a_remark(small_run):
    result = evaluate(small_run.run, small_run.data, checkpoint="rgb-00000010", settings={"baselines": False})
    assert result.path.endswith("retrieval-split1-rgb-00000010.json")
    assert "still random: flow" in result.remarks[0]


def test_another_data_set_gets_its_own_file(small_run, tmp_path):
    shutil.copytree(small_run.data, tmp_path / "elsewhere")
    result = evaluate(small_run.run, tmp_path / "elsewhere", settings={"baselines": False})
    assert result.path.endswith("retrieval-split1-elsewhere.json")


def test_wrong_words_are_the_users_error(small_run):
    with pytest.raises(UserError, match="unknown protocol 'retrieve'; did you mean 'retrieval'"):
        evaluate(small_run.run, small_run.data, protocol="retrieve")
    with pytest.raises(UserError, match="no split 'split9'"):
        evaluate(small_run.run, small_run.data, split="split9")
    with pytest.raises(UserError, match="variant"):
        evaluate(small_run.run, small_run.data, settings={"variant": "leave-one"})


def test_every_protocol_is_described():
    for name in PROTOCOLS:
        kind = PROTOCOLS.load(name)
        assert kind.__doc__
        assert kind(kind.Settings()).settings == kind.Settings()


def made_up(*rows):
    entries = tuple(
        VideoEntry(id=str(n), path=str(n), label=label, splits={"s": part} if part else {}, status=status)
        for n, (label, part, status) in enumerate(rows)
    )
    return PreparedDataset(Path("data"), entries, {}, {})


def test_counts_name_a_class_that_is_only_queried():
    data = made_up(("a", "train", "ready"), ("b", "test", "ready"), ("a", "test", "ready"), ("a", None, "ready"))
    videos = choose_videos(data, "s")
    (fold,) = videos.folds
    assert [videos.entries[i].id for i in fold.queries] == ["1", "2"]
    assert [videos.entries[i].id for i in fold.gallery] == ["0"]
    assert videos.counts["queries_without_their_class_in_gallery"] == 1
    assert videos.counts["not_in_this_split"] == 1


def test_no_labels_is_the_users_error():
    data = made_up((None, "train", "ready"), ("a", "test", "ready"))
    with pytest.raises(UserError, match="none that are ready for the gallery"):
        choose_videos(data, "s")


def test_a_result_without_numbers_survives_the_file(result, tmp_path):
    row = dataclasses.replace(result.rows[0], metrics={"R@1": math.nan})
    path = tmp_path / "r.json"
    write_result(dataclasses.replace(result, rows=(row,), path=str(path)))
    assert math.isnan(read_result(path).rows[0].metrics["R@1"])
    assert "NaN" not in path.read_text()


def test_a_file_that_is_no_result_is_named_and_stops_no_other(result, tmp_path, caplog):
    folder = tmp_path / "evaluation"
    write_result(dataclasses.replace(result, path=str(folder / "good.json")))
    values = read_json(folder / "good.json")
    odd = {
        "list": [],
        "newer": {"format": 99},
        "kind": {**values, "rows": [{**values["rows"][0], "kind": "mine"}]},
        "word": {**values, "rows": [{**values["rows"][0], "metrics": {"R@1": "much"}}]},
        "empty": {**values, "rows": []},
    }
    for name, content in odd.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
        with pytest.raises(UserError, match="is not a result|newer coview"):
            read_result(folder / f"{name}.json")
    assert [Path(one.path).name for one in read_results(tmp_path)] == ["good.json"]
    assert all(f"{name}.json" in caplog.text for name in odd)


def test_a_damaged_result_is_named_and_left_out(result, tmp_path, caplog):
    path = tmp_path / "evaluation" / "a.json"
    write_result(dataclasses.replace(result, path=str(path)))
    sound = path.read_text()
    score = re.search(r'"R@1": ([0-9.]+)', sound)
    path.write_text(sound.replace(score[0], '"R@1": 0.975', 1))
    with pytest.raises(UserError, match=r"a.json is not a result .*damaged: its checksum differs"):
        read_result(path)
    assert read_results(tmp_path) == []
    assert "damaged" in caplog.text
    unsealed = {name: value for name, value in json.loads(sound).items() if name != "sha256"}
    path.write_text(json.dumps(unsealed))  # as results were before there were checksums
    assert read_result(path).rows == result.rows


def test_files_of_an_older_format_are_named_and_left_out(result, tmp_path, caplog):
    path = tmp_path / "evaluation" / "a.json"
    write_result(dataclasses.replace(result, path=str(path)))
    path.write_text(json.dumps({**read_json(path), "format": 1}))
    with pytest.raises(UserError, match=r"older coview \(format 1; this one reads 3\).* coview evaluate .*--protocol"):
        read_result(path)
    assert read_results(tmp_path) == []
    assert "older coview" in caplog.text


def test_a_result_is_read_like_a_table(result):
    assert result["flow"]["R@1"] == result.row("trained", "flow").metrics["R@1"]
    assert len(result) == len(list(result)) == 10
    frame = result.to_pandas()
    assert list(frame.columns[:3]) == ["kind", "features", "R@1"]
    assert frame.loc[frame["features"] == "chance", "R@1"].item() == pytest.approx(0.5)
    assert frame.loc[0, "R@1 error"] == result.rows[0].standard_errors["R@1"]
    assert repr(result).startswith("Result(run, retrieval, split split1, R@1: rgb ")
    with pytest.raises(KeyError, match="did you mean 'flow'"):
        result["flwo"]


def test_objects_are_taken_as_paths_are(result, small_run):
    run, data = load(small_run.run), PreparedDataset.open(small_run.data)
    assert evaluate(run, data).rows == result.rows
    weighted = evaluate(run, data, settings={"weights.rgb": 3, "baselines": False, "stages": False})
    assert weighted.settings["weights"] == {"rgb": 3}
    earlier = evaluate(run, data, checkpoint="rgb-00000010", settings={"stages": False})
    assert earlier.checkpoint["checkpoint"] == "rgb-00000010"
    with pytest.raises(TypeError, match="expected a run, its folder or a list of ensemble members, got int"):
        evaluate(3, data)
    with pytest.raises(TypeError, match="expected a prepared data set or its folder, got int"):
        evaluate(run, 3)


def test_more_metrics_stand_beside_the_first(result, small_run):
    both = evaluate(small_run.run, small_run.data, settings={"metrics": ["recall", "clusters"], "stages": False})
    assert both["rgb"]["R@1"] == result["rgb"]["R@1"]
    assert list(both["rgb"])[-2:] == ["mean entropy", "mean max purity"]
    assert both.scale("mean entropy").unit == "nats"
    assert not read_result(Path(both.path)).scale("mean entropy").higher_is_better
    assert both.row("chance", "chance").metrics.keys() == both["rgb"].keys()
    alone = evaluate(small_run.run, small_run.data, settings={"metrics": ["knn"], "stages": False, "baselines": False})
    assert list(alone["rgb"]) == ["top-1", "top-5", "mean per class"]
    assert 0 < alone.row("chance", "chance").metrics["top-1"] < 1
    with pytest.raises(UserError, match="unknown metric 'recal'; did you mean 'recall'"):
        evaluate(small_run.run, small_run.data, settings={"metrics": ["recal"]})


def test_pixel_vectors_by_hand():
    red, blue = np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    vectors = _pixel_vectors(iter([red, blue, red]))
    histogram = vectors["colour histogram"]
    assert histogram[7 * 64] == pytest.approx(math.sqrt(2 / 3))
    assert histogram[7] == pytest.approx(math.sqrt(1 / 3))
    mean = vectors["mean frame"].reshape(24, 32, 3)
    expected = np.array([170, 0, 85]) - 85
    np.testing.assert_allclose(mean[3, 5], expected / np.linalg.norm(expected) / math.sqrt(24 * 32), atol=1e-6)
    assert np.abs(vectors["frame difference"]).max() == pytest.approx(0, abs=1e-6)  # red and blue are equally grey


def test_the_frame_difference_is_where_something_moves():
    frames = np.zeros((2, 24, 32, 3), np.uint8)
    frames[1, 5, 7] = 90
    difference = _pixel_vectors(iter(frames))["frame difference"].reshape(24, 32)
    assert difference[5, 7] == pytest.approx(1)
    assert difference.sum() == pytest.approx(1)


def test_chunks_of_frames_make_the_same_vectors(small_run, monkeypatch):
    data = PreparedDataset.open(small_run.data)
    whole = _embed_pixels(data, data.ready[:3], workers=2)
    monkeypatch.setattr(pixel_baselines, "_CHUNK", 7)
    parts = _embed_pixels(data, data.ready[:3], workers=1)
    for name in PIXEL_BASELINES:
        np.testing.assert_array_equal(whole.features[name], parts.features[name])
