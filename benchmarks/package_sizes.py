"""What an installed coview and each of its extras take on disk here, with all they require: a table.

python benchmarks/package_sizes.py
"""

import importlib.metadata
import re
from collections.abc import Iterable

from packaging.requirements import Requirement

ROOT = "coview"


def required(name: str, extras: Iterable[str] = ()) -> set[str]:
    """Return a package and all that it requires, as far as it is installed."""
    found: set[str] = set()
    waiting = [(name, frozenset(extras))]
    seen = set(waiting)
    while waiting:
        package, wanted = waiting.pop()
        try:
            lines = importlib.metadata.requires(package) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(re.sub(r"[-_.]+", "-", package).lower())
        for requirement in map(Requirement, lines):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*wanted, "")):
                step = (requirement.name, frozenset(requirement.extras))
                if step not in seen:
                    seen.add(step)
                    waiting.append(step)
    return found


def megabytes(packages: Iterable[str]) -> int:
    """Return what the files of packages take, in MB."""
    files = [file for package in packages for file in importlib.metadata.files(package) or []]
    places = [file.locate() for file in files]
    return round(sum(place.stat().st_size for place in places if place.is_file()) / 1e6)  # type: ignore[attr-defined]


def main() -> None:
    """Print the table."""
    base = required(ROOT)
    version = importlib.metadata.version("torch")
    print("| install | brings | on disk |\n|---|---|---|")
    print(f"| `coview` | torch {version} and {len(base) - 2} more | {megabytes(base)} MB |")
    for extra in importlib.metadata.metadata(ROOT).get_all("Provides-Extra") or []:
        more = required(ROOT, [extra]) - base
        largest = sorted(more, key=lambda package: -megabytes([package]))[:3]
        print(f"| `coview[{extra}]` | {', '.join(largest)} | + {megabytes(more)} MB |")


if __name__ == "__main__":
    main()
