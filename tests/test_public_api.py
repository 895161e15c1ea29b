"""The public API: exactly what the documents say, cheap to import, and run as a person would type it."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import coview
from coview import registry
from coview.registry import load_plugins

API = {
    "Embeddings",
    "PrepareSettings",
    "PreparedDataset",
    "Result",
    "Run",
    "RunConfig",
    "UserError",
    "adapt",
    "analyse",
    "evaluate",
    "export",
    "load",
    "load_head",
    "open_index",
    "prepare",
    "pretrain",
    "register",
    "search",
    "write_report",
}
SMALL = {
    "views.rgb.size": 32,
    "views.flow.size": 32,
    "clip.num_blocks": 3,
    "clip.block_length": 2,
    "method": {"predict_blocks": 1},
    "training": {"batch_size": 4, "workers": 0, "precision": "fp32", "channels_last": "never"},
}


def test_every_name_is_there_and_nothing_else():
    assert {name for name in dir(coview) if not name.startswith("_")} == API
    assert set(coview.__all__) == API
    for name in API:
        assert getattr(coview, name).__name__ == name
        assert getattr(coview, name).__doc__


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("losses", "sinkhorn swapped_assignment_loss dense_prediction_loss sync_loss sim_loss info_nce_loss"),
        ("losses", "InfoNCELoss SwappedAssignmentLoss CooperationLoss DensePredictionLoss"),
        ("encoders", "s3d s3dg r2plus1d10 r2plus1d18 r2d3d18 r2d3d34 tiny3d ProjectionHead ConvGRU"),
        ("methods", "CPC CoCon ViCC MomentumCopy"),
        ("clips", "ClipDataset"),
        ("augmentation", "ClipAugmentation"),
        ("views", "tvl1_flow"),
        ("training", "LARS"),
    ],
)
def test_each_part_is_imported_from_its_folder(folder, names):
    module = importlib.import_module(f"coview.{folder}")
    for name in names.split():
        assert name in module.__all__
        assert getattr(module, name).__doc__


PARTS = """
import torch
from torch.utils.data import DataLoader

from coview.losses import sinkhorn, swapped_assignment_loss, dense_prediction_loss, sync_loss, sim_loss, info_nce_loss
from coview.losses import InfoNCELoss, SwappedAssignmentLoss, CooperationLoss, DensePredictionLoss
from coview.encoders import s3d, s3dg, r2plus1d10, r2plus1d18, r2d3d18, r2d3d34, tiny3d
from coview.encoders import ProjectionHead, ConvGRU
from coview.methods import CPC, CoCon, ViCC
from coview.clips import ClipDataset
from coview.augmentation import ClipAugmentation
from coview.views import tvl1_flow
from coview.training import LARS

clips = ClipDataset(data, views=["rgb", "flow"], frames=16, stride=2)
batch = next(iter(DataLoader(clips, batch_size=8, num_workers=2)))["views"]  # rgb (8, 3, 16, H, W) uint8
one = ClipAugmentation(size=112)(batch["rgb"])  # (8, 3, 16, 112, 112)
both = ClipAugmentation(size=32)(batch)
encoders = {"rgb": tiny3d(), "flow": tiny3d(in_channels=2)}
features, maps = encoders["rgb"].pooled(both["rgb"]), encoders["rgb"](both["rgb"])  # (8, D), (8, D, T', S, S)
output = CoCon(encoders=encoders, predict_blocks=3)(both)
output.total.backward()
outputs = [CPC({"rgb": tiny3d()})({"rgb": both["rgb"]}), output]
vicc = ViCC({"rgb": tiny3d(), "flow": tiny3d(in_channels=2)})
vicc.begin_stage("rgb")
outputs.append(vicc({"rgb": both["rgb"].unflatten(2, (2, 8)).movedim(2, 1)}))  # two clips a video: (8, 2, 3, 8, 32, 32)
z = ProjectionHead(encoders["rgb"].feature_size, 16)(features)  # (8, 16)
states = ConvGRU(encoders["rgb"].feature_size)(maps.movedim(1, -1))  # (8, T', S, S, D)
motion = tvl1_flow(batch["rgb"][0].movedim(0, -1)[:2, :24, :24])  # (2, 24, 24, 2) pixels

