"""Python and the packages coview stands on."""

import importlib.metadata
import importlib.util
import platform
import re
from collections.abc import Iterator

from coview.cli.examination.finding import Finding

OPTIONAL = {
    "distributed": ("cluster", "prepare --cluster: extraction over many machines"),
    "fastapi": ("serve", "serve: the page of an index"),
    "mediapipe": ("pose", "the views pose and segmentation: finds one person a frame, offline"),
    "umap": ("umap", "analyse map --map.method umap"),
    "wandb": ("wandb", "pretrain --log wandb"),
    "mlflow": ("mlflow", "pretrain --log mlflow"),
    "trackio": ("trackio", "pretrain --log trackio"),
}
"""Module -> the extra that brings it, and what for."""

_OPENCV_WHEELS = tuple(f"opencv-{kind}python{end}" for kind in ("", "contrib-") for end in ("", "-headless"))


def examine_libraries() -> Iterator[Finding]:
    """Yield Python, what coview needs, each optional package, and the one thing two packages fight over: OpenCV."""
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield _needed()
    absent = []
    for module, (extra, feature) in OPTIONAL.items():
        if importlib.util.find_spec(module) is None:
            absent.append(Finding(extra, "missing", f"for {feature}", f"pip install 'coview[{extra}]'"))
        else:
            yield Finding(extra, "ok", f"{module} {_version(module) or ''}".strip())
    yield from absent
    yield _opencv()


def needed_packages() -> list[str]:
    """Return the packages that an installed coview requires, extras left out."""
    return [
        re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        for requirement in importlib.metadata.requires("coview") or []
        if "extra ==" not in requirement
    ]


def _needed() -> Finding:
    names = needed_packages()
    found = {name: _version(name) for name in names}
    absent = [name for name, version in found.items() if version is None]
    if absent:
        return Finding("packages", "broken", f"not installed: {', '.join(absent)}", "install coview again")
    return Finding("packages", "ok", ", ".join(f"{name} {version}" for name, version in found.items()))


def _version(name: str) -> str | None:
    """Return a package's version; of a module, that of the package it came with. None: not installed."""
    try:
        return importlib.metadata.version({"umap": "umap-learn"}.get(name, name))
    except importlib.metadata.PackageNotFoundError:
        return None


def _opencv() -> Finding:
    """Only one OpenCV distribution should be installed: two write the same files, and the last one installed wins."""
    wheels = [(name, number) for name in _OPENCV_WHEELS if (number := _version(name)) is not None]
    found = ", ".join(f"{name} {number}" for name, number in wheels) or "not from a wheel"
    again = "pip install --force-reinstall --no-deps opencv-contrib-python-headless"
    if len({number for _, number in wheels}) > 1:
        return Finding(
            "opencv", "broken", f"{found} overwrite each other's files", f"bring them to one version: {again}"
        )
    try:
        import cv2
    except ImportError as error:
        return Finding(
            "opencv", "broken", f"{found}: {error}", f"without a display, the headless one goes last: {again}"
        )
    cv2.setNumThreads(1)
    if len(wheels) > 1:
        harm = "two that share their files; at one version that does no harm until either is uninstalled"
        return Finding("opencv", "note", f"{found}: {harm}", f"after uninstalling one: {again}")
    return Finding("opencv", "ok", f"{cv2.__version__} ({found})")
