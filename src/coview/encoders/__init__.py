"""Station 6: clips -> features. Encoders take any number of channels and know nothing of video files or methods."""

from coview.encoders.base import Encoder, EncoderFactory
from coview.registry import Registry

ENCODERS: Registry[EncoderFactory] = Registry(
    "encoder",
    {
        "r2plus1d10": "coview.encoders.r2plus1d:r2plus1d10",
        "r2plus1d18": "coview.encoders.r2plus1d:r2plus1d18",
        "r2d3d18": "coview.encoders.r2d3d:r2d3d18",
        "r2d3d34": "coview.encoders.r2d3d:r2d3d34",
        "s3d": "coview.encoders.s3d:s3d",
        "s3dg": "coview.encoders.s3d:s3dg",
        "tiny3d": "coview.encoders.tiny3d:tiny3d",
    },
)

__all__ = ["ENCODERS", "Encoder", "EncoderFactory"]
