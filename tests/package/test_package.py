"""Wheel and sdist hold what coview needs; files beside the code (containers, clusters, hooks) say what is true."""

import configparser
import email
import re
import shlex
import subprocess
import tarfile
import tomllib
import zipfile

import pytest
import tyro
import yaml

import coview
from coview.cli import COMMANDS
from package.building import ROOT, build, copy_sources
from package.lowest import lowest_versions

DATA = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "coview").rglob("*") if path.is_file()}
DATA = {name for name in DATA if "__pycache__" not in name and not name.endswith((".pyc", ".nbi", ".nbc"))}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    sources = copy_sources(folder / "sources")
    return build(sources, "wheel", folder / "dist"), build(sources, "sdist", folder / "dist")


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert {"coview/py.typed", "coview/config/presets/joint.yaml"} <= names
    assert names == DATA


def test_metadata_says_what_is_true(built):
    with zipfile.ZipFile(built[0]) as wheel:
        (place,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        about = email.message_from_bytes(wheel.read(place))
        points = configparser.ConfigParser()
        points.read_string(wheel.read(place.replace("METADATA", "entry_points.txt")).decode())
        assert any(name.endswith("/LICENSE") for name in wheel.namelist())
    assert about["Version"] == coview.__version__
    assert about["Requires-Python"] == ">=3.11"
    assert points["console_scripts"]["coview"] == "coview.__main__:start"
    assert about.get_payload().startswith("# coview")
    classifiers = about.get_all("Classifier")
    assert [c.rpartition(" ")[2] for c in classifiers if re.search(r"Python :: 3\.\d", c)] == ["3.11", "3.12", "3.13"]
    assert {"pose", "serve", "cluster", "wandb", "mlflow", "trackio"} <= set(about.get_all("Provides-Extra"))


def test_the_sdist_builds_by_itself(built):
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "CHANGELOG.md", "src/coview/py.typed"} <= names
    assert not any(name.startswith("tests/") for name in names)


def test_the_version_stands_in_one_place():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == coview.__version__
    assert re.findall(r"^## \[(.*)\] - ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == coview.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" in project["dynamic"]


def test_every_requirement_has_a_lower_end():
    assert lowest_versions()["torch"]


def dockerfile() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def test_the_dockerfile_copies_what_is_there_and_ends_without_root():
    steps = dockerfile()
    known = {"FROM", "ARG", "RUN", "WORKDIR", "COPY", "ENV", "USER", "EXPOSE", "ENTRYPOINT", "CMD"}
    assert {step for step, _ in steps} <= known
    for step, rest in steps:
        if step == "COPY":
            assert all((ROOT / name).exists() for name in rest.split()[:-1]), rest
        if step == "RUN":
            assert subprocess.run(["bash", "-n", "-c", rest], check=False).returncode == 0, rest
    assert [rest for step, rest in steps if step == "USER"][-1] != "root"
    assert "--shm-size" in (ROOT / "Dockerfile").read_text()


def test_compose_serves_an_index():
    page = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["page"]
    serve = tyro.cli(COMMANDS[page["command"][0]], args=page["command"][1:])
    assert page["ports"] == [f"127.0.0.1:{serve.port}:{serve.port}"]
    folder = dict(dockerfile())["WORKDIR"]
    assert {volume.split(":")[1] for volume in page["volumes"]} >= {f"{folder}/{serve.index}", f"{folder}/runs"}
    assert ("EXPOSE", str(serve.port)) in dockerfile()
    assert page["shm_size"]
    built = {rest.partition("=")[0] for step, rest in dockerfile() if step == "ARG"}
    assert set(page["build"]["args"]) <= built


@pytest.mark.parametrize("script", sorted((ROOT / "examples" / "slurm").glob("*.sh")), ids=lambda path: path.name)
def test_scripts_for_slurm_parse_and_call_commands_there_are(script):
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    text = script.read_text().replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if "coview " in line and not line.startswith("#")]
    _, command, *words = shlex.split(line[line.index("coview ") :])
    assert tyro.cli(COMMANDS[command], args=[re.sub(r"\$\{\w+\}", "1", word) for word in words])


def test_workflow_and_hooks_run_what_there_is():
    makefile = (ROOT / "Makefile").read_text()
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    steps = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert steps
    for step in steps:
        assert re.search(rf"^{re.escape(step.removeprefix('make '))}:", makefile, re.MULTILINE), step
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks)
