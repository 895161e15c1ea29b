"""What the command `coview` starts; `python -m coview` is the same, and torchrun starts it this way."""

import signal
import sys


def start() -> None:
    """Run the command line. Ctrl-C ends this process at once until a command listens, and after its end."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # which would show where Python is just now
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from coview.cli import main

    main()


if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the current folder: it may hold a user's videos, and with them a file called random.py
    start()
