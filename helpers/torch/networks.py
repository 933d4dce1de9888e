"""Networks that several notebooks share: residual encoders and projection heads."""

import hashlib

from torch import nn
from torch.nn import functional

STEMS = {"imagenet": (7, 2), "strided": (3, 2), "cifar": (3, 1)}  # kernel size and stride


def resnet(blocks=(2, 2, 2, 2), width=64, bottleneck=False, stem="imagenet", zero_last_gamma=True):
    """Return a residual encoder (He et al. 2015, arXiv 1512.03385), without a classifier: images in, features out.

    The stages are the modules `stage1`, `stage2`, ...; `num_features` is the length of the result.

    Args:
        blocks: how many residual blocks each stage has. (2, 2, 2, 2) is ResNet-18, (3, 4, 6, 3) ResNet-34, or
            ResNet-50 with `bottleneck`.
        width: channels of the first stage; each further stage doubles them and halves height and width.
        bottleneck: True for blocks of three convolutions, whose output has four times as many channels.
        stem: what stands before the first stage. "imagenet", a 7 x 7 convolution of stride 2 and pooling of stride 2;
            "strided", for about 64 pixels, a 3 x 3 one of stride 2; "cifar", a 3 x 3 one of stride 1.
        zero_last_gamma: True starts every block as its shortcut (arXiv 1706.02677, section 5.1), which helps long
            trainings and slows the first epochs.

    Returns:
        torch.nn.Module, float `(N, 3, H, W)` -> float `(N, num_features)`.

    Raises:
        ValueError: another `stem`.
    """
    if stem not in STEMS:
        raise ValueError(f"stem must be one of {', '.join(STEMS)}; got {stem!r}.")
    return _ResNet(blocks, width, bottleneck, stem, zero_last_gamma)


def projection_head(num_features, hidden_features, num_outputs, num_layers=2):
    """Return the head of SimCLR (arXiv 2002.05709) or, with three layers, of SimCLRv2 (arXiv 2006.10029).

    Linear layers without bias, batch norm and ReLU behind each but the last; behind the last batch norm alone.
    """
    head = nn.Sequential()
    for i in range(num_layers):
        out_features = num_outputs if i == num_layers - 1 else hidden_features
        head.append(nn.Linear(num_features, out_features, bias=False))
        head.append(nn.BatchNorm1d(out_features))
        head.append(nn.ReLU())
        num_features = out_features
    return head[:-1]


def weights_hash(model):
    """Return 16 hexadecimal digits of SHA-256 over all parameters and buffers: equal before and after if frozen."""
    digest = hashlib.sha256()
    for name, values in model.state_dict().items():
        digest.update(name.encode() + values.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


class _ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, or a bottleneck of 1 x 1, 3 x 3, 1 x 1, and a shortcut around them."""

    def __init__(self, in_channels, channels, stride, bottleneck, zero_last_gamma):
        super().__init__()
        out_channels = 4 * channels if bottleneck else channels
        kernel_sizes = (1, 3, 1) if bottleneck else (3, 3)
        widths = [in_channels, *[channels] * (len(kernel_sizes) - 1), out_channels]
        self.layers = nn.Sequential()
        for i, kernel_size in enumerate(kernel_sizes):
            strides = stride if i == len(kernel_sizes) - 2 else 1  # the 3 x 3 one in a bottleneck, as in "v1.5"
            self.layers.append(_convolution(widths[i], widths[i + 1], kernel_size, strides))
            self.layers.append(nn.BatchNorm2d(widths[i + 1]))
            self.layers.append(nn.ReLU())
        del self.layers[-1]  # the last ReLU comes behind the sum
        nn.init.constant_(self.layers[-1].weight, 0.0 if zero_last_gamma else 1.0)
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            projection = _convolution(in_channels, out_channels, 1, stride)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(out_channels))

    def forward(self, x):
        return functional.relu(self.shortcut(x) + self.layers(x))


class _ResNet(nn.Module):
    def __init__(self, blocks, width, bottleneck, stem, zero_last_gamma):
        super().__init__()
        self.stem = nn.Sequential(_convolution(3, width, *STEMS[stem]), nn.BatchNorm2d(width), nn.ReLU())
        if stem == "imagenet":
            self.stem.append(nn.MaxPool2d(3, 2, padding=1))
        self.num_features = width
        for i, num_blocks in enumerate(blocks):
            stage = nn.Sequential()
            for j in range(num_blocks):
                stride = 2 if i > 0 and j == 0 else 1
                stage.append(_ResidualBlock(self.num_features, width * 2 ** i, stride, bottleneck, zero_last_gamma))
                self.num_features = width * 2 ** i * (4 if bottleneck else 1)
            self.add_module(f"stage{i + 1}", stage)

    def forward(self, images):
        x = images
        for stage in self.children():
            x = stage(x)
        return x.mean((2, 3))


def _convolution(in_channels, out_channels, kernel_size, stride):
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution
