#!/usr/bin/env python3
"""Measure the work of `ebm bench` in JAX: the same energy networks, each task one compiled program.

    python3 scripts/peers/jax_peer.py --workloads uva mnist --precisions f32 --batch 64 --steps 5

prints one line of JSON for every workload, precision and task, with the keys of torch_peer.py. A line that could
not be measured carries the key "error" instead of figures.

Tasks, for a network E and images x in [0, 1]:

  energy    E(x) of a batch
  gradient  dE/dx of a batch
  chain     K Langevin steps on a batch, weights frozen. One step, with xi ~ N(0, 1) per pixel:
                x <- x + s * xi
                x <- clip(x - eta * clamp(dE/dx, -c, c), 0, 1)          eta = 10, s = 0.005, c = 0.03
  train     one iteration of contrastive divergence: the chain above gives x_neg, then Adam minimises
                mean E(x_pos) - mean E(x_neg) + mean E(x_pos)^2 + mean E(x_neg)^2

An image-step is one forward pass and one input gradient of one image. `image_steps_per_s_median` is the figure to
compare; for `energy` and `gradient` it counts images. All K steps of a chain are one jitted program.

Precisions: `f32` computes products in full f32, `tf32` allows TensorFloat-32 (on a GPU), `bf16` casts weights and
activations to bf16; the state of a chain, the weights that Adam updates and its moments stay in f32. The layout is
[batch, height, width, channels].
"""
import argparse
import json
import math
import statistics
import time

import jax
import jax.numpy as jnp
from jax import lax

STEP_SIZE, NOISE_STD, GRAD_CLIP = 10.0, 0.005, 0.03
LEAKY_SLOPE = 0.2
LEARNING_RATE, BETA2, EPSILON = 1e-4, 0.999, 1e-8  # Adam; beta1 is 0

# Height, width and channels of the images of a workload.
SHAPES = {"uva": (28, 28, 1), "mnist": (28, 28, 1), "cifar": (32, 32, 3), "cifar_large": (32, 32, 3)}

# Strided networks. A convolution: filters, kernel, stride, padding before and after.
CONVOLUTIONS = {
    "uva": [(16, 5, 2, (4, 4)), (32, 3, 2, (1, 1)), (64, 3, 2, (1, 1)), (64, 3, 2, (1, 1))],
    "mnist": [(64, 3, 1, (1, 1)), (64, 4, 2, (1, 1)), (128, 4, 2, (1, 1)), (256, 4, 2, (1, 2))],
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

MATMUL_PRECISION = {"f32": "highest", "tf32": "tensorfloat32", "bf16": "default"}
TASKS = ["energy", "gradient", "chain", "train"]


def normal_weight(key, *shape):
    """Normal with variance 1 / fan-in; the last axis is the outputs."""
    return jax.random.normal(key, shape) / math.sqrt(math.prod(shape[:-1]))


def layer(key, *shape):
    """A convolution or dense layer with a bias."""
    return {"weight": normal_weight(key, *shape), "bias": jnp.zeros(shape[-1])}


def init(workload, key):
    """The parameters of a network: those of torch_peer.py, in JAX's layout."""
    keys = iter(jax.random.split(key, 64))
    channels = SHAPES[workload][2]
    if workload in CONVOLUTIONS:
        convs = []
        for filters, kernel, _, _ in CONVOLUTIONS[workload]:
            convs.append(layer(next(keys), kernel, kernel, channels, filters))
            channels = filters
        inputs, hidden = DENSE[workload]
        return {"convs": convs, "fc": layer(next(keys), inputs, hidden), "out": layer(next(keys), hidden, 1)}
    stem, blocks = layer(next(keys), 3, 3, channels, BASE_FILTERS), []
    channels = BASE_FILTERS
    for multiple, _ in BLOCKS[workload]:
        outputs = multiple * BASE_FILTERS
        block = {"a": normal_weight(next(keys), 3, 3, channels, outputs),
                 "b": normal_weight(next(keys), 3, 3, outputs, outputs)}
        if channels != outputs:
            block["bypass"] = normal_weight(next(keys), 3, 3, channels, outputs)
        blocks.append(block)
        channels = outputs
    return {"stem": stem, "blocks": blocks, "out": layer(next(keys), channels, 1)}


def convolve(x, weight, stride=1, padding=(1, 1)):
    return lax.conv_general_dilated(x, weight, window_strides=(stride, stride), padding=(padding, padding),
                                    dimension_numbers=("NHWC", "HWIO", "NHWC"))


def dense(x, params):
    return x @ params["weight"] + params["bias"]


def leaky_relu(x):
    return jnp.where(x > 0, x, LEAKY_SLOPE * x)


def halved(x):
    """2x2 average pool, [n, h, w, c] -> [n, h/2, w/2, c]."""
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))


def strided_energy(workload, params, x):
    activation = jax.nn.silu if workload == "uva" else leaky_relu
    for conv, (_, _, stride, padding) in zip(params["convs"], CONVOLUTIONS[workload]):
        x = activation(convolve(x, conv["weight"], stride, padding) + conv["bias"])
    hidden = activation(dense(x.reshape(x.shape[0], -1), params["fc"]))
    return dense(hidden, params["out"])[:, 0]


def residual_energy(workload, params, x):
    x = leaky_relu(convolve(x, params["stem"]["weight"]) + params["stem"]["bias"])
    for block, (_, halves) in zip(params["blocks"], BLOCKS[workload]):
        bypass = convolve(x, block["bypass"]) if "bypass" in block else x
        x = convolve(leaky_relu(convolve(x, block["a"])), block["b"]) + bypass
        x = leaky_relu(halved(x) if halves else x)
    return dense(jax.nn.relu(x).sum((1, 2)), params["out"])[:, 0]


