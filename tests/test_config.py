"""Settings: strict, overridable, with messages that help."""

import dataclasses

import pytest
import yaml

from coview.config import RunConfig, as_plain, override, parse, write_yaml
from coview.config.files import config_groups, config_names, load_config
from coview.config.yaml_files import read_value
from coview.errors import UserError


def test_as_plain_and_back_is_the_same():
    config = RunConfig(views={"rgb": dataclasses.replace(RunConfig().views["rgb"], size=64)}, seed=3)
    text = yaml.safe_dump(as_plain(config))
    assert parse(RunConfig, yaml.safe_load(text), source="text") == config


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"trainin": {}}, r"unknown setting 'trainin'; did you mean 'training'"),
        ({"training": {"batchsize": 3}}, r"unknown setting 'training.batchsize'; did you mean 'batch_size'"),
        ({"views": {"rgb": {"siz": 3}}}, r"unknown setting 'views.rgb.siz'; did you mean 'size'"),
        ({"training": {"batch_size": 0}}, r"training.batch_size: .*greater than or equal to 1, got 0"),
        ({"training": {"precision": "bf61"}}, r"training.precision: .*'fp32', 'bf16'.*got 'bf61'"),
        ({"clip": {"frame_stride": "three"}}, r"clip.frame_stride: .*integer.*got 'three'"),
    ],
)
def test_mistakes_are_named(given, message):
    with pytest.raises(UserError, match=message):
        parse(RunConfig, given, source="my.yaml")


def test_all_mistakes_are_told_at_once():
    with pytest.raises(UserError, match=r"my\.yaml.*batch_size.*seeed"):
        parse(RunConfig, {"seeed": 1, "training": {"batch_size": -1}}, source="my.yaml")


def test_overrides_reach_nested_settings_and_leave_the_given_alone():
    given = {"training": {"batch_size": 4, "workers": 0}}
    changed = override(
        given,
        {
            "training.batch-size": 16,
            "optimiser": {"learning_rate": 0.001},
            "views.flow.size": 32,
            "split": None,
            "views.my-view.pad-channels": 3,
            "start-from.my-view": "runs/cpc",
            "training": {"max_steps": 2},
        },
    )
    assert changed == {
        "training": {"batch_size": 16, "workers": 0, "max_steps": 2},
        "optimiser": {"learning_rate": 0.001},
        "views": {"flow": {"size": 32}, "my-view": {"pad_channels": 3}},
        "split": None,
        "start_from": {"my-view": "runs/cpc"},
    }
    assert given == {"training": {"batch_size": 4, "workers": 0}}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("16", 16), ("null", None), ("[1, 2]", [1, 2]), ("false", False), ("dis", "dis")],
)
def test_values_are_read_as_they_are_typed(text, value):
    assert read_value(text) == value


def test_a_value_that_cannot_be_read_is_named():
    with pytest.raises(UserError, match=r"'a: \[' is not a value"):
        read_value("a: [")


def test_a_config_is_a_name_a_path_or_settings(tmp_path):
    by_name = load_config("cpc-ucf10-cpu", {"views.rgb.size": 32})
    assert by_name.views["rgb"].size == 32
    assert load_config(by_name) is by_name
    assert load_config(by_name, {"seed": 5}) == dataclasses.replace(by_name, seed=5)
    with pytest.raises(TypeError, match=r"config is 3 \(int\), expected a RunConfig, or the name or path of a config"):
        load_config(3)
    with pytest.raises(TypeError, match=r"settings: 7 \(int\) is no name of a setting"):
        load_config(by_name, {7: 1})
    with pytest.raises(TypeError, match=r"settings is \['seed=1'\] \(list\), expected names and values"):
        load_config(by_name, ["seed=1"])


def test_files_that_are_no_settings_are_named(tmp_path):
    for name, text, message in [("list.yaml", "- 1", "holds a list"), ("bad.yaml", "a: [", "not valid YAML")]:
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=message):
            load_config(tmp_path / name)
    with pytest.raises(UserError, match="no config file"):
        load_config(tmp_path / "absent.yaml")


def test_a_misspelt_config_names_the_three_nearest():
    with pytest.raises(UserError) as caught:
        load_config("cpc-ucf10-cup")
    message = str(caught.value)
    assert message.startswith("no config file cpc-ucf10-cup; did you mean 'cpc-ucf10-cpu'")
    assert message.count("'") == 6
    assert len(message) < 250


def test_a_bad_value_beside_a_config_is_not_blamed_on_the_file(tmp_path):
    with pytest.raises(UserError) as caught:
        load_config("cpc-ucf10-cpu", {"training.batch_size": "many"})
    assert "yaml" not in str(caught.value)
    assert "settings given beside the config" in str(caught.value)
    (tmp_path / "own.yaml").write_text("base: cpc-ucf10-cpu\ntraining: {batch_size: many}\n")
    for settings in (None, {"seed": 3}):
        with pytest.raises(UserError, match=r"own\.yaml"):
            load_config(tmp_path / "own.yaml", settings)
    assert load_config(tmp_path / "own.yaml", {"training.batch_size": 3}).training.batch_size == 3


