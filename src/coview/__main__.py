"""`python -m coview` is `coview`; torchrun starts it this way."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the current folder: it may hold a user's videos, and with them a file called random.py
    from coview.cli import main

    main()
