"""Which videos can be read and whether views can be stored: the codecs of the FFmpeg that PyAV brings."""

from collections.abc import Iterator

from coview.cli.examination.finding import Finding

DECODERS = ("h264", "mpeg4", "vp9", "hevc", "libdav1d")
ENCODER = "libx264"
_REMEDY = "PyAV's own wheel has it: pip install --force-reinstall --no-deps --only-binary av av"


def examine_video() -> Iterator[Finding]:
    """Yield one finding of what can be read and one of what is written."""
    there = [name for name in DECODERS if _has(name, "r")]
    absent = [name for name in DECODERS if name not in there]
    yield Finding("decoders", "ok", ", ".join(there)) if there else Finding("decoders", "broken", "none", _REMEDY)
    if there and absent:
        yield Finding("decoders", "missing", f"{', '.join(absent)}: such videos cannot be read", _REMEDY)
    if _has(ENCODER, "w"):
        yield Finding("encoder", "ok", ENCODER)
    else:
        yield Finding("encoder", "broken", f"no {ENCODER}: prepare cannot store views", _REMEDY)


def _has(codec: str, mode: str) -> bool:
    import av

    try:
        av.Codec(codec, mode)
    except av.codec.codec.UnknownCodecError:
        return False
    return True
