"""What `coview doctor` looks at: one file a group of findings, each finding with what to do about it."""

from collections.abc import Iterator

from coview.cli.examination.finding import Finding
from coview.cli.examination.libraries import examine_libraries
from coview.cli.examination.machine import examine_memory, examine_processors
from coview.cli.examination.people import begin_mediapipe, examine_people
from coview.cli.examination.self_test import begin_trial, examine_road, examine_trial
from coview.cli.examination.video import examine_video


def examine() -> Iterator[tuple[str, Iterator[Finding]]]:
    """Yield each group's title and its findings, in order; what takes a process of its own runs beside the rest."""
    mediapipe = begin_mediapipe()
    yield "Python and libraries", examine_libraries()
    yield "Video", examine_video()
    yield "Disk and memory", examine_memory()
    trial = begin_trial()
    yield "Processor and GPU", examine_processors()
    yield "Self-test", examine_road()
    yield "People in videos", examine_people(mediapipe)
    yield "Convolution gradients", examine_trial(trial)
