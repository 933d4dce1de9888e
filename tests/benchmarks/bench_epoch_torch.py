"""Seconds for an epoch of 50,000 images: the loops of notebooks 05 and 06 against DataLoader and torchvision."""

import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import definitions

from helpers.torch import augment, training

BATCH_SIZE, EPOCH, ROUNDS = 128, 50_000, 3
CUDA = torch.cuda.is_available()
COUNT = EPOCH if CUDA else 3_200  # images that are really trained on; the time is scaled to an epoch
MEAN, STD = [0.49, 0.48, 0.45], [0.25, 0.24, 0.26]


class Pictures(Dataset):
    """The pipeline of most tutorials: one PIL image at a time through torchvision's transforms."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels
        self.transform = transforms.Compose([
            transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor()])

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def train(model, optimizer, batches):
    """Train for one pass and return the seconds."""
    started = time.perf_counter()
    for images, labels in batches:
        loss = functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    loss.item()  # waits for the GPU
    return time.perf_counter() - started


def main():
    generator = np.random.default_rng(0)
    pictures, labels = generator.integers(0, 256, (COUNT, 32, 32, 3), dtype=np.uint8), generator.integers(0, 10, COUNT)
    device = "cuda" if CUDA else "cpu"
    images = torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy()).to(device)
    resident = images, torch.from_numpy(labels).to(device)

    def ours():
        for batch, batch_labels in training.batches(*resident, BATCH_SIZE, seed=0, drop_last=True):
            yield augment.random_horizontal_flip(augment.random_crop(batch, 4)), batch_labels

    def usual(num_workers):
        loader = DataLoader(Pictures(pictures, labels), BATCH_SIZE, shuffle=True, drop_last=True,
                            num_workers=num_workers, pin_memory=CUDA)
        return ((batch.to(device), batch_labels.to(device)) for batch, batch_labels in loader)

    contenders = {"batches on the device": ours, "DataLoader": lambda: usual(0),
                  "DataLoader, 2 workers": lambda: usual(2)}
    resnet = definitions.load("06_resnet8_cifar10_torch").ResNet(10, MEAN, STD)
    width = 64 if CUDA else 16
    vgg = definitions.load("05_vgg16_cifar100_torch").VGG(10, MEAN, STD, width)
    print(f"seconds for an epoch of {EPOCH:,} images (measured on {COUNT:,}), batch {BATCH_SIZE}, {device}, "
          f"{os.cpu_count()} cores, median of {ROUNDS}")
    for name, model in {"ResNet-8": resnet, f"VGG-16 of width {width}": vgg}.items():
        model = model.to(device, memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
        train(model, optimizer, ours())  # warm
        times = {contender: [] for contender in contenders}
        for _ in range(ROUNDS):  # in turn, so that a busy neighbour hits all alike
            for contender, batches in contenders.items():
                times[contender].append(train(model, optimizer, batches()) * EPOCH / COUNT)
        fastest = statistics.median(times["batches on the device"])
        for contender, values in times.items():
            median = statistics.median(values)
            print(f"  {name:<22} {contender:<24} {median:8.1f} s   {median / fastest:5.2f} x")


if __name__ == "__main__":
    main()
