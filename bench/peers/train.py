"""PyTorch's side of the training row: `python train.py THREADS`.

Says a line of JSON when it is ready, then answers every line {"count": steps} with {"seconds": ...}.
The network, the loss and the batches are those of bench/train-peer.ts.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional

CHANNELS, BLOCKS, SCALE, BATCH, PATCH = 32, 5, 4, 16, 48


def conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = conv(CHANNELS, CHANNELS), conv(CHANNELS, CHANNELS)

    def forward(self, x):
        return x + self.second(torch.relu(self.first(x)))


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = conv(3, CHANNELS)
        self.body = nn.Sequential(*[Block() for _ in range(BLOCKS)])
        self.tail = conv(CHANNELS, 3 * SCALE**2)

    def forward(self, x):
        details = self.tail(self.body(self.head(x)))
        return functional.pixel_shuffle(details + x.repeat_interleave(SCALE**2, dim=1), SCALE)


class Trainer:
    def __init__(self, layout):
        self.layout = layout
        self.net = Generator().to(memory_format=layout)
        self.adam = torch.optim.Adam(self.net.parameters(), lr=1e-3, foreach=True)
        self.batches = [(torch.rand(BATCH, 3, PATCH, PATCH), torch.rand(BATCH, 3, PATCH * SCALE, PATCH * SCALE)) for _ in range(4)]

    def steps(self, count):
        start = time.perf_counter()
        for i in range(count):
            low, high = (tensor.contiguous(memory_format=self.layout) for tensor in self.batches[i % 4])
            self.adam.zero_grad(set_to_none=True)
            loss = functional.l1_loss(self.net(low), high)
            loss.backward()
            self.adam.step()
            loss.item()
        return time.perf_counter() - start


def fastest():
    """In the memory layout that is faster on this machine."""
    trainers = [Trainer(layout) for layout in (torch.contiguous_format, torch.channels_last)]
    for trainer in trainers:
        trainer.steps(2)
    return min(trainers, key=lambda trainer: trainer.steps(4))


def say(message):
    print(json.dumps(message), flush=True)


torch.set_num_threads(int(sys.argv[1]))
trainer = fastest()
say(
    {
        "parameters": sum(parameter.numel() for parameter in trainer.net.parameters()),
        "torch": torch.__version__,
        "layout": str(trainer.layout).removeprefix("torch."),
    }
)
for line in sys.stdin:
    say({"seconds": trainer.steps(json.loads(line)["count"])})
