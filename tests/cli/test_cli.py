"""The command line: quick help, mistakes without tracebacks, settings with dots."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from coview.cli import COMMANDS, run_arguments
from coview.cli import list as coview_list
from coview.cli.command import own_settings, split_plugins, split_settings
from coview.cli.listing import LISTS
from coview.cli.prepare import Prepare
from coview.cli.terminal import run_command
from coview.errors import UserError
from coview.registry import GROUPS
from small_run import small_run

__all__ = ["small_run"]


def coview(*words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as it is installed: unlike `python -m`, that does not put the folder one is in on the path."""
    command = [sys.executable, "-c", "from coview.cli import main; main()", *words]
    safe = {**os.environ, "PYTHONSAFEPATH": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder, env=safe)


def test_overview_names_every_command(capsys):
    assert run_arguments([]) == 0
    text = capsys.readouterr().out
    assert all(f"coview {name}" in text for name in COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_of_every_command_teaches(command, capsys):
    with pytest.raises(SystemExit) as exit_status:
        run_arguments([command, "--help"])
    assert exit_status.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: coview {command}" in text
    assert " ".join(COMMANDS[command].__doc__.split()[:5]) in " ".join(text.split())


@pytest.mark.parametrize(("words", "also"), [(["--help"], []), (["list", "settings"], ["pydantic"])])
def test_help_and_lists_import_nothing_heavy(words, also):
    code = f"import sys, coview.cli; sys.argv = ['coview', *{words}]\ntry: coview.cli.main()\nexcept SystemExit: pass\n"
    code += "print(sorted({'torch', 'numpy', 'av', 'cv2', 'numba', 'pyarrow', 'pydantic'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == str(also)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evalute"], "did you mean 'evaluate'"),
        (["list", "view"], "no list 'view'; did you mean 'views'"),
        (["pretrain", "dmeo", "--data", "x", "--out", "y"], "did you mean 'demo'"),
        (["pretrain", "demo", "--data", "no/such", "--out", "y"], "no/such"),
        (["pretrain", "demo", "--data", "x", "--out", "y", "--training.batchsize", "3"], "did you mean 'batch_size'"),
        (["pretrain", "demo", "--data", "x", "--out", "y", "--training.batch-size"], "needs a value"),
        (["prepare", "no/such/folder", "OUT"], "no/such/folder"),
        (["evaluate", "no/run", "--data", "x"], "no/run"),
        (["analyse", "no/run", "--data", "x"], "no/run"),
        (["analyse", "no/run", "--data", "x", "--tsne.k", "3"], "no setting of an analysis"),
        (["ensemble", "no/run", "no/other", "--data", "x"], "no/run"),
        (["ensemble", "no/run=loud", "--data", "x"], "'loud' is not a number"),
        (
            ["ensemble", "no/run", "--data", "x", "--protocol", "knn", "--linear.head", "plain"],
            "no setting of protocol",
        ),
        (["compare", "no/run", "no/other"], "no/run"),
        (["compare", "no/run", "no/run"], "are the same"),
        (["table", "no/run"], "no/run"),
        (["embed", "no/run", "x", "--out", "y.parquet"], "no/run"),
        (["embed", "no/run", "x", "--out", "y.txt"], "embeddings are written as .parquet or .csv"),
        (["search", "idx"], "coview search needs QUERY: What to look for (see coview search --help)"),
        (["head", "idx", "--out"], "--out needs a value"),
        (["sample", "idx", "x"], "COUNT takes a whole number, not 'x'"),
        (["duplicates", "idx", "--min-confidence", "y"], "--min-confidence takes a number, not 'y'"),
        (["index", "run", "videos", "idx", "--workers", "1.5"], "--workers takes a whole number, not '1.5'"),
        (["labels", "imprt", "idx"], "did you mean 'import'? Known: import, export, show, undo"),
        (["table", "--fromat", "csv"], "not understood: --fromat, csv; did you mean --format?"),
    ],
)
def test_mistakes_end_with_a_word_and_no_traceback(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_command(lambda: run_arguments(words)) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert message in " ".join(shown.split())
    assert len(shown.splitlines()) == 1
    assert "Traceback" not in shown
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no place that takes no folders")
@pytest.mark.parametrize("command", ["prepare", "pretrain", "index", "embed", "export", "adapt"])
def test_a_place_that_takes_no_folder_is_named_before_any_work(command, small_run, capsys):
    words = {
        "prepare": ["prepare", small_run.source, "/proc/out"],
        "pretrain": ["pretrain", "small", "--data", small_run.data, "--out", "/proc/out"],
        "index": ["index", small_run.run, small_run.source, "/proc/out"],
        "embed": ["embed", small_run.run, small_run.source, "--out", "/proc/out/a.csv"],
        "export": ["export", small_run.run, "--format", "hf", "--out", "/proc/out"],
        "adapt": ["adapt", small_run.run, "--data", small_run.data, "--out", "/proc/out"],
    }[command]
    assert run_command(lambda: run_arguments([str(word) for word in words])) == 2
    said = capsys.readouterr().err
    assert "/proc/out" in said
    assert "Traceback" not in said
    assert "embed:" not in said


def test_several_mistakes_have_a_line_each_and_a_name_breaks_none(capsys):
    def refuse() -> int:
        raise UserError("labels.csv: 2 mistakes:\n  line 3: no video a\nb.mp4\n  line 7: 9 s is after its end")

    assert run_command(refuse) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: labels.csv: 2 mistakes:", "  line 3: no video a\\nb.mp4", "  line 7: 9 s is after its end"
    ]  # fmt: skip