def test_written_yaml_reads_back(tmp_path):
    write_yaml(tmp_path / "c.yaml", as_plain(RunConfig()), first_line="a run")
    assert load_config(tmp_path / "c.yaml") == RunConfig()
    assert (tmp_path / "c.yaml").read_text().startswith("# a run\n")


def test_shipped_configs_are_found_by_name_and_a_near_miss_is_suggested(tmp_path):
    for name in config_names():
        assert isinstance(load_config(name), RunConfig)
    with pytest.raises(UserError, match="did you mean 'demo'"):
        load_config("dmeo")
    own = tmp_path / "own.yaml"
    own.write_text("seed: 1")
    assert load_config(str(own)) == RunConfig(seed=1)


def test_a_base_is_merged_table_by_table_below_the_file_and_the_command_line(tmp_path):
    (tmp_path / "below.yaml").write_text("seed: 1\nviews: {rgb: {size: 64}}\nclip: {frame_stride: 2, num_blocks: 4}\n")
    (tmp_path / "middle.yaml").write_text("base: below.yaml\nviews: {flow: {size: 32}}\nclip: {frame_stride: 3}\n")
    own = tmp_path / "own.yaml"
    own.write_text("base: middle.yaml\nseed: 2\nmethod: {name: cocon, dropout: 0.0}\n")
    config = load_config(own, {"clip.frame_stride": 5})
    assert {view: item.size for view, item in config.views.items()} == {"rgb": 64, "flow": 32}
    assert (config.seed, config.clip.frame_stride, config.clip.num_blocks) == (2, 5, 4)
    assert config.method == {"name": "cocon", "dropout": 0.0}
    (tmp_path / "named.yaml").write_text("base: cpc-ucf10-cpu\nseed: 7\n")
    named, shipped = load_config(tmp_path / "named.yaml"), load_config("cpc-ucf10-cpu")
    assert named == dataclasses.replace(shipped, seed=7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: own.yaml", r"own\.yaml: its bases go round in a circle: own\.yaml -> own\.yaml"),
        ("base: other.yaml", r"circle: own\.yaml -> other\.yaml -> own\.yaml"),
        ("base: cpc-ucf10-cup", r"own\.yaml: base: no config file cpc-ucf10-cup; did you mean 'cpc-ucf10-cpu'"),
        ("base: [demo]", r"base is \['demo'\], expected the name"),
        ("base: demo\nsede: 1", r"unknown setting 'sede'; did you mean 'seed'"),
    ],
)
def test_a_base_that_cannot_be_used_is_named(tmp_path, text, message):
    (tmp_path / "other.yaml").write_text("base: own.yaml")
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        load_config(tmp_path / "own.yaml")


@pytest.mark.parametrize("name", [name for name in config_names() if name.startswith("cocon")])
def test_cocon_configs_say_what_their_names_say(name):
    config = load_config(name)
    small = 32 if name.endswith("cpu") or "-cpu-" in name else 64
    weights = {key: config.method.get(key, 1.0) for key in ("cooperation_weight", "sync_weight", "sim_weight")}
    off = {"cpc": "cooperation_weight", "sim": "sync_weight", "sync": "sim_weight"}.get(name.rpartition("-")[2])
    assert [key for key, weight in weights.items() if weight == 0] == ([off] if off else [])
    sizes = {view: item.size for view, item in config.views.items()}
    if "4view" in name:
        assert list(sizes) == ["rgb", "flow", "pose", "segmentation"]
        assert sizes["rgb"] == sizes["flow"] == 2 * small
        assert sizes["pose"] == sizes["segmentation"] == small
    else:
        assert list(sizes) == ["rgb", "flow"]
    is_released = name.endswith("released")
    assert (config.preset == "released-code") == is_released
    assert (config.method.get("discrepancy", "l2") == "l1") == is_released
    assert (config.augment.geometry == "independent") == is_released


def test_every_config_is_in_one_group_and_found_by_it():
    groups = config_groups()
    assert sorted(name for _, names in groups.values() for name in names) == config_names()
    assert groups["own"][1] == ["joint", "medium", "small"]
    assert all("ucf101" in name or "kinetics" in name for name in groups["paper"][1])
    assert load_config("paper/vicc-ucf101-s3d") == load_config("vicc-ucf101-s3d")
    with pytest.raises(UserError, match="no config file papers/vicc-ucf101-s3d"):
        load_config("papers/vicc-ucf101-s3d")
