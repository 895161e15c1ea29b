"""What the command `coview` starts; `python -m coview` is the same, and torchrun starts it this way."""

import gc
import os
import signal
import sys


def start() -> None:
    """Run the command line. Ctrl-C ends this process at once until a command listens, and after its end."""
    open_closed_streams()
    gc.set_threshold(10_000)  # imports make a million objects that stay: searching them takes a tenth of the start
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # which would show where Python is just now
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from coview.cli import main

    main()


def open_closed_streams() -> None:
    """Let a stream that the caller has closed lead nowhere; else the next file that is opened would take its number.

    What libraries tell of errors would then be written into that file.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # in this order each takes the lowest number that is free: its own
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115


if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the current folder: it may hold a user's videos, and with them a file called random.py
    start()
