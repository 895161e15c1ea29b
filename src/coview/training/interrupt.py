"""Asked to stop while training: finish the step, save, stop. A second Ctrl-C stops at once."""

import _thread
import logging
import signal
import time
from contextlib import ExitStack
from types import FrameType, TracebackType

from coview.stopping import SAME_REQUEST_SECONDS, Interrupted, stop_signals_to

logger = logging.getLogger(__name__)


class StopRequest:
    """Notes, while its block runs, that the run shall stop; the loop asks `is_set` after every step.

    Attributes:
        signal_number: the signal that asked first, 0 before.
    """

    def __init__(self) -> None:
        self.signal_number = 0
        self._asked_at = 0.0
        self._handling = ExitStack()

    @property
    def is_set(self) -> bool:
        """Whether the run shall stop."""
        return self.signal_number != 0

    def __enter__(self) -> "StopRequest":
        self._handling.enter_context(stop_signals_to(self._note))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handling.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        asked_before, self._asked_at = self._asked_at, time.monotonic()
        if not self.is_set:
            self.signal_number = number
            name = signal.Signals(number).name
            # From a thread: the signal may have come in the middle of a write to the same stream.
            _thread.start_new_thread(logger.warning, ("%s: saving after this step, then stopping", name))
        elif number == signal.SIGINT and self._asked_at - asked_before > SAME_REQUEST_SECONDS:
            raise Interrupted(
                "stopped at once, without saving; --resume goes on from the last checkpoint", by=self.signal_number
            )
