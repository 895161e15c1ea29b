"""What documents say is run: configs load and name their own command, the README's commands and sample exist."""

import dataclasses
import re
import shlex
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest
import torch
import tyro
import yaml

import coview
from coview.cli import COMMANDS
from coview.cli.command import split_plugins, split_settings
from coview.cli.listing import DESCRIBED
from coview.config import RunConfig, parse
from coview.config.files import FOLDER, config_meaning, config_names, load_config
from coview.encoders import tiny3d
from coview.registry import GROUPS

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", config_names())
def test_config_builds_its_method_and_first_line_runs_it(name):
    from coview.encoders import ENCODERS
    from coview.training.building import build_method, resolve_config
    from coview.views import VIEWS

    path = FOLDER / f"{name}.yaml"
    config = load_config(path)
    channels = {view: item.pad_channels or VIEWS.load(view).channels for view, item in config.views.items()}
    config = resolve_config(dataclasses.replace(config, encoder={"name": "tiny3d"}), num_videos=64, classes=("a", "b"))
    assert build_method(config, channels).stages()
    ENCODERS.load(load_config(path).encoder["name"])
    words = shlex.split(path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# "))
    assert words[:2] in (["coview", "pretrain"], ["coview", "demo"])
    assert words[1] == "demo" or words[2] == name
    assert re.fullmatch(r"[^`]{10,130}\.|(?:[^`]*`[^`]+`)+[^`]*\.", config_meaning(name))


EXTENDING = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def commands_in(text: str) -> list[str]:
    """Lines of code blocks that begin with coview or make, also after `torchrun ... -m` or `docker run ...`."""
    blocks = re.findall(r"```(?:bash|sh|console|text)\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = [re.sub(r"^(\$ |torchrun .*? -m (?=coview )|docker run .*?(?= coview ) )", "", line) for line in lines]
    return [line for line in found if re.match(r"(coview|make) ", line)]


def readme_commands() -> list[str]:
    return commands_in((ROOT / "README.md").read_text(encoding="utf-8"))


def test_readme_has_the_two_commands():
    assert {"make demo", "make test"} <= {command.split("#")[0].strip() for command in readme_commands()}


PAGES = {path.relative_to(ROOT / "docs").as_posix(): path for path in sorted((ROOT / "docs").rglob("*.md"))}
OF_PAGES = [command for path in PAGES.values() for command in commands_in(path.read_text(encoding="utf-8"))]


OTHERS = {path.name: path for path in sorted(ROOT.glob("*.md"))}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in {**PAGES, **OTHERS}.items()}


def test_every_page_is_in_the_contents_and_every_link_leads_somewhere():
    for name in PAGES:
        assert name == "index.md" or re.search(
            rf"^{re.escape(name.removesuffix('.md'))}$", TEXTS["index.md"], re.MULTILINE
        ), name
    for name, path in {**PAGES, **OTHERS}.items():
        prose = re.sub(r"```.*?```|`[^`]*`", "", TEXTS[name], flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)#\s]+)", prose):
            assert link.startswith("https://") or (path.parent / link).exists(), f"{name}: {link}"


def test_extras_scripts_and_settings_in_documents_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for name, text in TEXTS.items():
        named = {extra for group in re.findall(r"coview\[([a-z,]+)\]", text) for extra in group.split(",")}
        assert named <= set(extras), name
        for script in re.findall(r"python ((?:benchmarks|docs|examples|tests)/\S+\.py)", text):
            assert (ROOT / script).is_file(), f"{name}: {script}"
        for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
            parse(RunConfig, yaml.safe_load(block), source=name)
    assert {f"`coview[{extra}]`" for extra in extras if extra not in ("dev", "docs")} <= set(
        re.findall(r"`coview\[\w+\]`", TEXTS["install.md"])
    )


def test_pictures_of_the_methods_are_fresh(tmp_path):
    images = ROOT / "docs" / "images"
    subprocess.run([sys.executable, images / "draw_methods.py", tmp_path], check=True)
    drawn = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert drawn == {
        name: (images / name).read_text(encoding="utf-8") for name in ("cocon.svg", "vicc.svg", "joint.svg")
    }


def test_the_documentation_builds_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "html",
        "-D",  # without the pages of source code, which take longest and cannot warn
        "extensions=myst_parser,sphinx.ext.autodoc,sphinx.ext.napoleon,sphinx_copybutton",
        ROOT / "docs",
        tmp_path / "site",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "reference" / "api.html").read_text(encoding="utf-8")
    assert "coview.pretrain" in page
    assert "http" not in {part.partition(":")[0] for part in re.findall(r'<script[^>]* src="([^"]+)"', page)}


