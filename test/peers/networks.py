"""Networks of the super-resolution community in plain PyTorch, written from their descriptions, to judge `uprez adopt`.

    python networks.py make FOLDER    writes for each case of CASES: NAME.pth or NAME.pt and NAME.input, NAME.output (float32, NCHW)
    python networks.py load '[[FILE, NETWORK, OPTIONS], …]'    loads .safetensors files of ours and prints what the networks answer
    python networks.py spandrel '[FILE, …]'   what spandrel takes these files for, and what the networks answer; null without spandrel
    python networks.py vgg19 FOLDER   writes a VGG19 as torchvision's file has it, vgg19-SUM.pth, with image.input and LAYER.output
"""

import hashlib
import json
import os
import struct
import sys

import torch
from torch import nn
from torch.nn import functional as F


def conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class DenseBlock(nn.Module):
    def __init__(self, channels, growth):
        super().__init__()
        for i in range(5):
            setattr(self, f"conv{i + 1}", conv(channels + i * growth, channels if i == 4 else growth))

    def forward(self, x):
        seen = x
        for i in range(4):
            seen = torch.cat([seen, F.leaky_relu(getattr(self, f"conv{i + 1}")(seen), 0.2)], 1)
        return x + 0.2 * self.conv5(seen)


class RRDB(nn.Module):
    def __init__(self, channels, growth):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (DenseBlock(channels, growth) for _ in range(3))

    def forward(self, x):
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBNet(nn.Module):
    """`unshuffle` pixels a side go into channels; then `ups` enlargements by 2."""

    def __init__(self, channels, blocks, growth, unshuffle=1, ups=2):
        super().__init__()
        self.unshuffle, self.ups = unshuffle, ups
        self.conv_first = conv(3 * unshuffle**2, channels)
        self.body = nn.Sequential(*[RRDB(channels, growth) for _ in range(blocks)])
        self.conv_body = conv(channels, channels)
        for i in range(ups):
            setattr(self, f"conv_up{i + 1}", conv(channels, channels))
        self.conv_hr, self.conv_last = conv(channels, channels), conv(channels, 3)

    def forward(self, x):
        first = self.conv_first(F.pixel_unshuffle(x, self.unshuffle))
        x = first + self.conv_body(self.body(first))
        for i in range(self.ups):
            x = F.leaky_relu(getattr(self, f"conv_up{i + 1}")(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))


class SRVGGNetCompact(nn.Module):
    def __init__(self, channels, blocks, scale):
        super().__init__()
        self.scale = scale
        layers = [conv(3, channels), nn.PReLU(channels)]
        for _ in range(blocks):
            layers += [conv(channels, channels), nn.PReLU(channels)]
        self.body = nn.Sequential(*layers, conv(channels, 3 * scale**2))

    def forward(self, x):
        return F.pixel_shuffle(self.body(x), self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")


class Block(nn.Module):
    def __init__(self, channels, weight):
        super().__init__()
        self.conv1, self.conv2, self.weight = conv(channels, channels), conv(channels, channels), weight

    def forward(self, x):
        return x + self.weight * self.conv2(F.relu(self.conv1(x)))


class MSRResNet(nn.Module):
    def __init__(self, channels, blocks, scale):
        super().__init__()
        self.scale = scale
        self.steps = [2, 2] if scale == 4 else [scale]
        self.conv_first = conv(3, channels)
        self.body = nn.Sequential(*[Block(channels, 1) for _ in range(blocks)])
        for i, step in enumerate(self.steps):
            setattr(self, f"upconv{i + 1}", conv(channels, channels * step**2))
        self.conv_hr, self.conv_last = conv(channels, channels), conv(channels, 3)

    def forward(self, x):
        y = self.body(F.leaky_relu(self.conv_first(x), 0.1))
        for i, step in enumerate(self.steps):
            y = F.leaky_relu(F.pixel_shuffle(getattr(self, f"upconv{i + 1}")(y), step), 0.1)
        y = self.conv_last(F.leaky_relu(self.conv_hr(y), 0.1))
        return y + F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)


class EDSR(nn.Module):
    """Pictures from 0 to 255 inside, the mean taken off."""

    def __init__(self, channels, blocks, scale, weight=1.0):
        super().__init__()
        steps = [2, 2] if scale == 4 else [scale]
        self.conv_first = conv(3, channels)
        self.body = nn.Sequential(*[Block(channels, weight) for _ in range(blocks)])
        self.conv_after_body = conv(channels, channels)
        self.upsample = nn.Sequential(*[m for s in steps for m in (conv(channels, channels * s**2), nn.PixelShuffle(s))])
        self.conv_last = conv(channels, 3)

    def forward(self, x):
        mean = torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1)
        first = self.conv_first((x - mean) * 255)
        return self.conv_last(self.upsample(first + self.conv_after_body(self.body(first)))) / 255 + mean


