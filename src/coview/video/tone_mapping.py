"""HDR pictures -> ordinary ones: what is as bright as paper stays so, what is brighter is compressed below white."""

import numpy as np
from numpy.typing import NDArray

from coview.datatypes import Frame

TRANSFERS = {16: "PQ", 18: "HLG"}
"""ITU-T H.273 codes of the HDR transfer functions: SMPTE ST 2084, ARIB STD-B67."""
BT2020 = 9
"""ITU-T H.273 code of the wide primaries that HDR usually has."""
WHITE_NITS = 203.0
"""Brightness of a white sheet of paper in HDR (ITU-R BT.2408); it would be full white in an ordinary video."""
PEAK_NITS = 1000.0
"""Becomes full white, as does anything brighter."""
_KNEE = 0.6
"""Up to this share of white nothing changes."""
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], dtype=np.float32
)
"""Linear RGB of BT.2020 -> of BT.709 (ITU-R BT.2087)."""


class ToneMapper:
    """Turns HDR pictures into 8-bit ones that look alike on an ordinary screen.

    Args:
        transfer: a key of `TRANSFERS`.
        is_wide: whether the primaries are those of BT.2020.
    """

    def __init__(self, transfer: int, *, is_wide: bool) -> None:
        signal = np.linspace(0, 1, 2**16)
        nits = _pq_nits(signal) if TRANSFERS[transfer] == "PQ" else _hlg_nits(signal)
        self._linear = (nits / WHITE_NITS).astype(np.float32)
        self._is_wide = is_wide

    def __call__(self, picture: NDArray[np.uint16]) -> Frame:
        """Return (H, W, 3) uint8 of (H, W, 3) uint16 RGB, still in the signal of the transfer function."""
        linear = self._linear[picture]  # (H, W, 3), 1 is paper white
        if self._is_wide:
            linear = np.maximum(linear @ _TO_BT709.T, 0)
        brightest = np.maximum(linear.max(axis=-1, keepdims=True), np.float32(1e-6))
        linear *= compress(brightest) / brightest  # all three alike, so that hues stay
        frame: Frame = (255 * linear ** np.float32(1 / 2.4) + 0.5).astype(np.uint8)  # a screen's gamma (ITU-R BT.1886)
        return frame


def compress(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map brightness, 1 for paper white, to 0 to 1.

    Unchanged up to the knee; above, the Moebius function that leaves it with slope 1 and reaches 1 at the peak.
    """
    peak = PEAK_NITS / WHITE_NITS
    over = np.minimum(linear, peak) - _KNEE
    room, length = 1 - _KNEE, peak - _KNEE
    bent = over / (1 + over * (length - room) / (length * room))  # slope 1 at 0, `room` at `length`
    return np.where(over > 0, _KNEE + bent, linear).astype(np.float32)


def _pq_nits(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084, its EOTF: signal 0 to 1 -> candelas a square metre."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = signal ** (1 / m2)
    nits: NDArray[np.float64] = 10000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return nits


def _hlg_nits(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """ITU-R BT.2100, the inverse OETF of HLG, and its system gamma of 1.2 on a display of 1000 cd/m2, by channel."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    nits: NDArray[np.float64] = PEAK_NITS * scene**1.2
    return nits