@pytest.mark.parametrize("command", sorted({*readme_commands(), *OF_PAGES}))
def test_commands_in_documents_parse(command):
    words = shlex.split(command, comments=True)
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE)
        return
    assert words[1] in COMMANDS
    kind, rest = COMMANDS[words[1]], split_plugins(words[2:])[0]
    if kind.takes_settings:
        rest, _ = split_settings(rest, kind.plain_settings)
    tyro.cli(kind, args=rest)


def extending_sections() -> dict[str, str]:
    """Example file -> the section of docs/extending.md that explains it."""
    sections = {}
    for section in EXTENDING.split("\n## ")[1:]:
        for name in re.findall(r"^\[`(examples/\w+\.py)`\]", section, re.MULTILINE):
            sections[name] = section
    return sections


def test_every_example_is_explained():
    shown = {*re.findall(r"\(\.\./(examples/\w+\.py)\)", EXTENDING)}
    assert shown == {f"examples/{path.name}" for path in (ROOT / "examples").glob("*.py")}


@pytest.mark.parametrize("name", sorted(extending_sections()))
def test_code_in_extending_is_that_of_the_example(name):
    code = (ROOT / name).read_text(encoding="utf-8").splitlines()
    quoted = "\n".join(re.findall(r"```python\n(.*?)```", extending_sections()[name], re.DOTALL)).splitlines()
    assert quoted
    assert [line for line in quoted if line and line not in code] == []


def test_the_method_with_a_slow_copy_in_extending_learns_from_weights_that_came_later(monkeypatch):
    section = EXTENDING.split("## A method with a slow copy")[1].split("\n## ")[0]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    monkeypatch.setattr(coview, "register", lambda kind, name: lambda given: given)
    monkeypatch.setitem(sys.modules, "byol_of_the_page", types.ModuleType("byol_of_the_page"))
    page = sys.modules["byol_of_the_page"].__dict__
    exec(code, page)
    encoders = {"rgb": tiny3d(widths=(4, 4, 4, 4)), "flow": tiny3d(in_channels=2, widths=(4, 4, 4, 4))}
    method = page["BYOL"](encoders, momentum=0.5)
    method.begin_stage("together")
    weight = next(method.encoders["flow"].parameters())
    with torch.no_grad():
        weight.add_(1)  # as start_from does
    batch = {view: torch.randn(2, 2, channels, 4, 16, 16) for view, channels in (("rgb", 3), ("flow", 2))}
    output = method(batch)
    target = next(method.targets["flow"].encoder.parameters())
    assert torch.equal(target, weight)
    output.total.backward()
    assert target.grad is None
    assert set(output.parts) == {"rgb/byol", "flow/byol"} == {f"{view}/byol" for view in output.features}
    with torch.no_grad():
        weight.add_(1)  # as a step of the optimiser
    method.after_step()
    torch.testing.assert_close(target, weight - 0.5)
    method(batch)
    torch.testing.assert_close(target, weight - 0.5)


def test_extending_names_every_kind_and_group():
    for kind, group in GROUPS.items():
        assert f"`{kind}`" in EXTENDING
        assert f"`{group}`" in EXTENDING


def test_makefile_help_lists_every_target():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    declared = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split())
    explained = set(re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE))
    assert declared == explained


def test_generated_documents_are_fresh(tmp_path):
    """`make docs` would change nothing. A process of its own, so that plugins of other tests are not in the lists."""
    words = [sys.executable, "-m", "coview.cli.reference", str(tmp_path), str(tmp_path / DESCRIBED.name)]
    subprocess.run(words, check=True, capture_output=True)
    kept = {name: ROOT / "docs" / name for name in ("commands.md", "settings.md", "lists.md")}
    kept[DESCRIBED.name] = DESCRIBED
    assert {page.name for page in tmp_path.iterdir()} == set(kept)
    stale = [name for name, page in kept.items() if page.read_bytes() != (tmp_path / name).read_bytes()]
    assert stale == [], "run make docs"
