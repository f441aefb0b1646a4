#!/usr/bin/env python3
"""Measure the work of `ebm bench` in PyTorch: the same energy networks, the same tasks, the same JSON keys.

    python3 scripts/peers/torch_peer.py --device cpu --workloads uva mnist --variants eager bf16 --batch 64 --steps 5

prints one line of JSON for every workload, variant and task. A line that could not be measured carries the key
"error" instead of figures, so that one variant that fails does not hide the others.

Tasks, for a network E and images x in [0, 1]:

  energy    E(x) of a batch
  gradient  E(x) and dE/dx of a batch
  chain     K Langevin steps on a batch, weights frozen. One step, with xi ~ N(0, 1) per pixel:
                x <- x + s * xi
                x <- clip(x - eta * clamp(dE/dx, -c, c), 0, 1)          eta = 10, s = 0.005, c = 0.03
  train     one iteration of contrastive divergence: the chain above gives x_neg, then Adam minimises
                mean E(x_pos) - mean E(x_neg) + mean E(x_pos)^2 + mean E(x_neg)^2
  flow      one iteration of flow regression: between noise x0 ~ N(0, 1) and data x1, at a uniform time t,
                x_t = (1 - t) * x0 + t * x1,    minimise mean (dE/dx(x_t) - (x0 - x1))^2
            which differentiates the gradient once more (double backward)

An image-step is one forward pass and one input gradient of one image. `image_steps_per_s_median` is the figure to
compare; for `energy`, `gradient` and `flow` it counts images.

Variants: `eager` is f32 in the default layout without TF32. All others use the channels_last layout and may use
TF32 on a GPU: `channels_last`; `bf16` (autocast); `compile` (torch.compile, mode given by --mode); `compile_bf16`.

`build(workload)` and `SHAPES` are also what scripts/torch-parity imports; parameters have the names that
`ebm export` writes.
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

STEP_SIZE, NOISE_STD, GRAD_CLIP = 10.0, 0.005, 0.03
LEAKY_SLOPE = 0.2

# Channels, height and width of the images of a workload.
SHAPES = {"uva": (1, 28, 28), "mnist": (1, 28, 28), "cifar": (3, 32, 32), "cifar_large": (3, 32, 32),
          "unet": (1, 28, 28), "unet32": (3, 32, 32)}

# Strided networks. A convolution: filters, kernel, stride, padding, further padding at the bottom and right.
CONVOLUTIONS = {
    "uva": [(16, 5, 2, 4, 0), (32, 3, 2, 1, 0), (64, 3, 2, 1, 0), (64, 3, 2, 1, 0)],
    # 7x7 -> 4x4 is TensorFlow's 'SAME': one pixel before, two after.
    "mnist": [(64, 3, 1, 1, 0), (64, 4, 2, 1, 0), (128, 4, 2, 1, 0), (256, 4, 2, 1, 1)],
}
# Inputs and outputs of the dense layer that follows them.
DENSE = {"uva": (64 * 2 * 2, 64), "mnist": (256 * 4 * 4, 128)}

# Residual networks. A block: filters as a multiple of BASE_FILTERS, whether it halves the image.
BASE_FILTERS = 128
BLOCKS = {
    "cifar": [(1, True), (1, False), (2, True), (2, False), (2, True), (2, False)],
    "cifar_large": [(1, True), (1, False), (1, False), (2, True), (2, False), (2, False),
                    (4, True), (4, False), (4, False)],
}

# U-Nets: channels of each stage, residual blocks of a stage on the way down.
STAGES = {"unet": ([32, 64, 64], 1), "unet32": ([128, 256, 256, 256], 3)}

VARIANTS = ["eager", "channels_last", "bf16", "compile", "compile_bf16"]
TASKS = ["energy", "gradient", "chain", "train", "flow"]


def leaky_relu(x):
    return F.leaky_relu(x, LEAKY_SLOPE)


class StridedEnergy(nn.Module):
    """Strided convolutions, a dense layer, an energy.

    `uva` is the 77k-parameter network of the UvA deep learning tutorial 8 (SiLU), `mnist` is MnistNet of
    Du & Mordatch 2019 with 64 filters (leaky ReLU, slope 0.2).
    """

    def __init__(self, workload):
        super().__init__()
        channels = SHAPES[workload][0]
        self.convs, self.more_padding = nn.ModuleList(), []
        for filters, kernel, stride, padding, more in CONVOLUTIONS[workload]:
            self.convs.append(nn.Conv2d(channels, filters, kernel, stride, padding))
            self.more_padding.append(more)
            channels = filters
        inputs, hidden = DENSE[workload]
        self.fc = nn.Linear(inputs, hidden)
        self.out = nn.Linear(hidden, 1)
        self.activation = F.silu if workload == "uva" else leaky_relu

    def forward(self, x):
        """[batch, c, h, w] -> energies [batch]."""
        for conv, more in zip(self.convs, self.more_padding):
            if more:
                x = F.pad(x, (0, more, 0, more))
            x = self.activation(conv(x))
        hidden = self.activation(self.fc(x.flatten(1)))
        return self.out(hidden).squeeze(1)


class ResidualBlock(nn.Module):
    """act(pool(b(act(a(x))) + bypass(x))): 3x3 convolutions without bias or normalisation.

    The bypass is a 3x3 convolution where the number of channels changes, else the identity; the pool is a 2x2
    average where the block halves the image.
    """

    def __init__(self, inputs, outputs, halves):
        super().__init__()
        self.a = self.convolution(inputs, outputs)
        self.b = self.convolution(outputs, outputs)
        self.bypass = self.convolution(inputs, outputs) if inputs != outputs else nn.Identity()
        self.halves = halves

    @staticmethod
    def convolution(inputs, outputs):
        return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)

    def forward(self, x):
        x = self.b(leaky_relu(self.a(x))) + self.bypass(x)
        if self.halves:
            x = F.avg_pool2d(x, 2)
        return leaky_relu(x)


class ResidualEnergy(nn.Module):
    """ResNet32 (`cifar`) and ResNet32Large (`cifar_large`) of Du & Mordatch 2019, without spectral norm.

    A 3x3 stem, residual blocks, ReLU, the sum over all positions, a dense layer.
    """

    def __init__(self, workload):
        super().__init__()
        channels = BASE_FILTERS
        self.stem = nn.Conv2d(SHAPES[workload][0], channels, kernel_size=3, padding=1)
        blocks = []
        for multiple, halves in BLOCKS[workload]:
            outputs = multiple * BASE_FILTERS
            blocks.append(ResidualBlock(channels, outputs, halves))
            channels = outputs
        self.blocks = nn.Sequential(*blocks)
        self.out = nn.Linear(channels, 1)

    def forward(self, x):
        """[batch, c, h, w] -> energies [batch]."""
        features = F.relu(self.blocks(leaky_relu(self.stem(x)))).sum((2, 3))
        return self.out(features).squeeze(1)


class UNetBlock(nn.Module):
    """b(act(a(act(x)))) + bypass(x): 3x3 convolutions, a 1x1 bypass where the number of channels changes."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.a = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)
        self.b = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1)
        self.bypass = nn.Conv2d(inputs, outputs, kernel_size=1, bias=False) if inputs != outputs else nn.Identity()

    def forward(self, x):
        return self.b(F.silu(self.a(F.silu(x)))) + self.bypass(x)


