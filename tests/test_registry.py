"""Names in configs lead to objects, wrong names to help, and plugins add names of their own."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from coview import registry
from coview.errors import UserError
from coview.registry import (
    Registry,
    did_you_mean,
    load_plugins,
    loaded_plugins,
    record_plugins,
    register,
    require_plugins,
)

ROWS: Registry[type] = Registry("number", {"fraction": "fractions:Fraction", "decimal": "decimal:Decimal"})


@pytest.fixture(autouse=True)
def nothing_is_left_behind(monkeypatch):
    """Registrations of a test end with it."""
    for name in ("_decorated", "_registries"):
        monkeypatch.setattr(registry, name, {})
    monkeypatch.setattr(registry, "_plugins", [])
    registry._installed.cache_clear()
    yield
    registry._installed.cache_clear()


@pytest.fixture
def metrics() -> Registry[type]:
    return Registry("metric", {"fraction": "fractions:Fraction"})


def test_load_imports_the_object():
    from fractions import Fraction

    assert ROWS.load("fraction") is Fraction
    assert list(ROWS) == ["fraction", "decimal"]
    assert "decimal" in ROWS
    assert ROWS.plugin_of("decimal") == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fractoin", r"unknown number 'fractoin'; did you mean 'fraction'\? Known: fraction, decimal\."),
        ("xyz", r"unknown number 'xyz'\. Known: fraction, decimal\."),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(UserError, match=message):
        ROWS.load(name)


def test_did_you_mean_says_nothing_without_a_close_match():
    assert did_you_mean("qqq", ["rgb", "flow"]) == ""


def test_a_decorator_adds_a_name_before_or_after_the_registry_is_made():
    @register("metric", "early")
    def early() -> None: ...

    table: Registry[object] = Registry("metric", {"fraction": "fractions:Fraction"})

    @register("metric", "late")
    def late() -> None: ...

    assert list(table) == ["fraction", "early", "late"]
    assert table.load("early") is early
    assert table.load("late") is late
    with pytest.raises(UserError, match="did you mean 'early'"):
        table.load("erly")


def test_the_same_place_may_register_again_and_another_may_not(metrics):
    def make(module: str) -> type:
        return type("Mean", (), {"__module__": module, "__qualname__": "Mean"})

    register("metric", "mean")(make("one"))
    again = register("metric", "mean")(make("one"))
    assert metrics.load("mean") is again
    with pytest.raises(UserError, match="two things are called metric 'mean': one:Mean and other:Mean"):
        register("metric", "mean")(make("other"))
    with pytest.raises(UserError, match="metric 'fraction': fractions:Fraction and other:Mean"):
        register("metric", "fraction")(make("other"))


def test_a_name_of_ours_that_a_plugin_took_before_is_named_when_the_registry_is_made():
    register("metric", "fraction")(type("Mine", (), {"__module__": "mine", "__qualname__": "Mine"}))
    with pytest.raises(UserError, match="fractions:Fraction and mine:Mine"):
        Registry("metric", {"fraction": "fractions:Fraction"})


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("metod", "x", "cannot register a 'metod'; did you mean 'method'"),
        ("method", "a b", "a method called 'a b': a name is letters"),
        ("method", None, "a method called None"),
        ("view", "a.b", "a view called 'a.b'"),
    ],
)
def test_wrong_registrations_are_told(kind, name, message):
    with pytest.raises(UserError, match=message):
        register(kind, name)


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write a module and make it importable, for this test alone."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


MEAN = "import coview\n@coview.register('metric', 'mean')\ndef mean(): ...\n"


def test_a_plugin_is_imported_once_and_recorded(plugin, metrics):
    name = plugin("plugin_of_means", MEAN)
    load_plugins([name, name])
    assert loaded_plugins() == (name,)
    assert metrics.plugin_of("mean") == name
    recorded = record_plugins({"metric": ["fraction", "mean"]})
    assert recorded == [{"kind": "metric", "name": "mean", "plugin": name, "how": "module"}]
    require_plugins(recorded, source="runs/x")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("no_such_plugin", None, "the plugin 'no_such_plugin' cannot be imported .*in the folder you are in"),
        ("plugin_with_a_bug", "1 / 0", "'plugin_with_a_bug' cannot be imported .ZeroDivisionError: division by zero"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_the_users_error(name, text, message, plugin):
    if text is not None:
        plugin(name, text)
    with pytest.raises(UserError, match=message):
        load_plugins([name])
    assert loaded_plugins() == ()


@pytest.mark.parametrize(
    ("how", "plugin_name", "remedy"),
    [
        ("module", "my_package", "pass --plugin my_package, or in Python import my_package before"),
        ("installed package", "my-package", "install the package my-package"),
        ("module", "__main__", "the script that registers it"),
    ],
)
def test_what_a_run_recorded_is_asked_for_and_never_imported(how, plugin_name, remedy, plugin, metrics):
    plugin("my_package", "raise SystemExit('imported')")
    row = {"kind": "metric", "name": "mean", "plugin": plugin_name, "how": how}
    with pytest.raises(UserError, match=f"runs/x was made with the metric 'mean' of {plugin_name}.*{remedy}"):
        require_plugins([row], source="runs/x")


def use_entry_points(monkeypatch, *points: EntryPoint) -> list[str]:
    """Stand in for installed packages; return the groups that are looked up, as that happens."""
    asked: list[str] = []

    def entry_points(*, group: str) -> list[EntryPoint]:
        asked.append(group)
        return [point for point in points if point.group == group]

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    return asked


def test_entry_points_are_looked_at_when_a_name_is_not_ours(monkeypatch, plugin, metrics):
    name = plugin("package_of_means", MEAN)  # a decorator beside the entry point is no second thing
    asked = use_entry_points(monkeypatch, EntryPoint("mean", f"{name}:mean", "coview.metrics"))
    metrics.load("fraction")
    assert asked == []
    assert metrics.load("mean").__module__ == name
    assert list(metrics) == ["fraction", "mean"]
    assert asked == ["coview.metrics"]


def test_an_installed_package_is_found_and_recorded_by_its_name(plugin, tmp_path, metrics):
    name = plugin("means_of_a_package", "def mean(): ...")
    about = tmp_path / "my_means-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-means\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[coview.metrics]\nmean = {name}:mean\n")
    assert metrics.load("mean").__module__ == name
    assert metrics.plugin_of("mean") == "my-means"
    assert record_plugins({"metric": ["mean"]}) == [
        {"kind": "metric", "name": "mean", "plugin": "my-means", "how": "installed package"}
    ]


def test_an_entry_point_that_cannot_be_imported_is_the_users_error(monkeypatch, metrics):
    use_entry_points(monkeypatch, EntryPoint("mean", "no_such_package:mean", "coview.metrics"))
    with pytest.raises(UserError, match="no_such_package, which brings the metric 'mean', cannot be imported"):
        metrics.load("mean")


@pytest.mark.parametrize("name", ["fraction", "twice"])
def test_two_packages_with_one_name_are_told(name, monkeypatch, metrics):
    points = [EntryPoint(name, f"{package}:x", "coview.metrics") for package in ("a", "b")]
    use_entry_points(monkeypatch, *points)
    with pytest.raises(UserError, match=f"two things are called metric '{name}'"):
        list(metrics)


def test_importing_it_imports_no_metadata():
    code = "import sys, coview.registry; print('importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