NETWORKS = {network.__name__: network for network in (RRDBNet, SRVGGNetCompact, MSRResNet, EDSR)}


def esrgan_names(state):
    """ESRGAN's own key names."""
    words = [("conv_body", "trunk_conv"), ("body.", "RRDB_trunk."), ("rdb", "RDB"), ("conv_up", "upconv"), ("conv_hr", "HRconv")]

    def rename(key):
        for ours, theirs in words:
            key = key.replace(ours, theirs)
        return key

    return {rename(key): value for key, value in state.items()}


def old_names(blocks, ups):
    """The first ESRGAN's: nn.Sequential's places."""

    def rename(key):
        layer, end = key.rsplit(".", 1)
        places = {"conv_first": "model.0", "conv_body": f"model.1.sub.{blocks}"}
        places |= {f"conv_up{i + 1}": f"model.{3 + 3 * i}" for i in range(ups)}
        places |= {"conv_hr": f"model.{2 + 3 * ups}", "conv_last": f"model.{4 + 3 * ups}"}
        if layer in places:
            return f"{places[layer]}.{end}"
        _, block, rdb, name = layer.split(".")
        return f"model.1.sub.{block}.{rdb.upper()}.{name}.0.{end}"

    return lambda state: {rename(key): value for key, value in state.items()}


def edsr_names(state):
    """EDSR's authors': head, body, tail, and the mean's shift as convolutions."""
    blocks = len({key.split(".")[1] for key in state if key.startswith("body.")})
    names = {"conv_first": "head.0", "conv_after_body": f"body.{blocks}", "conv_last": "tail.1"}

    def rename(key):
        layer, end = key.rsplit(".", 1)
        layer = names.get(layer, layer.replace("upsample", "tail.0").replace("conv1", "body.0").replace("conv2", "body.2"))
        return f"{layer}.{end}"

    mean = torch.tensor([0.4488, 0.4371, 0.4040]) * 255
    shift = {f"{sign}_mean.weight": torch.eye(3).view(3, 3, 1, 1) for sign in ("sub", "add")}
    return {**shift, "sub_mean.bias": -mean, "add_mean.bias": mean, **{rename(key): value for key, value in state.items()}}


def plain(state):
    return state


def as_parameters(state):
    return {key: nn.Parameter(value) for key, value in state.items()}


# name: (network, its options, key names, how the file is written)
CASES = {
    "rrdb-x4": ("RRDBNet", dict(channels=8, blocks=2, growth=4), plain, dict(wrap="params_ema")),
    "rrdb-x2": ("RRDBNet", dict(channels=8, blocks=2, growth=4, unshuffle=2), plain, dict(wrap="params")),
    "rrdb-x1": ("RRDBNet", dict(channels=8, blocks=1, growth=4, unshuffle=4), plain, {}),
    "rrdb-esrgan-names": ("RRDBNet", dict(channels=8, blocks=2, growth=4), esrgan_names, {}),
    "rrdb-old-x4": ("RRDBNet", dict(channels=8, blocks=2, growth=4), old_names(2, 2), dict(legacy=True)),
    "rrdb-old-x2": ("RRDBNet", dict(channels=8, blocks=2, growth=4, ups=1), old_names(2, 1), dict(legacy=True)),
    "rrdb-old-x1": ("RRDBNet", dict(channels=8, blocks=1, growth=4, ups=0), old_names(1, 0), {}),
    "rrdb-old-x8": ("RRDBNet", dict(channels=4, blocks=1, growth=2, ups=3), old_names(1, 3), {}),
    "rrdb-old-unshuffled": ("RRDBNet", dict(channels=8, blocks=1, growth=4, unshuffle=2), old_names(1, 2), {}),
    "compact-x4": ("SRVGGNetCompact", dict(channels=8, blocks=2, scale=4), plain, dict(wrap="params")),
    "compact-x1": ("SRVGGNetCompact", dict(channels=8, blocks=1, scale=1), plain, dict(legacy=True)),
    "msrresnet-x4": ("MSRResNet", dict(channels=8, blocks=2, scale=4), plain, dict(wrap="params")),
    "msrresnet-x3": ("MSRResNet", dict(channels=8, blocks=2, scale=3), plain, {}),
    "compact-half-x2": ("SRVGGNetCompact", dict(channels=8, blocks=1, scale=2), plain, dict(dtype=torch.float16)),
    "msrresnet-bfloat16-x2": ("MSRResNet", dict(channels=8, blocks=1, scale=2), plain, dict(dtype=torch.bfloat16, legacy=True)),
    "rrdb-channels-last": ("RRDBNet", dict(channels=8, blocks=1, growth=4), plain, dict(layout=torch.channels_last)),
    "compact-parameters": ("SRVGGNetCompact", dict(channels=8, blocks=1, scale=2), as_parameters, dict(wrap="state_dict")),
    "edsr-x4": ("EDSR", dict(channels=8, blocks=2, scale=4), plain, dict(wrap="params")),
    "edsr-authors-x3": ("EDSR", dict(channels=8, blocks=2, scale=3), edsr_names, dict(legacy=True, ending="pt")),
    "edsr-authors-x2-wide": ("EDSR", dict(channels=256, blocks=1, scale=2, weight=0.1), edsr_names, dict(ending="pt")),
}