scores, cosines = torch.randn(8, 10), z @ z.T
assigned = sinkhorn(scores)  # (8, 10)
blocks = torch.nn.functional.normalize(torch.randn(2, 3, 2, 2, 16), dim=-1)
losses = [
    swapped_assignment_loss([scores, scores], [assigned, assigned]),
    dense_prediction_loss(blocks, blocks),
    sync_loss(cosines, cosines),
    sim_loss(cosines, torch.arange(8)),
    info_nce_loss(z, z),
    InfoNCELoss()(z, z),
    SwappedAssignmentLoss()([scores, scores]),
    CooperationLoss()({"rgb": z, "flow": z}),
    DensePredictionLoss()(blocks, blocks),
]
LARS(encoders["rgb"].parameters(), lr=0.1).step()
"""


def test_the_parts_work_without_the_rest(data):
    """Every part, imported and called as somebody else's loop would."""
    found = {"data": str(data.root)}
    exec(PARTS, found)
    assert found["one"].shape == (8, 3, 16, 112, 112)
    assert found["features"].shape == (8, found["encoders"]["rgb"].feature_size)
    assert found["z"].shape == (8, 16)
    assert found["states"].shape == found["maps"].movedim(1, -1).shape
    assert found["motion"].shape == (2, 24, 24, 2)
    assert found["assigned"].shape == (8, 10)
    for loss in (*found["losses"], *(output.total for output in found["outputs"])):
        assert loss.shape == ()
        assert loss.isfinite()
    assert set(found["output"].parts) >= {"rgb/cpc", "flow/cpc"}


@pytest.mark.parametrize("name", ["s3d", "s3dg", "r2plus1d10", "r2plus1d18", "r2d3d18", "r2d3d34", "tiny3d"])
def test_encoders_are_constructors_with_defaults(name):
    build = getattr(importlib.import_module("coview.encoders"), name)
    with torch.device("meta"):
        encoder = build()
        clips = torch.empty(2, 3, 16, 64, 64)
        assert encoder.pooled(clips).shape == (2, encoder.feature_size)
        assert build(in_channels=2)(clips[:, :2]).ndim == 5


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="'coview' has no attribute 'lod'"):
        _ = coview.lod


def test_importing_it_imports_nothing_heavy():
    heavy = ("torch", "numpy", "av", "pyarrow", "pydantic", "pandas")
    code = f"import sys, coview; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("api") / "videos"


@pytest.fixture(scope="module")
def data(videos) -> coview.PreparedDataset:
    made = {"num_videos": 20, "num_frames": 16, "height": 32, "width": 48}
    settings = {"synthetic": made, "flow.algorithm": "dis", "storage.short_side": 32, "workers": 0}
    return coview.prepare(
        str(videos), str(videos.parent / "data"), views=["rgb", "flow"], layout="synthetic", settings=settings
    )


@pytest.fixture(scope="module")
def run(data, videos) -> coview.Run:
    return coview.pretrain("small", data=str(data.root), out=str(videos.parent / "run"), max_steps=1, settings=SMALL)


def test_prepare_gives_a_data_set_that_is_described_in_a_line(data, videos):
    assert isinstance(data, coview.PreparedDataset)
    assert repr(data) == f"PreparedDataset({str(data.root)!r}, 20 videos, views: rgb, flow)"
    assert data.view_options["flow"]["algorithm"] == "dis"
    again = coview.prepare(videos, data.root, coview.PrepareSettings(
        layout="synthetic", synthetic=data_settings(data), options={"flow": {"algorithm": "dis"}}, workers=0,
        storage=storage_settings(data),
    ))  # fmt: skip
    assert repr(again) == repr(data)


def data_settings(data):
    from coview.datasets.synthetic import SyntheticSettings

    assert data.info["layout"] == "synthetic"
    return SyntheticSettings(num_videos=20, num_frames=16, height=32, width=48)


def storage_settings(data):
    from coview.views.base import StorageSettings

    return StorageSettings(**data.info["storage"])


def test_pretrain_gives_a_run_that_load_opens_again(run, data):
    assert isinstance(run, coview.Run)
    assert run.config.views["rgb"].size == 32
    assert run.config.training.max_steps == 1
    assert coview.load(str(run.path)).checkpoint == run.checkpoint == coview.load(run.path).checkpoint
    assert len(repr(run)) < 300
    with pytest.raises(coview.UserError, match="already holds a run"):
        coview.pretrain(run.config, data, run.path)
    resumed = coview.pretrain(run.config, data, run.path, resume=True)
    assert resumed.position == run.position


