"""A training loop of one's own: clips, augmentation, encoders and a method of coview, and nothing else of it.

coview prepare my_videos data/mine --views rgb flow
python examples/own_loop.py data/mine cocon     # or cpc, or vicc
"""

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from coview.augmentation import ClipAugmentation
from coview.clips import ClipDataset
from coview.encoders import tiny3d
from coview.methods import CPC, CoCon, Method, ViCC

METHODS: dict[str, tuple[type[Method], int, int]] = {"cpc": (CPC, 8, 1), "cocon": (CoCon, 8, 1), "vicc": (ViCC, 1, 2)}
"""Name -> its class, blocks in a clip, clips of a video."""


def train(
    data: Path | str, name: str = "cocon", *, size: int = 64, epochs: int = 10, batch_size: int = 16, workers: int = 2
) -> tuple[Method, list[float]]:
    """Train a method on rgb and flow; return it and the loss of every step."""
    kind, blocks, clips_per_video = METHODS[name]
    clips = ClipDataset(data, ["rgb", "flow"], frames=16, stride=2, clips_per_video=clips_per_video, size=2 * size)
    loader = DataLoader(clips, batch_size, shuffle=True, drop_last=len(clips) > batch_size, num_workers=workers)
    augmentation = ClipAugmentation(size=size)
    method = kind({"rgb": tiny3d(), "flow": tiny3d(in_channels=2)}, num_blocks=blocks)
    losses = []
    for stage in method.stages():  # cocon: each view by itself, then together
        method.begin_stage(stage, num_steps=epochs * len(loader))
        optimiser = torch.optim.Adam((p for p in method.parameters() if p.requires_grad), lr=1e-3)
        for epoch in range(epochs):
            clips.set_epoch(epoch)
            for batch in loader:
                output = method(augmentation({view: batch["views"][view] for view in stage.views}))
                optimiser.zero_grad()
                output.total.backward()
                optimiser.step()
                method.after_step()
                losses.append(output.total.item())
        print(f"{stage.name}: {' '.join(f'{part} {value:.3f}' for part, value in output.parts.items())}")
    return method, losses


if __name__ == "__main__":
    trained, _ = train(sys.argv[1], *sys.argv[2:3])
    torch.save(trained.encoders.state_dict(), "encoders.pt")
