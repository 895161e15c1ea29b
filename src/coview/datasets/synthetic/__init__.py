"""The data set that needs no download: figures that do actions which differ only in motion.

Everything else of a clip (person, clothes, place, viewpoint, camera, tempo) is drawn without regard to the action.
`render_clip` makes one clip; `coview.video.synthetic_files` writes a folder of them as video files.
"""

from coview.datasets.synthetic.reading import read_synthetic
from coview.datasets.synthetic.rendering import RenderedClip, render_clip
from coview.datasets.synthetic.settings import SyntheticSettings
from coview.datasets.synthetic.truth import Truth, read_truth, write_truth

__all__ = ["RenderedClip", "SyntheticSettings", "Truth", "read_synthetic", "read_truth", "render_clip", "write_truth"]
