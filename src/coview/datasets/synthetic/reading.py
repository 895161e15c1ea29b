"""Layout "synthetic": a folder of rendered clips with labels.csv beside them and the truth below truth/."""

from pathlib import Path

from coview.datasets.csv_table import read_csv
from coview.datasets.listing import Listing, refuse_lists, with_example
from coview.errors import UserError

LABELS_FILE = "labels.csv"
"""path, label, group, split1 of every clip; written last, so its presence says that all clips are there."""


@with_example(
    "clips",
    {
        "clips/synthetic_00000.mp4": "",
        f"clips/{LABELS_FILE}": "path,label,group,split1\nsynthetic_00000.mp4,wave,person_0000,train\n",
    },
)
def read_synthetic(source: Path, *, lists: Path | None = None) -> Listing:
    """List the clips that `coview.video.synthetic_files.write_synthetic` wrote into `source`.

    Raises:
        UserError: no finished set of clips is there, or lists were given.
    """
    refuse_lists(lists, layout="synthetic")
    if not (source / LABELS_FILE).is_file():
        state = "is not finished: it lacks" if source.is_dir() else "does not exist, or lacks"
        raise UserError(
            f"the folder of synthetic clips {source} {state} {LABELS_FILE}. Write the clips (again) with "
            f"coview.video.synthetic_files.write_synthetic, or name a folder that does not exist yet: `coview prepare "
            f"SOURCE OUT --layout synthetic` renders them into it"
        )
    return read_csv(source / LABELS_FILE)
