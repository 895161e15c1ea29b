"""Optical flow: the view, the algorithms that make it, and each of them as a function of frames."""

from coview.views.flow.functions import dis_flow, farneback_flow, tvl1_flow

__all__ = ["dis_flow", "farneback_flow", "tvl1_flow"]
