"""Small strips of frames of many videos, as JPEGs that stand inside a page."""

import base64
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from coview.analysis.context import AnalysisContext
from coview.datatypes import Frame, VideoEntry
from coview.errors import UserError

logger = logging.getLogger(__name__)

FRAMES, HEIGHT, QUALITY = 3, 42, 62


def jpeg_uri(frame: Frame, *, quality: int = QUALITY) -> str:
    """Return an RGB picture as "data:image/jpeg;base64,...": a JPEG inside the page."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "a JPEG encoder that refuses an RGB picture"
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def thumbnails(context: AnalysisContext, entries: Sequence[VideoEntry]) -> dict[str, str]:
    """Return video id -> a strip of its beginning, middle and end; a video that cannot be read is left out and named.

    Args:
        context: reads the pictures and is told of the progress.
        entries: ready videos.
    """

    def strip(entry: VideoEntry) -> str | None:
        count = entry.num_frames or 1
        places = [(2 * i + 1) * count // (2 * FRAMES) for i in range(FRAMES)]
        try:
            return jpeg_uri(np.concatenate(context.pictures(entry, places, height=HEIGHT), axis=1))
        except UserError as error:
            logger.warning("no picture of %s: %s", entry.id, error)
            return None

    found = {}
    with ThreadPoolExecutor(2) as threads:
        for done, (entry, uri) in enumerate(zip(entries, threads.map(strip, entries), strict=True), start=1):
            if uri is not None:
                found[entry.id] = uri
            context.tell(done, len(entries))
    return found
