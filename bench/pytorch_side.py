"""Runs PyTorch's contenders: answers one JSON line on stdout to each on stdin."""

import json
import os
import struct
import time
import warnings

from answer import answer

import torch

import nets
import sam

warnings.simplefilter("ignore")

state = {}


def load_safetensors(path):
    """The format is a header and the bytes: a library for it would be one more thing to install."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        body = bytearray(file.read())
    dtypes = {"F32": torch.float32, "I64": torch.int64}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        tensors[name] = torch.frombuffer(body[begin:end], dtype=dtypes[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def load(case, threads, folder, contenders, settings, device="cpu", precision="float32"):
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("highest" if precision == "float32" else "high")
    torch.backends.cudnn.allow_tf32 = precision != "float32"
    weights = load_safetensors(os.path.join(folder, "weights.safetensors"))
    batch = load_safetensors(os.path.join(folder, "batch.safetensors"))
    state["batch"] = (batch["x"].clone().to(device), batch["y"].clone().to(device))
    state["wait"] = torch.cuda.synchronize if device.startswith("cuda") else None
    for name in contenders:
        model = getattr(nets, case["net"])(**case["sizes"])
        model.load_state_dict(weights, strict=True)
        model.to(device)
        state[name] = sam.contenders[name](model, {**settings, "mixed": precision == "bfloat16"})
    return {"torch": torch.__version__}


def steps(contender, count):
    x, y = state["batch"]
    step = state[contender].step
    times, losses = [], []
    for _ in range(count):
        start = time.perf_counter_ns()
        loss = step(x, y)
        if state["wait"] is not None:
            loss = loss.clone()  # a graph's next replay would overwrite it
            state["wait"]()  # as Steppe's report does, which holds the loss
        times.append((time.perf_counter_ns() - start) / 1e6)
        losses.append(loss)
    return {"times": times, "losses": [loss.item() for loss in losses]}


def add(count, threads):
    torch.set_num_threads(threads)
    a, b = torch.ones(8, 8), torch.ones(8, 8)
    times = []
    for _ in range(10):
        start = time.perf_counter_ns()
        for _ in range(count):
            a.add(b)
        times.append((time.perf_counter_ns() - start) / 1e6 / count)
    return {"times": times}


commands = {"load": load, "steps": steps, "add": add}

answer(commands)
