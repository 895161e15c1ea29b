"""Small networks that sit on top of features."""

from torch import Tensor, nn

from coview.encoders.convgru import initialise_orthogonally


class Predictor(nn.Module):
    """The predictive function phi: 1 x 1 convolution -> ReLU -> 1 x 1 convolution (CoCon, A.4).

    Written as linear maps of each cell, so cells may lie in any leading axes and D comes last.

    Args:
        feature_size: D, in, between and out.
    """

    def __init__(self, feature_size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(feature_size, feature_size),
            nn.ReLU(inplace=True),
            nn.Linear(feature_size, feature_size),
        )
        initialise_orthogonally(self)

    def forward(self, context: Tensor) -> Tensor:
        """Map contexts (..., D) to predicted features (..., D)."""
        predicted: Tensor = self.layers(context)
        return predicted
