"""One epoch of MNIST-sized batches: cut from a tensor that stays put, against the usual DataLoader pipeline."""

import os
import statistics
import time

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from helpers.data.imageset import ImageSet
from helpers.torch import training

COUNT, BATCH_SIZE, ROUNDS = 20_000, 64, 5


class Pictures(Dataset):
    """The pipeline of most tutorials: one image at a time through torchvision's transforms."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels
        self.transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


def seconds(batches):
    started = time.perf_counter()
    for images, _ in batches:
        assert images.dtype == torch.float32
    return time.perf_counter() - started


def main():
    generator = np.random.default_rng(0)
    image_set = ImageSet(generator.integers(0, 256, (COUNT, 28, 28, 1), dtype=np.uint8), np.arange(COUNT) % 10,
                         tuple("0123456789"))
    tensors = training.tensors(image_set)
    pictures = Pictures(image_set.images, image_set.labels)
    contenders = {
        "training.batches": lambda: training.batches(*tensors, BATCH_SIZE, seed=0),
        "DataLoader": lambda: DataLoader(pictures, BATCH_SIZE, shuffle=True),
        "DataLoader, 2 workers": lambda: DataLoader(pictures, BATCH_SIZE, shuffle=True, num_workers=2),
    }
    times = {name: [] for name in contenders}
    for _ in range(ROUNDS):  # in turn, so that a busy neighbour hits all alike
        for name, make in contenders.items():
            times[name].append(seconds(make()))
    ours = statistics.median(times["training.batches"])
    print(f"batches of {BATCH_SIZE} from {COUNT} images of 28 x 28, {os.cpu_count()} cores, median of {ROUNDS}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"  {name:<24} {1000 * median:8.1f} ms   {median / ours:6.1f} x")


if __name__ == "__main__":
    main()
