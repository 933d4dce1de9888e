"""Run by test_losses_torch.py under torchrun: two processes against one, on the same global batch."""

import sys

import torch
from torch import distributed, nn

from helpers.torch import losses

COUNT = 16
LOSSES = {
    "nt_xent": lambda a, b, labels: losses.nt_xent(a, b),
    "supcon": losses.supcon,
    "barlow_twins": lambda a, b, labels: losses.barlow_twins(a, b),
}


def loss_and_gradients(network, loss, a, b, labels, gather):
    network.zero_grad()
    view_a, view_b = network(torch.cat([a, b])).chunk(2)
    value = loss(gather(view_a), gather(view_b), gather(labels))
    value.backward()
    return value.detach(), torch.cat([p.grad.flatten() for p in network.parameters()])


def main():
    distributed.init_process_group("gloo")
    rank, processes = distributed.get_rank(), distributed.get_world_size()
    torch.manual_seed(0)  # the same weights and images in both
    network = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 8)).double()
    a, labels = torch.randn(COUNT, 12).double(), torch.arange(COUNT) % 5
    b = a + 0.3 * torch.randn(COUNT, 12)
    shared = nn.parallel.DistributedDataParallel(network)
    for tiles in (False, True):
        losses.DENSE_ROWS, losses.TILE_ROWS = (0, {"cpu": 5}) if tiles else (1024, {"cpu": 512})
        for name, loss in LOSSES.items():
            expected = loss_and_gradients(network, loss, a, b, labels, lambda values: values)
            own = [values.chunk(processes)[rank] for values in (a, b, labels)]
            found = loss_and_gradients(shared, loss, *own, losses.gather)
            for mine, theirs in zip(found, expected):
                torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-14, msg=lambda text: f"{name}: {text}")  # noqa: B023
    distributed.destroy_process_group()
    if rank == 0:
        print(f"{len(LOSSES)} losses agree on {processes} processes")


if __name__ == "__main__":
    sys.exit(main())