class Programs:
    """The compiled programs of a workload; one method for each, all functions of their arguments alone."""

    def __init__(self, workload, dtype, num_steps):
        self.network = strided_energy if workload in CONVOLUTIONS else residual_energy
        self.workload, self.dtype, self.num_steps = workload, dtype, num_steps

    def energy(self, params, x):
        """[batch, h, w, c] -> energies [batch] in f32, computed in `dtype`."""
        params = jax.tree_util.tree_map(lambda p: p.astype(self.dtype), params)
        return self.network(self.workload, params, x.astype(self.dtype)).astype(jnp.float32)

    def gradient(self, params, x):
        return jax.grad(lambda x: self.energy(params, x).sum())(x)

    def chain(self, params, x, key):
        """K Langevin steps; the noise of step i is a function of (key, i)."""
        def step(i, x):
            x = x + NOISE_STD * jax.random.normal(jax.random.fold_in(key, i), x.shape)
            gradient = jnp.clip(self.gradient(params, x), -GRAD_CLIP, GRAD_CLIP)
            return jnp.clip(x - STEP_SIZE * gradient, 0.0, 1.0)
        return lax.fori_loop(0, self.num_steps, step, x)

    def loss(self, params, x_pos, x_neg):
        e_pos, e_neg = self.energy(params, x_pos), self.energy(params, x_neg)
        return e_pos.mean() - e_neg.mean() + jnp.square(e_pos).mean() + jnp.square(e_neg).mean()

    def train(self, params, mean_square, count, x_pos, x, key):
        """Chain, gradient of the loss, Adam with beta1 = 0:

        v <- b2 * v + (1 - b2) * g^2,   theta <- theta - lr * g / (sqrt(v / (1 - b2^t)) + eps)
        """
        x = self.chain(params, x, key)
        gradients = jax.grad(self.loss)(params, x_pos, x)
        count = count + 1
        unbiased = 1.0 - BETA2 ** count.astype(jnp.float32)
        mean_square = jax.tree_util.tree_map(
            lambda v, g: BETA2 * v + (1.0 - BETA2) * g * g, mean_square, gradients)
        params = jax.tree_util.tree_map(
            lambda p, g, v: p - LEARNING_RATE * g / (jnp.sqrt(v / unbiased) + EPSILON),
            params, gradients, mean_square)
        return params, mean_square, count, x


def runner(workload, precision, task, args):
    """A function of the run's number that does one run of a task and returns arrays to wait for."""
    dtype = jnp.bfloat16 if precision == "bf16" else jnp.float32
    programs = Programs(workload, dtype, args.steps)
    params = init(workload, jax.random.key(0))
    shape = (args.batch, *SHAPES[workload])
    data, x = (jax.random.uniform(jax.random.key(seed), shape) for seed in (1, 2))
    if task in ("energy", "gradient"):
        program = jax.jit(getattr(programs, task))
        return lambda run: program(params, x)
    if task == "chain":
        program, state = jax.jit(programs.chain), [x]

        def chain(run):
            state[0] = program(params, state[0], jax.random.key(3 + run))
            return state[0]
        return chain
    zeros = jax.tree_util.tree_map(jnp.zeros_like, params)
    program, state = jax.jit(programs.train), [(params, zeros, jnp.zeros((), jnp.int32), x)]

    def train(run):
        params, mean_square, count, x = state[0]
        state[0] = program(params, mean_square, count, data, x, jax.random.key(3 + run))
        return state[0]
    return train


def measure(workload, precision, task, args):
    """The figures of one line."""
    seconds, results = [], None
    with jax.default_matmul_precision(MATMUL_PRECISION[precision]):
        run = runner(workload, precision, task, args)
        for number in range(args.warmup + args.repeats):
            start = time.perf_counter()
            results = jax.block_until_ready(run(number))
            seconds.append(time.perf_counter() - start)
    if not all(bool(jnp.isfinite(array).all()) for array in jax.tree_util.tree_leaves(results)):
        raise ArithmeticError("a result is not finite")
    seconds = seconds[args.warmup:]
    steps = args.steps if task in ("chain", "train") else 1
    median, best = statistics.median(seconds), min(seconds)
    return {
        "peer": f"jax {jax.__version__}",
        "device": str(jax.devices()[0]),
        "workload": workload,
        "variant": precision,
        "task": task,
        "batch": args.batch,
        "steps": steps,
        "image_steps_per_s_median": round(args.batch * steps / median, 1),
        "image_steps_per_s_best": round(args.batch * steps / best, 1),
        "ms_per_step_median": round(1e3 * median / steps, 4),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", default=["uva", "mnist", "cifar"], choices=[*SHAPES])
    parser.add_argument("--precisions", nargs="+", default=[*MATMUL_PRECISION], choices=[*MATMUL_PRECISION])
    parser.add_argument("--tasks", nargs="+", default=["chain", "train"], choices=TASKS)
    parser.add_argument("--batch", type=int, default=128, help="images at a time (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=60, help="Langevin steps of a chain (default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=2,
                        help="runs before the clock starts, the first of which compiles (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="runs on the clock (default: %(default)s)")
    args = parser.parse_args()
    if args.warmup < 1:
        parser.error("--warmup must be at least 1: the first run compiles")
    for workload in args.workloads:
        for precision in args.precisions:
            for task in args.tasks:
                try:
                    line = measure(workload, precision, task, args)
                except Exception as error:  # whatever JAX raises: the other lines are still measured
                    line = {"workload": workload, "variant": precision, "task": task, "error": repr(error)[:300]}
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
