"""SimCLR's augmentation of CIFAR-sized images: per image on the device, against torchvision, kornia and lightly."""

import os
import statistics
import time

import kornia.augmentation as kornia
import torch
from lightly.transforms import SimCLRTransform
from PIL import Image
from torchvision.transforms import v2

from helpers.torch import augment

COUNT, SIDE, ROUNDS = 512, 32, 7
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def exact(images):
    images = augment.random_horizontal_flip(augment.random_resized_crop(images))
    return augment.random_grayscale(augment.random_color_jitter(images))


def main():
    torch.manual_seed(0)
    coarse = torch.rand(COUNT, 3, 8, 8)
    images = torch.nn.functional.interpolate(coarse, SIDE, mode="bicubic").clamp(0, 1)
    pictures = [Image.fromarray(image) for image in (255 * images).byte().permute(0, 2, 3, 1).numpy()]
    resident = images.to(DEVICE)
    torchvision = v2.Compose([
        v2.RandomResizedCrop(SIDE, scale=(0.2, 1.0)), v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8), v2.RandomGrayscale(0.2),
        v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    lightly = SimCLRTransform(input_size=SIDE, cj_strength=0.5, min_scale=0.2, gaussian_blur=0.0, normalize=None)
    batched = torch.nn.Sequential(
        kornia.RandomResizedCrop((SIDE, SIDE), scale=(0.2, 1.0)), kornia.RandomHorizontalFlip(),
        kornia.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8), kornia.RandomGrayscale(p=0.2))
    contenders = {
        "torchvision v2, image by image": lambda: [[torchvision(picture) for picture in pictures] for _ in range(2)],
        "lightly, image by image": lambda: [lightly(picture) for picture in pictures],
        "kornia, batched": lambda: [batched(resident) for _ in range(2)],
        "ours, torchvision's semantics": lambda: [exact(resident) for _ in range(2)],
        "ours, fused": lambda: [augment.fused_crop_and_color(resident) for _ in range(2)],
    }
    threads = torch.get_num_threads()
    times = {name: [] for name in contenders}
    for number in range(ROUNDS + 1):  # in turn, so that a busy neighbour hits all alike
        for name, work in contenders.items():
            torch.set_num_threads(1 if "by image" in name else threads)  # tiny operations are slower on more threads
            started = time.perf_counter()
            work()
            if DEVICE == "cuda":
                torch.cuda.synchronize()
            if number:  # the first round warms up
                times[name].append(time.perf_counter() - started)
    slowest = statistics.median(times["torchvision v2, image by image"])
    print(f"two views of {COUNT} images of {SIDE} x {SIDE}, {DEVICE}, {os.cpu_count()} cores, median of {ROUNDS}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"  {name:<32} {2 * COUNT / median:10,.0f} views/s   {slowest / median:6.1f} x")


if __name__ == "__main__":
    main()
