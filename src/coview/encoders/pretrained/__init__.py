"""Encoders that others trained, from a local folder in the layout of transformers: V-JEPA 2, VideoMAE, DINO, CLIP, ...

A folder is data: its config.json chooses among the networks of `families.FAMILIES` and nothing in it is imported, run
or downloaded; weights are read from safetensors alone. A run keeps the network's settings and the weights themselves,
so that opening a run never looks for the folder again.
"""

from coview.encoders.pretrained.encoder import Pretrained
from coview.encoders.pretrained.families import FAMILIES
from coview.encoders.pretrained.folder import is_pretrained_folder, read_folder
from coview.encoders.pretrained.weights import load_pretrained, load_weights

__all__ = ["FAMILIES", "Pretrained", "is_pretrained_folder", "load_pretrained", "load_weights", "read_folder"]
