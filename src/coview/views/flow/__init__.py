"""Optical flow: the view, and the algorithms that make it."""
