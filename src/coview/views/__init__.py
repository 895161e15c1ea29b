"""Station 3: frames -> views. Each view of a video is one stored file; frame t belongs to frame t of rgb."""

from coview.registry import Registry
from coview.views.base import View
from coview.views.flow.functions import dis_flow, farneback_flow, tvl1_flow

VIEWS: Registry[type[View]] = Registry(
    "view",
    {
        "rgb": "coview.views.rgb:RgbView",
        "flow": "coview.views.flow.view:FlowView",
        "pose": "coview.views.persons.pose:PoseView",
        "segmentation": "coview.views.persons.segmentation:SegmentationView",
        "depth": "coview.views.own:DepthView",
        "thermal": "coview.views.own:ThermalView",
        "events": "coview.views.own:EventsView",
        "spectrogram": "coview.views.own:SpectrogramView",
    },
)

__all__ = ["VIEWS", "View", "dis_flow", "farneback_flow", "tvl1_flow"]
