"""Classification of views: the loss and the context by hand, which videos teach, which parts learn."""

import dataclasses
import logging
import math

import pytest
import torch

from coview.config import RunConfig, parse
from coview.datatypes import VideoEntry, ViewBatch
from coview.errors import UserError
from coview.methods import METHODS
from coview.methods.base import Progress
from coview.training.building import build_method, select_videos
from two_processes import half, mean_over_processes, run_in_processes

CLASSES = ["jump", "run", "sit"]
CHANNELS = {"rgb": 3, "flow": 2}


def config_of(head="context", **method) -> RunConfig:
    given = {
        "views": {view: {"size": 32, "learning_rate_factor": 0.5} for view in CHANNELS},
        "encoder": {"name": "tiny3d"},
        "clip": {"num_blocks": 3 if head == "context" else 1, "block_length": 2},
        "method": {"name": "classify", "head": head, "classes": CLASSES, **method},
    }
    return parse(RunConfig, given, source="test")


def build(head="context", **method):
    torch.manual_seed(0)
    return build_method(config_of(head, **method), CHANNELS)


def batch_of(count: int, config: RunConfig) -> ViewBatch:
    generator = torch.Generator().manual_seed(count)
    shape = (config.clip.num_frames, 32, 32)
    clips = {view: torch.randn(count, 1, size, *shape, generator=generator) for view, size in CHANNELS.items()}
    return ViewBatch(clips, torch.arange(count), tuple(CLASSES[2 - number % 3] for number in range(count)))


def start_of(method, index=0) -> Progress:
    return Progress(method.stages()[index], stage_index=index, epoch=0, step=0, num_steps=10)


@pytest.mark.parametrize("head", ["features", "context"])
@torch.no_grad()
def test_loss_and_accuracy_are_those_of_plain_loops(head):
    method = build(head).eval()
    batch = batch_of(4, config_of(head))
    output = method(batch, start_of(method, 1))
    losses, hits = [], []
    for row in range(4):
        clip = batch.clips["flow"][row : row + 1, 0]
        maps = [method.encoders["flow"](block).mean(dim=2)[0] for block in clip.chunk(method.num_blocks, dim=2)]
        if head == "features":
            feature = maps[0].mean(dim=(1, 2))
        else:
            aggregate, (_, height, width) = method.predictors["flow"].aggregate, maps[0].shape
            cells = []
            for y in range(height):
                for x in range(width):
                    state = torch.zeros(len(maps[0]))
                    for block in maps:  # every cell walks over its own blocks, unit before and after each step
                        state = aggregate.step(block[:, y, x] / block[:, y, x].norm(), state)
                    cells.append(state)
            feature = torch.stack(cells).mean(dim=0)
        scores = method.classifiers["flow"].linear(feature).tolist()
        right = CLASSES.index(batch.labels[row])
        losses.append(math.log(sum(math.exp(score) for score in scores)) - scores[right])
        hits.append(max(scores) == scores[right])
    assert output.total.item() == pytest.approx(sum(losses) / 4, rel=1e-4)
    assert output.meters["flow/top-1"].item() == pytest.approx(sum(hits) / 4)
    assert output.parts.keys() == output.chance_level.keys() == {"flow/cross-entropy"}
    assert output.chance_level["flow/cross-entropy"] == pytest.approx(math.log(3))


def test_each_view_learns_in_a_stage_of_its_own_the_aggregation_too():
    flow = build().stages()[1]
    assert flow.name == "flow"
    assert flow.views == flow.trained_views == ("flow",)
    assert flow.trainable == ("encoders.flow", "predictors.flow.aggregate", "classifiers.flow")
    assert build("features").stages()[0].trainable == ("encoders.rgb", "classifiers.rgb")


@pytest.mark.parametrize(("head", "dropout"), [("features", 0.9), ("context", 0.7)])
def test_dropout_is_the_papers_and_falls_on_training_alone(head, dropout):
    classifier = build(head).classifiers["rgb"].train()
    classifier.linear.weight.data.fill_(1.0)
    classifier.linear.bias.data.zero_()
    size = classifier.linear.in_features
    torch.manual_seed(0)
    kept = classifier(torch.ones(400, size))[:, 0] * (1 - dropout) / size
    assert kept.mean().item() == pytest.approx(1 - dropout, abs=0.01)
    assert torch.equal(classifier.eval()(torch.ones(1, size)), torch.full((1, 3), float(size)))
    assert build(head, dropout=0.25).classifiers["rgb"].dropout.p == 0.25


