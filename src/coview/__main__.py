"""`python -m coview` is `coview`; torchrun starts it this way."""

from coview.cli import main

if __name__ == "__main__":
    main()