def test_embed_and_search(run, data, videos, tmp_path):
    vectors = run.embed(data)
    assert isinstance(vectors, coview.Embeddings)
    assert vectors["flow"].shape[0] == len(vectors) == len(vectors.ids) == 20
    assert vectors["flow"].dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors["flow"], axis=1), 1, rtol=1e-5)
    assert vectors[3].id == vectors.ids[3]
    assert len(vectors.to_pandas()) == 20
    vectors.save(tmp_path / "v.parquet")
    np.testing.assert_array_equal(coview.Embeddings.load(tmp_path / "v.parquet")["rgb"], vectors["rgb"])
    frames = np.random.default_rng(0).integers(0, 255, (16, 32, 48, 3), dtype=np.uint8)
    assert len(run.embed(frames)) == 1
    assert len(run.embed([sorted(videos.glob("*.mp4"))[0]], windows=True)) >= 1
    hits = coview.search(str(sorted(videos.glob("*.mp4"))[0]), vectors, run=run, top=5)
    assert len(list(hits)) == len(hits.to_pandas()) == 5
    cosines = [hit.cosine for hit in hits]
    assert cosines == sorted(cosines, reverse=True)


def test_evaluate_gives_a_result(run, data):
    result = coview.evaluate(run, data, protocol="retrieval")
    assert isinstance(result, coview.Result)
    assert 0 <= result["rgb"]["R@1"] <= 1
    assert len(result.to_pandas())
    assert len(repr(result)) < 2000
    by_path = coview.evaluate(str(run.path), str(data.root), protocol="knn", settings={"neighbours": 3})
    assert by_path["flow"]


def test_analyse_and_report(run, data):
    (found,) = coview.analyse(run, data, ["similarity"], part="all")
    assert found
    page = coview.write_report(run)
    assert page.name == "report.html"
    assert page == coview.write_report(str(run.path))


PLUGIN = """
import coview
from coview.encoders.tiny3d import tiny3d

@coview.register("encoder", "of-somebody-else")
def build(in_channels: int = 3):
    "tiny3d under another name."
    return tiny3d(in_channels=in_channels)
"""