def entries(*labels):
    return [VideoEntry(f"v{number}", "/x", label=label) for number, label in enumerate(labels)]


def test_videos_without_a_label_are_left_out_and_counted(caplog):
    config = config_of(classes=[])
    with caplog.at_level(logging.INFO):
        kept = select_videos(config, entries("a", None, "b", "a", None))
    assert [entry.id for entry in kept] == ["v0", "v2", "v3"]
    assert "left out: 2 of 5 training videos without a label" in caplog.text
    with caplog.at_level(logging.INFO):
        kept = select_videos(config_of(classes=["b", "c"]), entries("a", None, "b", "c", None))
    assert [entry.id for entry in kept] == ["v2", "v3"]
    assert "left out: 1 of 5 training videos of other classes" in caplog.text


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((None, None), "of the 2 training videos none has one"),
        (("a", "a", None), "of the 3 training videos all 2 are of class 'a'"),
    ],
)
def test_nothing_to_tell_apart_is_the_users_error(labels, message):
    with pytest.raises(UserError, match=message):
        select_videos(config_of(classes=[]), entries(*labels))


def test_few_labels_are_of_every_class_and_nested():
    videos = entries(*["a"] * 9, *["b"] * 4, None, *["c"] * 2)
    drawn = {}
    for count in (1, 3):
        kept = select_videos(config_of(classes=[], labels=count), videos)
        assert [entry for entry in videos if entry in kept] == list(kept)
        counts = {name: sum(entry.label == name for entry in kept) for name in "abc"}
        assert counts == {"a": count, "b": count, "c": min(count, 2)}
        drawn[count] = {entry.id for entry in kept}
    assert drawn[1] < drawn[3]
    other = select_videos(config_of(classes=[], labels=3, draw=1), videos)
    assert {entry.id for entry in other} != drawn[3]


def test_classes_that_cannot_be_told_apart_and_two_clips_are_refused():
    for classes in ([], ["one"], ["one", "one"]):
        with pytest.raises(UserError, match="two different classes or more"):
            build(classes=classes)
    config = config_of()
    two = dataclasses.replace(config, clip=dataclasses.replace(config.clip, clips_per_video=2))
    with pytest.raises(UserError, match="takes 1 clip"):
        build_method(two, CHANNELS)


def test_every_method_says_what_a_classifier_of_it_reads():
    heads = {"cpc": "context", "cocon": "context", "vicc": "features", "classify": "features"}
    assert {name: METHODS.load(name).classification_head for name in heads} == heads
    assert build("context").classification_head == "context"


def loss_and_gradients(rank: int, world_size: int) -> dict[str, torch.Tensor]:
    """Loss and gradients of this process's half of a batch, or of all of it.

    Encoders in float64: in float32 rounding, and so the processor, decides about the input of a ReLU that is nearly 0.
    """
    method = build(dropout=0.0, context_dropout=0.0)
    method.encoders.double()
    method.train()  # moments of all processes
    batch = batch_of(4, config_of())
    clips = {view: clip.double() for view, clip in batch.clips.items()}
    batch = dataclasses.replace(batch, clips=clips)
    if world_size > 1:
        clips = {view: half(rank, clip) for view, clip in clips.items()}
        batch = ViewBatch(clips, half(rank, batch.entry_indices), batch.labels[2 * rank : 2 * rank + 2])
    output = method(batch, start_of(method))
    output.total.backward()
    gradients = {name: p.grad for name, p in method.named_parameters() if p.grad is not None}
    return {"loss": output.total.detach(), **gradients}


@pytest.mark.xdist_group("processes")
def test_two_processes_equal_one(tmp_path):
    alone = loss_and_gradients(0, 1)
    together = mean_over_processes(run_in_processes(loss_and_gradients, 2, folder=tmp_path))
    assert together.keys() == alone.keys()
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-6, msg=name)
