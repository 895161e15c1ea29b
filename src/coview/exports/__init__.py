"""A run -> a file that other programs run: raw frames go in, unit vectors or class probabilities come out."""

from coview.exports.exported import ExportedEncoder
from coview.exports.exporting import FORMATS, Exported, export

__all__ = ["FORMATS", "Exported", "ExportedEncoder", "export"]
