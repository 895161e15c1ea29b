r"""An encoder of one's own: a small video transformer (ViViT, Arnab et al. 2021) with options that a config can set.

    coview pretrain small --data data/mine --out runs/vit --plugin examples.video_vit \
        --encoder.name vit --encoder.depth 6

In Python, import this file; then `coview.pretrain(..., settings={"encoder": {"name": "vit", "depth": 6}})`.
"""

from torch import Tensor, nn
from torch.nn import functional

import coview
from coview.encoders import Conv3d, Encoder


@coview.register("encoder", "vit")
class VideoTransformer(Encoder):
    """A video transformer: boxes of pixels over two frames become tokens, all of which attend to each other.

    Positions are told by a depthwise convolution over the tokens (Chu et al. 2021), so that clips may have any size.

    Args:
        in_channels: C, channels of a clip.
        depth: number of layers.
        width: D, size of a token.
        heads: of the attention; divide the width.
        patch: side of a box, in pixels.

    Raises:
        UserError: heads that do not divide the width.
    """

    def __init__(
        self, *, in_channels: int = 3, depth: int = 4, width: int = 128, heads: int = 4, patch: int = 16
    ) -> None:
        super().__init__()
        if width % heads:
            raise coview.UserError(f"vit: {heads} heads do not divide the width {width}; choose a width such as 128")
        self.in_channels, self.feature_size = in_channels, width
        self.box = (2, patch, patch)
        self.embed = Conv3d(in_channels, width, self.box, stride=self.box)
        self.position = Conv3d(width, width, 3, padding=1, groups=width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to a feature map (B, D, ceil(T / 2), ceil(H / patch), ceil(W / patch))."""
        missing = [-size % side for size, side in zip(clips.shape[2:], self.box, strict=True)]
        clips = functional.pad(clips, (0, missing[2], 0, missing[1], 0, missing[0]))  # whole boxes
        grid = self.embed(clips)  # (B, D, T', S, S)
        tokens = (grid + self.position(grid)).flatten(2).transpose(1, 2)  # (B, T'*S*S, D)
        for layer in self.layers:
            tokens = layer(tokens)
        feature_map: Tensor = self.norm(tokens).transpose(1, 2).unflatten(2, grid.shape[2:])  # (B, D, T', S, S)
        return feature_map
