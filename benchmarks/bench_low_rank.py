"""What low-rank adapters (LoRA, by peft) would save of a training step of a pretrained network, beside frozen layers.

A VideoMAE-base of random weights learns with Adam: all of it, all but the embedding and the first six layers
(`optimiser.frozen_layers: 7`), and adapters of rank 8 at queries and values. Each is a process of its own, since memory
is that of the process. Needs `pip install peft`, which coview itself does not use.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import torch
from torch import nn

from record import record

KINDS = ("all weights", "first 6 layers frozen", "adapters of rank 8")
CLIPS, SIZE, STEPS = 2, 112, 4


def make_network(kind: str) -> nn.Module:
    """Return the network, of which that part learns."""
    import transformers

    network: nn.Module = transformers.VideoMAEModel(transformers.VideoMAEConfig(image_size=SIZE))
    if kind == KINDS[1]:
        network.get_submodule("embeddings").requires_grad_(False)
        for layer in list(network.get_submodule("encoder.layer").children())[:6]:
            layer.requires_grad_(False)
    if kind == KINDS[2]:
        from peft import LoraConfig, inject_adapter_in_model

        adapters = LoraConfig(r=8, lora_alpha=8, target_modules=r".*\.(query|value)")
        network = inject_adapter_in_model(adapters, network)
    return network


def measure(kind: str) -> dict[str, Any]:
    """Return processor seconds of a step, and how far memory rises above that of the weights."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = make_network(kind)
    learning = [one for one in network.parameters() if one.requires_grad]
    optimiser = torch.optim.Adam(learning, lr=1e-4, fused=True)
    clips = torch.randn(CLIPS, 16, 3, SIZE, SIZE)
    before, seconds = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(STEPS):
        started = time.process_time()
        optimiser.zero_grad()
        network(clips).last_hidden_state.mean(dim=1).square().sum().backward()
        optimiser.step()
        seconds.append(time.process_time() - started)
    rise = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {
        "numbers_that_learn": sum(one.numel() for one in learning),
        "step_cpu_seconds": round(sorted(seconds[1:])[1], 2),
        "mebibytes_above_the_weights": round(rise),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.kind:
        print(json.dumps(measure(asked.kind)))
        return
    found = {}
    for kind in KINDS:
        command = [sys.executable, __file__, "--kind", kind]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found[kind] = json.loads(shown.splitlines()[-1])
        print(f"{kind}: {found[kind]}", flush=True)
    print(record("low-rank", {"network": "VideoMAE-base", "clips": CLIPS, "size": SIZE, "results": found}))


if __name__ == "__main__":
    main()
