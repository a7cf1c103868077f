"""PyTorch's side of the loader's benchmark: answers one JSON line on stdout to each on stdin."""

import gzip
import os
import sys
import time
import warnings

from answer import answer

import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, TensorDataset

import nets
import sam

warnings.simplefilter("ignore")

state = {}


class Transformed(Dataset):
    """A tensor set with a transform of each image."""

    def __init__(self, images, labels):
        sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "test", "support"))
        import libraries  # noqa: F401  what torchvision wants to find
        from torchvision import transforms

        self.images, self.labels = images, labels
        self.transform = transforms.Compose([transforms.RandomCrop(28, padding=4), transforms.RandomHorizontalFlip(), transforms.Normalize([0.286], [0.353])])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.transform(self.images[i]), self.labels[i]


def read_idx(path, offset):
    with gzip.open(path) if os.path.exists(path) else open(path.removesuffix(".gz"), "rb") as file:
        return torch.frombuffer(bytearray(file.read()[offset:]), dtype=torch.uint8)


def load(threads, folder, net, settings, count):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if folder is None:
        state["set"] = torch.rand(count, 1, 28, 28), torch.randint(0, 10, (count,))
    else:
        images = read_idx(os.path.join(folder, "train-images-idx3-ubyte.gz"), 16).reshape(-1, 1, 28, 28).float().div(255)
        state["set"] = images, read_idx(os.path.join(folder, "train-labels-idx1-ubyte.gz"), 8).long()
    state["loaders"] = {}
    state["step"] = sam.contenders["foreach"](nets.ConvNet(**net), settings).step
    return {"length": len(state["set"][0])}


def endless(loader):
    while True:
        yield from loader


def batches_of(kind, workers, batched, batchSize):
    """Loaders are kept, and their workers with them."""
    key = (kind, workers, batched, batchSize)
    if key not in state["loaders"]:
        dataset = TensorDataset(*state["set"]) if kind == "rows" else Transformed(*state["set"])
        more = {"num_workers": workers, "persistent_workers": workers > 0}
        if batched:
            loader = DataLoader(dataset, sampler=BatchSampler(RandomSampler(dataset), batchSize, drop_last=True), batch_size=None, **more)
        else:
            loader = DataLoader(dataset, batch_size=batchSize, shuffle=True, drop_last=True, **more)
        state["loaders"][key] = endless(loader)
    return state["loaders"][key]


def raw(kind, workers, batched, batchSize, batches):
    loader = batches_of(kind, workers, batched, batchSize)
    next(loader)
    start = time.perf_counter_ns()
    for _ in range(batches):
        next(loader)
    return {"time": (time.perf_counter_ns() - start) / 1e6 / batches}


def training(kind, workers, batched, batchSize, steps):
    loader, step = batches_of(kind, workers, batched, batchSize), state["step"]
    step(*next(loader))
    waited = 0
    start = time.perf_counter_ns()
    for _ in range(steps):
        asked = time.perf_counter_ns()
        x, y = next(loader)
        waited += time.perf_counter_ns() - asked
        step(x, y)
    return {"waited": waited / 1e6 / steps, "time": (time.perf_counter_ns() - start) / 1e6 / steps}


commands = {"load": load, "raw": raw, "training": training}

answer(commands)
