"""transformers itself: imported where it is needed, kept quiet, asked for settings and networks by our own names."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from coview.encoders.pretrained.families import NAME, Family
from coview.errors import MissingExtraError, UserError

NOT_OF_THE_NETWORK = ("auto_map", "quantization_config", "_name_or_path", "architectures", "transformers_version")
"""Keys of config.json that say where it comes from, or ask for code of others."""


def transformers_library() -> Any:
    """Return the module.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import transformers
    except ImportError:
        raise MissingExtraError(f"encoder {NAME}", package="transformers", extra="pretrained") from None
    return transformers


def network_settings(model: Mapping[str, Any], family: Family) -> Any:
    """Return the settings as an object of transformers; what would ask for code of others is left out."""
    kept = {name: value for name, value in model.items() if name not in (*NOT_OF_THE_NETWORK, "model_type")}
    kept = {name: value for name, value in kept.items() if not name.startswith("_attn") and is_plain(value)}
    try:
        kind = getattr(transformers_library(), family.config)
        usual = kind()
        for name, value in kept.items():  # a whole number written for a fraction is refused there
            if isinstance(getattr(usual, name, None), float) and isinstance(value, int) and not isinstance(value, bool):
                kept[name] = float(value)
        return kind(**kept)
    except MissingExtraError:
        raise
    except Exception as error:
        cause = (str(error).strip().splitlines() or [""])[0]
        raise UserError(
            f"the settings of the network cannot be used ({type(error).__name__}: {cause[:200]})"
        ) from error


def build_network(family: Family, settings: Any) -> nn.Module:
    """Build a network with random weights from torch's current generator."""
    with quiet():
        network: nn.Module = getattr(transformers_library(), family.network)(settings)
    if family.network == "VJEPA2Model":
        del network.predictor  # guesses what is masked; no feature passes through it
    return network


def is_plain(value: object) -> bool:
    """Whether a setting is a number, a word, or a list of these."""
    if isinstance(value, list | tuple):
        return all(is_plain(one) for one in value)
    return value is None or isinstance(value, str | int | float | bool)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's remarks and bars from the user's terminal inside the block."""
    from transformers.utils import logging as theirs

    before = theirs.get_verbosity()
    theirs.set_verbosity_error()
    had_bars = theirs.is_progress_bar_enabled()
    theirs.disable_progress_bar()
    try:
        yield
    finally:
        theirs.set_verbosity(before)
        if had_bars:
            theirs.enable_progress_bar()
