"""The weights of a folder, from safetensors alone, put into an encoder of the same network."""

from pathlib import Path

import torch

from coview.encoders.pretrained.encoder import Pretrained
from coview.encoders.pretrained.families import Pooling
from coview.encoders.pretrained.folder import read_folder
from coview.encoders.pretrained.library import quiet, transformers_library
from coview.errors import UserError


def load_pretrained(
    path: Path | str, *, in_channels: int = 3, pooling: Pooling = "auto", size: int | None = None
) -> Pretrained:
    """Return a network of a folder with its weights, for use: in eval mode, without gradient.

    Example:
        encoder = load_pretrained("models/dinov2-small")
        features = encoder.pooled(clips)  # (B, 3, T, H, W) normalised as coview does -> (B, D)

    Raises:
        UserError: no such folder, or weights that are not those of its network.
    """
    options = read_folder(path)
    mean, std = tuple(options["mean"]), tuple(options["std"])
    with torch.random.fork_rng(devices=[]):
        encoder = Pretrained(
            in_channels=in_channels, model=options["model"], mean=mean, std=std, pooling=pooling, size=size
        )
    load_weights(encoder, path)
    return encoder.requires_grad_(False).eval()


def load_weights(encoder: Pretrained, path: Path | str) -> int:
    """Put the weights of a folder into an encoder of the same network; return how many numbers.

    Raises:
        UserError: a tensor is missing, has another shape or is not finite; the encoder is left as it was.
    """
    folder = Path(path)
    read_folder(folder)
    if (folder / "adapter_config.json").exists():
        raise UserError(f"{folder} holds an adapter (adapter_config.json); merge it into its model and save that")
    family, own = encoder.family, encoder.network
    with quiet(), torch.random.fork_rng(devices=[]):
        kind = getattr(transformers_library(), family.network)
        try:
            made, report = kind.from_pretrained(
                folder,
                config=own.config,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                dtype=torch.float32,
            )
        except Exception as error:
            cause = (str(error).strip().splitlines() or [""])[0]
            raise UserError(
                f"the weights in {folder} cannot be used ({type(error).__name__}: {cause[:200]})"
            ) from error
    absent = sorted(name for name in report["missing_keys"] if "predictor." not in name)
    if absent:
        raise UserError(f"{folder} lacks {len(absent)} tensors of its network, such as {absent[0]}")
    given = dict(made.state_dict())
    mine = own.state_dict()
    broken = [name for name in mine if not given[name].isfinite().all()]
    if broken:
        raise UserError(f"{folder} holds weights that are not finite, such as {broken[0]}; it is of no use")
    own.load_state_dict({name: given[name] for name in mine})
    return sum(value.numel() for value in mine.values())
