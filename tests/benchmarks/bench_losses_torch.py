"""Contrastive losses, forward and backward, against lightly and pytorch-metric-learning: time and peak extra memory."""

import multiprocessing
import os
import statistics
import sys
import time

import torch

ROUNDS = 5
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CASES = {  # loss: sizes (rows of both views together, dimensions)
    "nt_xent": [(512, 128), (2048, 128), (8192, 128), (32768, 128)],
    "supcon": [(512, 128), (4096, 128)],
    "barlow_twins": [(512, 2048), (512, 8192), (2048, 512)],
}
MOST_BYTES = 9e9  # a contender whose matrices would need more is left out


def contenders(name, rows):
    """Return {contender: function of two views}; ours first."""
    from lightly.loss import BarlowTwinsLoss, NTXentLoss
    from pytorch_metric_learning.losses import SupConLoss

    from helpers.torch import losses

    labels = torch.arange(rows // 2, device=DEVICE) % 100
    if name == "barlow_twins":
        return {"ours": losses.barlow_twins, "lightly": BarlowTwinsLoss().to(DEVICE)}
    if name == "supcon":
        metric_learning = SupConLoss(temperature=0.5)
        return {"ours": lambda a, b: losses.supcon(a, b, labels, 0.5),
                "pytorch-metric-learning": lambda a, b: metric_learning(torch.cat([a, b]), labels.repeat(2))}

    def dense(a, b):
        rows = torch.nn.functional.normalize(torch.cat([a, b]), dim=1)
        similarities = (rows @ rows.T / 0.5).fill_diagonal_(-torch.inf)
        return torch.nn.functional.cross_entropy(similarities, torch.arange(len(rows), device=DEVICE).roll(len(a)))

    found = {"ours": lambda a, b: losses.nt_xent(a, b, 0.5)}
    return found if 12 * rows ** 2 > MOST_BYTES else found | {"lightly": NTXentLoss(temperature=0.5).to(DEVICE),
                                                              "one matrix": dense}


def steps(name, rows, dimensions):
    """Return {contender: function that computes loss and gradients once}."""
    torch.manual_seed(0)
    common = torch.randn(rows // 2, dimensions, device=DEVICE)
    views = [(common + 0.5 * torch.randn_like(common)).requires_grad_() for _ in range(2)]

    def step(loss):
        for view in views:
            view.grad = None
        value = loss(*views)
        value.backward()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        return value.item()

    return {contender: lambda loss=loss: step(loss) for contender, loss in contenders(name, rows).items()}


def peak_mebibytes(name, rows, dimensions, contender):
    """Peak extra memory of one step, in MiB; to be called in a fresh process."""
    work = steps(name, rows, dimensions)[contender]
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 2 ** 20
    steps(name, 8, dimensions)[contender]()  # what the first call loads does not count

    def status(key):
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024

    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")
    before = status("VmRSS")
    work()
    return status("VmHWM") - before


def main():
    fresh = multiprocessing.get_context("spawn")
    print(f"forward and backward, {DEVICE}, {os.cpu_count()} cores, median of {ROUNDS}; ratios to ours")
    for name, sizes in CASES.items():
        for rows, dimensions in sizes:
            works = steps(name, rows, dimensions)
            times, values = {contender: [] for contender in works}, {}
            for number in range(ROUNDS + 1):  # in turn, so that a busy neighbour hits all alike
                for contender, work in works.items():
                    started = time.perf_counter()
                    values[contender] = work()
                    if number:  # the first round warms up
                        times[contender].append(time.perf_counter() - started)
            memory = {}
            for contender in works if sys.platform == "linux" else ():
                with fresh.Pool(1) as pool:
                    memory[contender] = pool.apply(peak_mebibytes, (name, rows, dimensions, contender))
            ours = statistics.median(times["ours"])
            for contender, taken in times.items():
                median, extra = statistics.median(taken), memory.get(contender, float("nan"))
                print(f"  {name:<13} {rows:>6} x {dimensions:<5} {contender:<24} {1000 * median:9.1f} ms "
                      f"{median / ours:6.2f} x {extra:8.0f} MiB {extra / max(1, memory.get('ours', 1)):6.1f} x   "
                      f"loss {values[contender]:.5f}", flush=True)


if __name__ == "__main__":
    main()