class UNetEnergy(nn.Module):
    """E = <x, f(x)>, where f is a U-Net: residual blocks, average pooling, nearest upsampling, SiLU.

    `unet` has 309k parameters, `unet32` 15.7M.
    """

    def __init__(self, workload):
        super().__init__()
        widths, self.blocks = STAGES[workload]
        channels, image = widths[0], SHAPES[workload][0]
        self.stem = nn.Conv2d(image, channels, kernel_size=3, padding=1)
        down = []
        for width in widths:
            for _ in range(self.blocks):
                down.append(UNetBlock(channels, width))
                channels = width
        self.down = nn.ModuleList(down)
        self.up = nn.ModuleList(
            UNetBlock(coarse + fine, fine) for fine, coarse in reversed(list(zip(widths, widths[1:]))))
        self.out = nn.Conv2d(widths[0], image, kernel_size=3, padding=1)

    def forward(self, x):
        """[batch, c, h, w] -> energies [batch]."""
        h, skips = self.stem(x), []
        for i, block in enumerate(self.down):
            if i and i % self.blocks == 0:
                skips.append(h)
                h = F.avg_pool2d(h, 2)
            h = block(h)
        for block in self.up:
            h = block(torch.cat([F.interpolate(h, scale_factor=2.0, mode="nearest"), skips.pop()], 1))
        return (x * self.out(F.silu(h))).sum((1, 2, 3))


def build(workload):
    """The network of a workload, with PyTorch's initial weights."""
    for table, network in [(CONVOLUTIONS, StridedEnergy), (BLOCKS, ResidualEnergy), (STAGES, UNetEnergy)]:
        if workload in table:
            return network(workload)
    raise KeyError(workload)


def langevin_chain(energy, x, steps):
    """K steps of the `chain` task."""
    for _ in range(steps):
        x = (x + NOISE_STD * torch.randn_like(x)).detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(energy(x).sum(), x)
        x = (x - STEP_SIZE * gradient.clamp(-GRAD_CLIP, GRAD_CLIP)).clamp(0.0, 1.0)
    return x.detach()


