"""The rate lines of a weights file: what its files' sizes are on validation photographs."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from tqdm import tqdm

from isorate.codecs.learned.bitstream.knobs import KnobCodes
from isorate.codecs.learned.bitstream.weights import Weights
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.coding.picture import PictureEncoder
from isorate.codecs.learned.coding.rate_prediction import Activity, RateLine, fit_line
from isorate.image import Image

STEPS_A_KNOT = 2
BIN_SIZES = (1.0, 0.75, 1.4)
SLOPE_EVERY = 4
"""Every fourth photograph also gives the slope over Δ."""


def measure_rates(weights: Weights, images: Sequence[Image]) -> Weights:
    """Return `weights` with the rate lines fitted to the real files of `images`."""
    network = Network(weights)
    knots = weights.config.knots
    count = STEPS_A_KNOT * (len(knots) - 1) + 1
    places = np.interp(np.arange(count) / STEPS_A_KNOT, np.arange(len(knots)), knots)
    rates = np.zeros((count, len(BIN_SIZES), len(images)))
    statistics = np.zeros((count, len(images)))
    with torch.inference_mode():
        for number, image in enumerate(tqdm(images, desc="rates", disable=None)):
            encoder, activity = PictureEncoder(network, image), Activity(image)
            for row, place in enumerate(places):
                statistics[row, number] = activity.log_statistic(float(place))
                for column, bin_size in enumerate(BIN_SIZES if number % SLOPE_EVERY == 0 else BIN_SIZES[:1]):
                    data = encoder.code(KnobCodes.nearest(10.0 ** float(place), bin_size, knots)).data
                    rates[row, column, number] = 8 * len(data) / (image.shape[0] * image.shape[1])
    lines: list[RateLine] = []
    octaves = math.log2(BIN_SIZES[2]) - math.log2(BIN_SIZES[1])
    for row, place in enumerate(places):
        probed = np.log(rates[row, :, ::SLOPE_EVERY])
        slope = float((probed[2] - probed[1]).mean()) / octaves
        lines.append(fit_line(float(place), statistics[row].tolist(), rates[row, 0].tolist(), slope))
    return replace(weights, rates={"lines": [[round(value, 5) for value in line.to_json()] for line in lines]})
