"""The papers' numbers: complete, spelled right in places, and matched with our runs by their traits."""

import pytest
from published import PublishedRow, PublishedTable, published_table, published_tables, traits

from coview.config import RunConfig, as_plain
from coview.config.files import FOLDER, load_config
from coview.errors import UserError


def test_every_table_with_numbers_is_there():
    expected = [f"cocon-{number}" for number in (1, 2, 3, 5, 6)] + [f"vicc-{number}" for number in range(1, 8)]
    assert list(published_tables()) == expected


@pytest.mark.parametrize(
    ("shape", "row", "values"),
    [
        ("cocon-1", "L_cocon", (67.8, 72.5)),
        ("cocon-2", "CoCon K400", (72.1, 46.5, 71.8, 44.2)),
        ("cocon-3", "CoCon", (71.0, 39.0, 74.5, 45.4, 58.7, 42.6, 55.8, 34.0)),
        ("cocon-5", "2 views", (67.8, 37.7, 72.5, 44.1)),
        ("cocon-6", "CoCon - Ensemble, 128, ResNet18, 4 views, UCF101", (82.4, 52.0)),
        ("vicc-1", "ViCC-RGB-2", (72.2, 84.3, 62.1)),
        ("vicc-4", "ViCC-R+F, S3D, UCF101", (78.0, 47.9, 90.5, 62.2)),
        ("vicc-5", "ViCC-RGB, R(2+1)D", (58.6, 76.2, 83.1, 89.0, 25.3, 50.4, 64.0, 77.5)),
        ("vicc-6", "ViCC-RGB-2", (40.8, 67.8, 24.5, 1.4, 45.1)),
        ("vicc-7", "ViCC-R+F-2, no queue", (90.2,)),
    ],
)
def test_numbers(shape, row, values):
    assert next(found for found in published_table(shape).rows if found.name == row).values == values


@pytest.mark.parametrize("shape", published_tables())
def test_every_row_of_ours_says_which_features(shape):
    table = published_table(shape)
    for row in table.rows:
        for column in table.columns:
            assert row.ours is None or bool(row.features) != bool(column.features)


def test_tables_that_are_not_there_are_the_users_error():
    with pytest.raises(UserError, match="no table 'cocon-9'; did you mean 'cocon-"):
        published_table("cocon-9")
    with pytest.raises(UserError, match="cocon-4 holds names of classes"):
        published_table("cocon-4")
    with pytest.raises(ValueError, match="x: 1 values for 0 columns"):
        PublishedTable("P", 1, "", (), (PublishedRow("x", (1.0,)),))


def found_traits(name, stage, learnt_from="data/ucf101"):
    return traits(as_plain(load_config(FOLDER / f"{name}.yaml")), stage=stage, learnt_from=learnt_from)


@pytest.mark.parametrize(
    ("name", "stage", "expected"),
    [
        ("cpc-ucf101", "rgb", {"objective": "cpc", "phase": "alone", "views": 2}),
        ("cocon-ucf101-2view", "together", {"objective": "cocon", "phase": "together", "views": 2}),
        ("cocon-ucf101-2view", "flow", {"objective": "cpc", "phase": "alone"}),
        ("cocon-ucf101-2view-sim", "together", {"objective": "sim"}),
        ("cocon-ucf101-2view-sync", "together", {"objective": "sync"}),
        ("cocon-ucf101-2view-cpc", "together", {"objective": "cpc", "phase": "together"}),
        ("cocon-ucf101-4view", "together", {"objective": "cocon", "views": 4}),
        ("vicc-ucf101-s3d", "flow", {"objective": "vicc", "phase": "alone", "encoder": "s3d"}),
        ("vicc-ucf101-s3d", "cycle2-flow", {"objective": "vicc", "phase": "together", "predict_with": "all"}),
        ("vicc-ucf101-s3d-predict-other", "cycle2-flow", {"predict_with": "other", "assign_from": "all"}),
        ("vicc-ucf101-s3d-k1000", "cycle2-flow", {"prototypes": 1000}),
        ("vicc-ucf101-s3d-q0", "cycle2-flow", {"queue": 0}),
    ],
)
def test_traits_of_our_configs(name, stage, expected):
    found = found_traits(name, stage)
    assert {trait: found[trait] for trait in expected} == expected
    assert found["pretrained"] == "own"


def test_what_a_run_learnt_from():
    assert found_traits("cocon-kinetics-2view", "together", "/data/kinetics400")["pretrained"] == "kinetics"
    plain = traits(as_plain(RunConfig()), stage="rgb", learnt_from="")
    assert (plain["objective"], plain["pretrained"]) == ("cpc", "own")
