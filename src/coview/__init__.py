"""coview: learn from unlabelled video by letting several views of it teach each other."""

__version__ = "0.1.0"
