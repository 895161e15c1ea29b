"""The configs that come with coview: one YAML an experiment, its first line the command that runs it."""

from pathlib import Path

from coview.errors import UserError
from coview.registry import did_you_mean

FOLDER = Path(__file__).parent


def config_names() -> list[str]:
    """Return the names of the configs that come with coview."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find_config(given: str) -> Path:
    """Return the file a command line means: a path, or the name of a config that comes with coview.

    Raises:
        UserError: neither.
    """
    path = Path(given)
    if path.is_file():
        return path
    shipped = FOLDER / f"{path.name.removesuffix('.yaml')}.yaml"
    if shipped.is_file() and len(path.parts) == 1:
        return shipped
    hint = did_you_mean(path.name.removesuffix(".yaml"), config_names())
    raise UserError(f"no config file {given}{hint or '.'} Known by name: {', '.join(config_names())}")
