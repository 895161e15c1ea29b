"""Station 3: frames -> views. Each view of a video is one stored file; frame t belongs to frame t of rgb."""

from coview.registry import Registry
from coview.views.base import View

VIEWS: Registry[type[View]] = Registry(
    "view",
    {
        "rgb": "coview.views.rgb:RgbView",
        "flow": "coview.views.flow.view:FlowView",
        "pose": "coview.views.persons.pose:PoseView",
        "segmentation": "coview.views.persons.segmentation:SegmentationView",
    },
)

__all__ = ["VIEWS", "View"]