def test_a_run_remembers_its_plugins_and_imports_none(data, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_decorated", {})
    monkeypatch.setattr(registry, "_plugins", [])
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "plugin_of_a_run.py").write_text(PLUGIN)
    load_plugins(["plugin_of_a_run"])
    settings = {**SMALL, "encoder.name": "of-somebody-else"}
    made = coview.pretrain("small", data, tmp_path / "run", max_steps=1, settings=settings)
    assert made.resolved["plugins"] == [
        {"kind": "encoder", "name": "of-somebody-else", "plugin": "plugin_of_a_run", "how": "module"}
    ]
    code = f"import coview, sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    code += f"try: coview.load({str(tmp_path / 'run')!r})\nexcept coview.UserError as error: print(error)\n"
    code += "print('plugin_of_a_run' in sys.modules)\n"
    code += "from coview.registry import load_plugins; load_plugins(['plugin_of_a_run'])\n"
    code += f"print(coview.load({str(tmp_path / 'run')!r}).views)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert "the encoder 'of-somebody-else' of plugin_of_a_run, which is not loaded" in shown[0]
    assert "pass --plugin plugin_of_a_run" in shown[0]
    assert shown[1:] == ["False", "('rgb', 'flow')"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda run: coview.prepare(3, "out"), TypeError, r"source is 3 \(int\), expected a folder of videos"),
        (lambda run: coview.prepare("v", None), TypeError, "out is None \\(NoneType\\)"),
        (lambda run: coview.prepare("v", "out", views="rbg"), coview.UserError, "'rbg'; did you mean 'rgb'"),
        (lambda run: coview.prepare("v", "out", ["rgb"]), TypeError, "settings is .*list.*expected names and values"),
        (lambda run: coview.prepare("v", "out", {"wokers": 1}), coview.UserError, "'wokers'; did you mean 'workers'"),
        (lambda run: coview.prepare("v", "out", {"workers": "x"}), coview.UserError, "workers: .*integer.*got 'x'"),
        (lambda run: coview.prepare("v", "out", views=["rbg"]), coview.UserError, "'rbg'; did you mean 'rgb'"),
        (lambda run: coview.prepare("v", "out", layout="fodler"), coview.UserError, "did you mean 'folder'"),
        (lambda run: coview.prepare("no/such", "out"), coview.UserError, "no/such"),
        (lambda run: coview.pretrain(3.5, "d", "o"), TypeError, "config is 3.5 .* expected a RunConfig, or"),
        (lambda run: coview.pretrain("smal", "d", "o"), coview.UserError, "did you mean 'small'"),
        (lambda run: coview.pretrain("small", 1, "o"), TypeError, r"data is 1 \(int\), expected a PreparedDataset"),
        (lambda run: coview.pretrain("small", "no/data", "o"), coview.UserError, "no/data does not exist"),
        (lambda run: coview.pretrain("small", "d", 2.5), TypeError, r"out is 2.5 \(float\), expected the folder"),
        (lambda run: coview.pretrain("small", "d", "o", settings=5), TypeError, "settings is 5 .int."),
        (lambda run: coview.pretrain("small", "d", "o", max_steps="many"), coview.UserError, "max_steps.*'many'"),
        (lambda run: coview.pretrain("small", "d", "o", settings={"sed": 1}), coview.UserError, "did you mean 'seed'"),
        (lambda run: coview.load(7), TypeError, "run is 7 .int., expected the folder of a run"),
        (lambda run: coview.load("no/run"), coview.UserError, "no/run is not a run"),
        (lambda run: run.embed(12), TypeError, "expected a path, .* got int"),
        (lambda run: run.embed(np.zeros((3, 4))), coview.UserError, r"frames must be \(T, H, W, 3\) uint8"),
        (lambda run: run.embed("no.mp4"), coview.UserError, "no such video file: no.mp4"),
        (lambda run: run.embed([]), coview.UserError, "list of videos is empty"),
        (lambda run: coview.search(3, 4, run=run), TypeError, "expected"),
        (lambda run: coview.evaluate(3, "d"), TypeError, "run"),
        (lambda run: coview.evaluate(run, 3), TypeError, "data"),
        (lambda run: coview.evaluate(run, "d", protocol="retreival"), coview.UserError, "did you mean 'retrieval'"),
        (lambda run: coview.analyse(3, "d"), TypeError, "run"),
        (lambda run: coview.analyse(run, "no/data"), coview.UserError, "no/data"),
        (lambda run: coview.write_report(3), TypeError, "run"),
        (lambda run: coview.register("metod", "x"), coview.UserError, "did you mean 'method'"),
    ],
)
def test_wrong_calls_say_what_was_expected(call, error, message, run):
    with pytest.raises(error, match=message):
        call(run)


def test_the_sample_in_the_readme_runs(data, videos, tmp_path, monkeypatch):
    """Those of the page on Python, cut to one step a stage and one analysis; the README's lines are among them."""
    root = Path(__file__).parents[1]
    pages = [root / "README.md", root / "docs" / "how-to" / "from-python.md"]
    (short,), (sample,) = (re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL) for page in pages)
    assert {line.partition("  #")[0] for line in short.splitlines()} <= {
        line.partition("  #")[0] for line in sample.splitlines()
    }
    monkeypatch.chdir(tmp_path)
    for number, file in enumerate(sorted(videos.glob("*.mp4"))[:12]):
        folder = Path("my_videos", "train" if number < 8 else "test", f"class{number % 2}")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder)
    shutil.copy(file, "query.mp4")
    end = 'data, "runs/mine")'
    assert sample.count(end) == 1
    quick = sample.replace(end, f'data, "runs/mine", max_steps=1, settings={SMALL!r})')
    exec(quick.replace("analyse(run, data)", "analyse(run, data, ['similarity'])"), {})
    assert Path("runs/mine/report.html").is_file()


def test_wrong_calls_to_embeddings(run, data):
    vectors = run.embed(data)
    with pytest.raises(KeyError, match="no view 'flw'; did you mean 'flow'"):
        _ = vectors["flw"]
    with pytest.raises(IndexError):
        _ = vectors[20]
