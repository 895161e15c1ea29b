"""Station 12: all of it, read: one self-contained HTML file."""
