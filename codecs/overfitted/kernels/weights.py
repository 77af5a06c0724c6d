"""The nets' parameters in the order in which kernels read them, and sums back into gradients by name."""

import numpy as np

from isorate.codecs.overfitted.kernels import synthesis
from isorate.codecs.overfitted.kernels.compiled import Array
from isorate.codecs.overfitted.model.context_model import ROWS
from isorate.codecs.overfitted.model.structure import CONTEXT, HIDDEN, LEVELS
from isorate.codecs.overfitted.model.synthesis import COLOURS, TAPS


def arm_weights(params: dict[str, Array]) -> Array:
    """Return the context model's layers, then their transposes, as the kernel reads them."""
    layers = []
    for name in ("arm.hidden0", "arm.hidden1"):
        matrix = np.zeros((ROWS, ROWS), np.float32)
        matrix[:CONTEXT, :CONTEXT] = params[f"{name}.weight"] + np.eye(CONTEXT, dtype=np.float32)
        matrix[:CONTEXT, CONTEXT] = params[f"{name}.bias"]
        matrix[CONTEXT, CONTEXT] = 1
        layers.append(matrix)
    last = np.zeros((2, 2 * ROWS), np.float32)
    last[:, :CONTEXT] = params["arm.linear.weight"]
    last[:, ROWS : ROWS + CONTEXT] = params["arm.out.weight"]
    last[:, -1] = params["arm.out.bias"]
    w0, w1 = layers
    back = np.concatenate([w0.T, last[:, :ROWS].T], 1)
    parts = (w0, w1, last, last[:, ROWS:].T, w1.T, back)
    return np.concatenate([part.ravel() for part in parts])


def arm_gradients(sums: Array) -> dict[str, Array]:
    """Return the gradients of the context model's parameters by name."""
    square = ROWS * ROWS
    found = {}
    for place, name in enumerate(("arm.hidden0", "arm.hidden1")):
        part = sums[place * square : (place + 1) * square].reshape(ROWS, ROWS)
        found[f"{name}.weight"], found[f"{name}.bias"] = part[:CONTEXT, :CONTEXT], part[:CONTEXT, CONTEXT]
    last = sums[2 * square :].reshape(2, 2 * ROWS)
    found["arm.linear.weight"] = last[:, :CONTEXT]
    found["arm.out.weight"], found["arm.out.bias"] = last[:, ROWS : ROWS + CONTEXT], last[:, -1]
    return found


def synthesis_gradients(sums: Array) -> dict[str, Array]:
    """Return the gradients of the 1×1 layers by name."""
    leave = sums[: synthesis.OF_FIRST].reshape(4, HIDDEN + 2)
    first = sums[synthesis.OF_FIRST :].reshape(4 + HIDDEN, LEVELS + 1)
    layers = {"leave": leave[:COLOURS, : HIDDEN + 1], "linear": first[:COLOURS], "enter": first[4:]}
    found = {}
    for name, value in layers.items():
        found[f"synthesis.{name}.weight"], found[f"synthesis.{name}.bias"] = value[:, :-1], value[:, -1]
    return found


def synthesis_weights(params: dict[str, Array]) -> tuple[Array, list[Array], list[Array]]:
    """Return the 1×1 layers and their transposes, the 3×3 kernels with their biases, and these mirrored."""

    def with_bias(name: str) -> Array:
        return np.concatenate([params[f"synthesis.{name}.weight"], params[f"synthesis.{name}.bias"][:, None]], 1)

    enter, linear, leave = (
        with_bias("enter"),
        np.zeros((4, LEVELS + 1), np.float32),
        np.zeros((4, HIDDEN + 2), np.float32),
    )
    linear[:COLOURS] = with_bias("linear")
    leave[:COLOURS, : HIDDEN + 1] = with_bias("leave")
    parts = (enter, linear, leave, leave[:, :HIDDEN].T, np.concatenate([linear.T, enter.T], 1))
    kernels, mirrors = [], []
    for name in ("residual0", "residual1"):
        weight = params[f"synthesis.{name}.weight"]
        kernel, mirror = (np.zeros((4, COLOURS * TAPS + 1), np.float32) for _ in range(2))
        kernel[:COLOURS, :-1] = weight.reshape(COLOURS, -1)
        kernel[:COLOURS, -1] = params[f"synthesis.{name}.bias"]
        mirror[:COLOURS, :-1] = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3).reshape(COLOURS, -1)
        kernels.append(kernel.ravel())
        mirrors.append(mirror.ravel())
    return np.concatenate([part.ravel() for part in parts]), kernels, mirrors
