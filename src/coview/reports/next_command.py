"""What to do with a run that has just been trained: a command that works for its data."""

import shlex
from pathlib import Path

from coview.datasets.prepared import PreparedDataset
from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation.protocols.inference import names_classes
from coview.evaluation.query_gallery import choose_videos


def next_command(run: Run, data: PreparedDataset | Path | str) -> str:
    """Return the command to give next: scores where videos have labels to be scored by, else a look without any.

    Args:
        run: the trained run.
        data: the prepared data set that it learnt from, or its folder.

    Raises:
        UserError: there is no such data set.
    """
    opened = PreparedDataset.open(data)
    on = f"{shlex.quote(str(run.path))} --data {shlex.quote(str(opened.root))}"
    try:
        videos = choose_videos(opened, opened.split_of_run(run.config.split), variant="auto")
    except UserError:  # no label, or none of a test video
        return f"coview analyse {on}"
    misses, queries = (videos.counts[name] for name in ("queries_without_their_class_in_gallery", "queries_scored"))
    if misses == queries or len(opened.labels) < 2:
        return f"coview analyse {on}"
    return f"coview evaluate {on}{' --protocol inference' if names_classes(run.config) else ''}"