class Bench:
    """A network, its images and its optimizer on a device; one method for each task."""

    def __init__(self, workload, variant, args):
        torch.manual_seed(0)
        allow_tf32 = variant != "eager"
        torch.backends.cuda.matmul.allow_tf32 = allow_tf32
        torch.backends.cudnn.allow_tf32 = allow_tf32
        torch.backends.cudnn.benchmark = True

        self.device, self.batch, self.num_steps = torch.device(args.device), args.batch, args.steps
        layout = torch.contiguous_format if variant == "eager" else torch.channels_last
        self.net = build(workload).to(self.device, memory_format=layout)
        self.forward = torch.compile(self.net, mode=args.mode) if variant.startswith("compile") else self.net
        self.in_bf16 = variant.endswith("bf16")
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-4, betas=(0.0, 0.999))
        self.data, self.chains = (
            torch.rand(args.batch, *SHAPES[workload], device=self.device).to(memory_format=layout) for _ in range(2))

    def energies(self, x):
        """E of a batch, as f32."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.in_bf16):
            return self.forward(x).float()

    def minimise(self, loss):
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def energy(self):
        with torch.no_grad():
            self.energies(self.chains)

    def gradient(self):
        self.net.requires_grad_(False)
        x = self.chains.detach().requires_grad_(True)
        torch.autograd.grad(self.energies(x).sum(), x)

    def chain(self):
        self.net.requires_grad_(False)
        self.chains = langevin_chain(self.energies, self.chains, self.num_steps)

    def train(self):
        self.chain()
        self.net.requires_grad_(True)
        e_pos, e_neg = self.energies(self.data), self.energies(self.chains)
        self.minimise(e_pos.mean() - e_neg.mean() + e_pos.square().mean() + e_neg.square().mean())

    def flow(self):
        self.net.requires_grad_(True)
        noise = torch.randn_like(self.data)
        time_ = torch.rand(self.batch, 1, 1, 1, device=self.device)
        x = ((1 - time_) * noise + time_ * self.data).requires_grad_(True)
        (gradient,) = torch.autograd.grad(self.energies(x).sum(), x, create_graph=True)
        self.minimise((gradient - (noise - self.data)).square().mean())

    def wait(self):
        """Return once the device has done its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, task, warmup, repeats):
        """Seconds of each of `repeats` runs of a task."""
        run, seconds = getattr(self, task), []
        for _ in range(warmup):
            run()
        for _ in range(repeats):
            self.wait()
            start = time.perf_counter()
            run()
            self.wait()
            seconds.append(time.perf_counter() - start)
        if not torch.isfinite(self.chains).all():
            raise ArithmeticError("a pixel of the chains is not finite")
        return seconds

    def describe(self):
        """The device's name, and the most memory that tensors took there, in MiB."""
        if self.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.device) / 2**20
            return torch.cuda.get_device_name(self.device), peak
        return f"{self.device.type} x{torch.get_num_threads()}", None


def measure(workload, variant, task, args):
    """The figures of one line."""
    bench = Bench(workload, variant, args)
    if bench.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(bench.device)
    seconds = bench.seconds(task, args.warmup, args.repeats)
    steps = args.steps if task in ("chain", "train") else 1
    median, best = statistics.median(seconds), min(seconds)
    device, peak_mib = bench.describe()
    return {
        "peer": f"torch {torch.__version__}",
        "device": device,
        "workload": workload,
        "variant": variant,
        "task": task,
        "batch": args.batch,
        "steps": steps,
        "image_steps_per_s_median": round(args.batch * steps / median, 1),
        "image_steps_per_s_best": round(args.batch * steps / best, 1),
        "ms_per_step_median": round(1e3 * median / steps, 4),
        "peak_mib": peak_mib,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    parser.add_argument("--workloads", nargs="+", default=["uva", "mnist", "cifar"], choices=[*SHAPES])
    parser.add_argument("--variants", nargs="+", default=VARIANTS, choices=VARIANTS)
    parser.add_argument("--tasks", nargs="+", default=["chain", "train"], choices=TASKS)
    parser.add_argument("--mode", default="max-autotune-no-cudagraphs",
                        help="of torch.compile; reduce-overhead uses CUDA graphs (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=128, help="images at a time (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=60, help="Langevin steps of a chain (default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=2, help="runs before the clock starts (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="runs on the clock (default: %(default)s)")
    args = parser.parse_args()
    for workload in args.workloads:
        for variant in args.variants:
            for task in args.tasks:
                try:
                    line = measure(workload, variant, task, args)
                except Exception as error:  # whatever PyTorch raises: the other lines are still measured
                    line = {"workload": workload, "variant": variant, "task": task, "error": repr(error)[:300]}
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
