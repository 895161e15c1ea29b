"""How features of the same instances lie on the unit sphere: meters of a contrastive loss, without gradient."""

import torch
from torch import Tensor

from coview.datatypes import check_shape, unit


@torch.no_grad()
def alignment(own: Tensor, other: Tensor) -> Tensor:
    """Return the mean squared distance of the same instances on two sides, 0 (same) to 4 (Wang and Isola 2020).

    Args:
        own: (n, D), scaled to unit length here.
        other: (n, D), row i the same instance as row i of `own`.
    """
    check_shape("other", other, *own.shape)
    return (unit(own.float()) - unit(other.float())).square().sum(dim=1).mean()


@torch.no_grad()
def uniformity(features: Tensor) -> Tensor:
    """Return how evenly instances are spread: ln of the mean of exp(-2 * squared distance) (Wang and Isola 2020).

    0 where all are one point; about -4 where they are spread evenly over a sphere of many dimensions. The mean is over
    pairs of different instances; 0 for a single one.

    Args:
        features: (n, D), scaled to unit length here.
    """
    count = len(features)
    if count < 2:
        return features.new_zeros((), dtype=torch.float32)
    rows = unit(features.float())
    first, second = torch.triu_indices(count, count, offset=1, device=rows.device)  # (n * (n - 1) / 2,) each
    distances = 2 - 2 * (rows @ rows.T)[first, second]
    return (-2 * distances).exp().mean().log()


@torch.no_grad()
def retrieval(queries: Tensor, keys: Tensor) -> Tensor:
    """Return the share of queries whose nearest key by cosine is that of the same instance; by chance 1/n.

    Args:
        queries: (n, D).
        keys: (n, D), row i the same instance as row i of the queries.
    """
    check_shape("keys", keys, *queries.shape)
    nearest = (queries.float() @ unit(keys.float()).T).argmax(dim=1)  # (n,)
    return (nearest == torch.arange(len(queries), device=queries.device)).float().mean()
