"""Keep freed memory in the process: a loop that frees and allocates the same sizes at every step wants it back."""

import ctypes
import logging
import sys

logger = logging.getLogger(__name__)

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_KEPT = 2**30
_MOST_KEPT = 2**31 - 1


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed blocks of up to 1 GB for reuse; return whether it will.

    By default glibc hands large blocks back to the system at once. Each one allocated after that is given page by
    page, zeroed, at the first touch, which costs more than what is then written to it. Applies to the whole
    process: for programs that train or embed on a CPU, not for a library to call by itself.
    """
    if not sys.platform.startswith("linux"):
        return False
    change = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    kept = change is not None and bool(change(_MMAP_THRESHOLD, _LARGEST_KEPT) and change(_TRIM_THRESHOLD, _MOST_KEPT))
    logger.debug("freed memory is %s", "kept for reuse" if kept else "returned to the system")
    return kept
