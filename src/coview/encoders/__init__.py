"""Station 7: clips -> features. Encoders take any number of channels and know nothing of video files or methods."""

from coview.encoders.base import ENCODERS, Encoder, EncoderFactory, build_encoder, resolve_encoder
from coview.encoders.convgru import ConvGRU
from coview.encoders.convolution import Conv3d
from coview.encoders.heads import Predictor, ProjectionHead
from coview.encoders.r2d3d import r2d3d18, r2d3d34
from coview.encoders.r2plus1d import r2plus1d10, r2plus1d18
from coview.encoders.s3d import s3d, s3dg
from coview.encoders.tiny3d import tiny3d

__all__ = [
    "ENCODERS",
    "Conv3d",
    "ConvGRU",
    "Encoder",
    "EncoderFactory",
    "Predictor",
    "ProjectionHead",
    "build_encoder",
    "r2d3d18",
    "r2d3d34",
    "r2plus1d10",
    "r2plus1d18",
    "resolve_encoder",
    "s3d",
    "s3dg",
    "tiny3d",
]
