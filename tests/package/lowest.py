"""The lowest versions that pyproject.toml promises to work with, for `make test-lowest`: prints name==version lines.

torch is left as constraints.txt has it: older ones come from PyPI with several GB of CUDA libraries.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def lowest_versions() -> dict[str, str]:
    """Return package -> the lower end of its range, for what coview needs and for the page."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {}
    for requirement in project["dependencies"] + project["optional-dependencies"]["serve"]:
        match = re.fullmatch(r"([\w.-]+)>=([\d.]+)(,.*)?", requirement)
        if match is None:
            raise ValueError(f"{requirement!r} has no lower end")
        found[match[1]] = match[2]
    return found


if __name__ == "__main__":
    print("\n".join(f"{name}=={version}" for name, version in lowest_versions().items() if name != "torch"))