def test_a_bug_keeps_its_traceback():
    def bug() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(bug)


def test_settings_are_taken_out_of_a_command_line():
    words = ["cfg.yaml", "--training.batch-size", "16", "--data", "D", "--seed=3", "--views.flow.size=32", "--resume"]
    words += ["--start-from", "runs/cpc", "--start-from.rgb", "runs/other"]
    rest, settings = split_settings(words, COMMANDS["pretrain"].plain_settings)
    assert rest == ["cfg.yaml", "--data", "D", "--resume"]
    starts = {"start-from": "runs/cpc", "start-from.rgb": "runs/other"}
    assert settings == {"training.batch-size": 16, "seed": 3, "views.flow.size": 32, **starts}


def test_a_setting_may_be_negative_or_a_list_but_not_absent():
    assert split_settings(["--a.b", "-1", "--a.c", "[1, 2]"], ())[1] == {"a.b": -1, "a.c": [1, 2]}
    with pytest.raises(UserError, match="--a.b needs a value"):
        split_settings(["--a.b", "--data", "x"], ())
    with pytest.raises(UserError, match=r"--a\.b: '\[1' is not a value"):
        split_settings(["--a.b", "[1"], ())


def test_settings_of_a_protocol_lose_its_name():
    given = {"few-labels.draws": 3, "few_labels.labels.x": 1}
    assert own_settings(given, "protocol", "few-labels") == {"draws": 3, "labels.x": 1}
    with pytest.raises(UserError, match=r"--linear\.head is no setting of protocol knn; .* begin with --knn\."):
        own_settings({"linear.head": "plain"}, "protocol", "knn")


def test_defaults_of_prepare_are_those_of_its_settings():
    from coview.preparation.settings import PrepareSettings

    asked, settings = Prepare(Path("videos"), Path("out")), PrepareSettings()
    for name in ("layout", "lists", "views", "folds", "workers", "cluster", "shard", "retry_failed"):
        assert getattr(asked, name) == getattr(settings, name), name
    assert asked.short_side == settings.storage.short_side
    assert asked.fps == settings.storage.fps
    assert asked.timeout == settings.timeout_seconds


def test_plugins_may_stand_anywhere():
    words = ["--plugin", "one", "list", "--plugin=two", "methods", "--plugin", "three"]
    assert split_plugins(words) == (["list", "methods"], ["one", "two", "three"])
    for words in (["list", "--plugin"], ["--plugin", "--help"], ["--plugin="]):
        with pytest.raises(UserError, match="--plugin needs the name of a module"):
            split_plugins(words)


def test_a_plugin_in_the_folder_adds_its_rows(tmp_path):
    (tmp_path / "my_encoders.py").write_text(
        "import coview\nfrom coview.encoders import ENCODERS\n\n"
        "@coview.register('encoder', 'mine')\ndef mine(in_channels: int):\n    'Seen in the list.'\n"
    )
    shown = coview("list", "encoders", "--plugin", "my_encoders", folder=tmp_path)
    assert "mine                     Seen in the list. (my_encoders)" in shown.stdout
    assert "mine" not in coview("list", "encoders", folder=tmp_path).stdout
    absent = coview("list", "encoders", "--plugin", "no_such_module", folder=tmp_path)
    assert (absent.returncode, "Traceback" in absent.stderr) == (2, False)
    assert "the plugin 'no_such_module' cannot be imported" in absent.stderr


def test_version_from_the_installed_command():
    from coview import __version__

    assert coview("--version").stdout.strip() == f"coview {__version__}"


IN_LIST = {
    "views": "flow",
    "encoders": "r2d3d18",
    "methods": "cpc",
    "layouts": "ucf101",
    "protocols": "retrieval",
    "metrics": "recall",
    "analyses": "class-relations",
    "augmentations": "erase",
    "configs": "paper/cpc-ucf101",
    "settings": "training.batch_size",
    "all": "hmdb51",
}


def test_every_list_is_tried_and_named_in_the_help():
    assert {*LISTS, "all", "settings"} == set(IN_LIST)
    assert {group.removeprefix("coview.") for group in GROUPS.values()} == {*LISTS} - {"configs"}, (
        "every kind is listed"
    )
    text = (Path(coview_list.__file__)).read_text(encoding="utf-8")
    assert all(name in text for name in IN_LIST)


@pytest.mark.parametrize("what", sorted(IN_LIST))
def test_lists_are_printed(what, capsys):
    assert run_arguments(["list", what]) == 0
    assert IN_LIST[what] in capsys.readouterr().out


def test_every_setting_says_what_it_means():
    from coview.cli.reference import all_settings

    silent = [name for settings in all_settings().values() for name, _, meaning in settings if not meaning]
    assert silent == []
