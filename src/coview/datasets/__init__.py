"""Station 1: who is in it. Layouts read a folder of videos into a listing; a manifest keeps a row a video."""

from coview.datasets.listing import LayoutReader, Listing
from coview.datasets.prepared import PreparedDataset
from coview.registry import Registry

LAYOUTS: Registry[LayoutReader] = Registry(
    "layout",
    {
        "folder": "coview.datasets.folder:read_folder",
        "frames": "coview.datasets.frames:read_frames",
        "csv": "coview.datasets.csv_table:read_csv",
        "ucf101": "coview.datasets.ucf101:read_ucf101",
        "hmdb51": "coview.datasets.hmdb51:read_hmdb51",
        "kinetics": "coview.datasets.kinetics:read_kinetics",
        "synthetic": "coview.datasets.synthetic:read_synthetic",
    },
)

__all__ = ["LAYOUTS", "LayoutReader", "Listing", "PreparedDataset"]
