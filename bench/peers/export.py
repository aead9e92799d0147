"""The same network by way of PyTorch: `python export.py WEIGHTS FOLDER SCALE SLOPE`.

WEIGHTS is a safetensors file of bench/export.ts: for every convolution NAME.weight [out, in, 3, 3] and NAME.bias, and the kernel's factors as
they are in training, NAME.expand [inner, in, 3, 3] and NAME.project [out, inner]. Writes ONNX files into FOLDER, in every way that somebody
might, and says them in a line of JSON: {"torch": version, "deployed": {way: file}, "trained": {way: file}, "failed": {way: reason}}.
"""

import json
import struct
import sys

import torch
from torch import nn
from torch.nn import functional

weights, folder, scale, slope = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])


def read(file):
    with open(file, "rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
        numbers = stream.read()
    header.pop("__metadata__")
    return {
        key: torch.frombuffer(bytearray(numbers[slice(*entry["data_offsets"])]), dtype=torch.float32).view(entry["shape"])
        for key, entry in header.items()
    }


def shuffled(value):
    """Channels that stand as (row, column, colour) as PyTorch's pixel shuffle has them: (colour, row, column)."""
    return value.view(scale**2, 3, *value.shape[1:]).transpose(0, 1).reshape(value.shape)


class Trained(nn.Module):
    """A convolution of two factors, with its input added where that was learned apart."""

    def __init__(self, expand, project, bias, identity):
        super().__init__()
        self.expand = convolution(expand, None)
        self.project = convolution(project[:, :, None, None], bias)
        self.identity = identity

    def forward(self, x):
        y = self.project(self.expand(x))
        return y + x if self.identity else y


def convolution(weight, bias):
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], padding=weight.shape[2] // 2, bias=bias is not None)
    layer.weight.data = weight
    if bias is not None:
        layer.bias.data = bias
    return layer


class Fast(nn.Module):
    """nets/generators/fast.ts"""

    def __init__(self, state, trained, repeat):
        super().__init__()
        names = list(dict.fromkeys(key.rsplit(".", 1)[0] for key in state))
        turn = {name: shuffled if name == "last" else (lambda value: value) for name in names}

        def layer(name):
            part = {key: turn[name](state[f"{name}.{key}"]) for key in ("weight", "bias", "project")}
            if not trained:
                return convolution(part["weight"], part["bias"])
            return Trained(state[f"{name}.expand"], part["project"], part["bias"], name.startswith("block"))

        self.first, self.last = layer("first"), layer("last")
        self.blocks = nn.ModuleList(layer(name) for name in names if name.startswith("block"))
        self.repeat = repeat

    def forward(self, x):
        first = y = functional.leaky_relu(self.first(x), slope)
        for block in self.blocks:
            y = functional.leaky_relu(block(y), slope)
        details = self.last(y + first)
        if self.repeat:
            return functional.pixel_shuffle(details + x.repeat_interleave(scale**2, 1), scale)
        return functional.pixel_shuffle(details, scale) + functional.interpolate(x, scale_factor=scale, mode="nearest")


def torchscript(network, file):
    axes = {name: {0: "batch", 2: f"{name}_height", 3: f"{name}_width"} for name in ("input", "output")}
    names = dict(input_names=["input"], output_names=["output"])
    torch.onnx.export(network, (PICTURE,), file, dynamo=False, opset_version=17, dynamic_axes=axes, **names)


def dynamo(network, file):
    sizes = ({0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC},)
    names = dict(input_names=["input"], output_names=["output"])
    torch.onnx.export(network, (PICTURE,), file, dynamo=True, dynamic_shapes=sizes, external_data=False, verbose=False, **names)


PICTURE = torch.rand(2, 3, 24, 40)
state = read(weights)
said = {"torch": torch.__version__, "deployed": {}, "trained": {}, "failed": {}}
for form in ("deployed", "trained"):
    for enlarge in ("repeat", "interpolate"):
        for exporter in (torchscript, dynamo):
            way = f"{exporter.__name__}, {enlarge}"
            file = f"{folder}/{form}-{exporter.__name__}-{enlarge}.onnx"
            try:
                exporter(Fast(state, form == "trained", enlarge == "repeat").eval(), file)
                said[form][way] = file
            except Exception as error:  # What this version of PyTorch cannot is no peer.
                said["failed"][way] = f"{type(error).__name__}: {error}".splitlines()[0]
print(json.dumps(said), flush=True)
