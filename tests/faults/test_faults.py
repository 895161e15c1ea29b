"""A part of the suite that takes seconds; `make faults` runs the whole."""

import time

import pytest
from campaign import Campaign
from children import run_child
from damage import damage, try_damage
from damaged_collections import try_collection_damage
from interruptions import try_disks, try_kills, try_signals
from mutated_videos import try_videos
from odd_options import try_options
from odd_settings import try_settings
from victims import Victim, make_collection, make_victim

from coview.errors import UserError


@pytest.fixture(scope="module")
def victim(tmp_path_factory) -> Victim:
    return make_victim(tmp_path_factory.mktemp("victim"))


@pytest.fixture
def campaign() -> Campaign:
    return Campaign(seed=1)


def faults(campaign: Campaign) -> list[str]:
    return [f"{kind}: {text}" for kind, texts in campaign.faults.items() for text in texts]


def test_odd_settings_end_in_one_line(campaign, tmp_path):
    try_settings(campaign, tmp_path, each=25)
    assert faults(campaign) == []
    assert sum(campaign.tried.values()) == 75


def test_odd_options_are_refused_in_one_line(campaign, victim):
    try_options(campaign, victim, victim.source.parent, each=3, only=("search", "duplicates", "sample", "predict"))
    assert faults(campaign) == []
    assert sum(campaign.tried.values()) == 12


def test_damaged_files_are_told_and_never_taken_for_sound(campaign, victim, tmp_path):
    try_damage(campaign, victim, tmp_path, each=2)
    assert faults(campaign) == []
    assert sum(campaign.tried.values()) >= 30


def test_what_a_collection_keeps_is_told_when_damaged(campaign, victim):
    folder = victim.source.parent
    try_collection_damage(campaign, victim, make_collection(victim, folder, with_onnx=False), folder, each=3)
    assert faults(campaign) == []
    assert sum(campaign.tried.values()) >= 20


def test_videos_with_accidents_end_with_a_reason(campaign, victim, tmp_path):
    try_videos(campaign, victim, tmp_path, each=3)
    assert faults(campaign) == []


def test_what_is_killed_or_has_no_room_goes_on_to_the_same_end(campaign, victim):
    folder = victim.source.parent  # where the collection of another test may lie already
    try_kills(campaign, victim, folder, each=1, names=("prepare", "pretrain", "head", "predict"))
    try_signals(campaign, victim, folder, each=1, names=("head",))
    try_disks(campaign, victim, folder, each=1, names=("prepare", "head"))
    assert faults(campaign) == []


def test_faults_are_seen(campaign, tmp_path):
    """Were the suite blind, it would never fail."""

    def refuse(text: str) -> str:
        raise UserError(text)

    campaign.attempt("right", "a word", lambda: refuse("one line"))
    campaign.attempt("right", "nothing", lambda: "")
    for what, event in {
        "a traceback": lambda: str(1 // 0),
        "lines": lambda: refuse("one\ntwo"),
        "an objection": lambda: "another outcome",
        "no end": lambda: time.sleep(60) or "",
        "endless work": lambda: str(sum(1 for _ in iter(int, 1))),
    }.items():
        campaign.attempt("wrong", what, event, limit_seconds=0.05)
    assert (campaign.tried["right"], campaign.faults["right"]) == (2, [])
    assert [fault.partition(":")[0] for fault in campaign.faults["wrong"]] == [
        "a traceback",
        "lines",
        "an objection",
        "no end",
        "endless work",
    ]
    assert "wrong      5 tried    5 faults" in campaign.table()
    assert "traceback" in run_child(lambda: 1 // 0, tmp_path / "log").objection


def test_damage_changes_a_file_and_follows_the_seed():
    content = bytes(range(256)) * 4
    first, again = ([damage(content, Campaign(3).generator("x")) for _ in range(3)] for _ in range(2))
    assert first == again
    assert all(changed != content for _, changed in first)
