"""PyTorch's side of the training rows: `python train.py THREADS CHANNELS BLOCKS`.

Says a line of JSON when it is ready, then answers every line {"count": steps} with {"seconds": ..., "waited": 0, "peak": bytes of memory}.
The network, the loss and the batches are those of bench/train-peer.ts.
"""

import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional

SCALE, BATCH, PATCH = 4, 16, 48


def conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first, self.second = conv(channels, channels), conv(channels, channels)

    def forward(self, x):
        return x + self.second(torch.relu(self.first(x)))


class Generator(nn.Module):
    def __init__(self, channels, blocks):
        super().__init__()
        self.head = conv(3, channels)
        self.body = nn.Sequential(*[Block(channels) for _ in range(blocks)])
        self.tail = conv(channels, 3 * SCALE**2)

    def forward(self, x):
        details = self.tail(self.body(self.head(x)))
        return functional.pixel_shuffle(details + x.repeat_interleave(SCALE**2, dim=1), SCALE)


class Trainer:
    def __init__(self, layout, channels, blocks):
        self.layout = layout
        self.net = Generator(channels, blocks).to(memory_format=layout)
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


def fastest(channels, blocks):
    """In the memory layout that is faster on this machine."""
    trainers = [Trainer(layout, channels, blocks) for layout in (torch.contiguous_format, torch.channels_last)]
    for trainer in trainers:
        trainer.steps(2)
    return min(trainers, key=lambda trainer: trainer.steps(4))


def parameters(net):
    return sum(parameter.numel() for parameter in net.parameters())


def say(message):
    print(json.dumps(message), flush=True)


def main(threads, channels, blocks):
    torch.set_num_threads(threads)
    trainer = fastest(channels, blocks)
    say(
        {
            "parameters": parameters(trainer.net),
            "torch": torch.__version__,
            "layout": str(trainer.layout).removeprefix("torch."),
        }
    )
    for line in sys.stdin:
        seconds = trainer.steps(json.loads(line)["count"])
        say({"seconds": seconds, "waited": 0, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