def make(folder):
    torch.manual_seed(1)
    for name, (kind, options, names, file) in CASES.items():
        network = NETWORKS[kind](**options)
        for key, value in network.state_dict().items():
            # Off their starting values, and so large that every layer can be seen in the answer.
            value += torch.randn_like(value) * (0.1 if value.dim() == 1 else value[0].numel() ** -0.5)
        dtype = file.get("dtype", torch.float32)
        network = network.to(dtype).float().to(memory_format=file.get("layout", torch.contiguous_format))
        state = {key: value.to(dtype) for key, value in names(network.state_dict()).items()}
        whole = {file["wrap"]: state} if "wrap" in file else state
        torch.save(whole, f"{folder}/{name}.{file.get('ending', 'pth')}", _use_new_zipfile_serialization=not file.get("legacy", False))
        picture = torch.rand(1, 3, 12, 20)
        with torch.no_grad():
            answer = network(picture)
        for suffix, tensor in (("input", picture), ("output", answer)):
            tensor.contiguous().numpy().tofile(f"{folder}/{name}.{suffix}")
    print(json.dumps({name: file.get("ending", "pth") for name, (_, _, _, file) in CASES.items()}))


def load(files):
    print(json.dumps([on_ramp(read(*file)) for file in json.loads(files)]))


def spandrel(files):
    try:
        from spandrel import ModelLoader
    except ImportError:
        print("null")
        return
    models = [ModelLoader("cpu").load_from_file(file) for file in json.loads(files)]
    print(json.dumps([[model.architecture.id, model.scale, on_ramp(model.model)] for model in models]))


def on_ramp(network):
    """The answer to a ramp of 8×8 pixels, NCHW."""
    with torch.no_grad():
        return network(torch.linspace(0, 1, 3 * 8 * 8).view(1, 3, 8, 8)).flatten().tolist()


def read(file, kind, options):
    """The layout by hand, so that no package is needed; every key must be there, and no other."""
    with open(file, "rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
        numbers = stream.read()
    header.pop("__metadata__")
    state = {
        key: torch.frombuffer(bytearray(numbers[slice(*entry["data_offsets"])]), dtype=torch.float32).view(entry["shape"])
        for key, entry in header.items()
    }
    network = NETWORKS[kind](**options)
    network.load_state_dict(state, strict=True)
    return network


def vgg19(folder):
    """Configuration E, as torchvision names it; the file's classifier is left small, since nobody reads it."""
    torch.manual_seed(1)
    layers, channels = [], 3
    for width in (64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"):
        layers += [nn.MaxPool2d(2, 2)] if width == "M" else [conv(channels, width), nn.ReLU()]
        channels = channels if width == "M" else width
    features = nn.Sequential(*layers)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.uniform_(layer.bias, -0.1, 0.1)
    state = {f"features.{key}": value for key, value in features.state_dict().items()}
    torch.save({**state, "classifier.6.bias": torch.zeros(1000)}, f"{folder}/whole.pth", _use_new_zipfile_serialization=False)
    with open(f"{folder}/whole.pth", "rb") as stream:
        name = f"vgg19-{hashlib.sha256(stream.read()).hexdigest()[:8]}.pth"
    os.rename(f"{folder}/whole.pth", f"{folder}/{name}")
    image = torch.rand(1, 3, 40, 56)
    image.numpy().tofile(f"{folder}/image.input")
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    x = (image - mean) / deviation
    with torch.no_grad():
        for i, layer in enumerate(features):
            x = layer(x)
            if i in VGG19_LAYERS:
                x.contiguous().numpy().tofile(f"{folder}/{VGG19_LAYERS[i]}.output")
    print(json.dumps(name))


VGG19_LAYERS = {2: "conv1_2", 6: "relu2_1", 34: "conv5_4", 35: "relu5_4"}


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"make": make, "load": load, "spandrel": spandrel, "vgg19": vgg19}[sys.argv[1]](*sys.argv[2:])
