"""Comparison: two runs, video by video, and whether their difference is real."""
