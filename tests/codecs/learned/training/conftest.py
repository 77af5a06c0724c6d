"""A tiny model, photographs and a short run of training."""

import io
import re
import sys
import tarfile
from pathlib import Path

import pytest
from PIL import Image as PillowImage
from skimage import data as photographs

from isorate.codecs.learned.training.loop import Trainer
from isorate.codecs.learned.training.pack import pack
from isorate.codecs.learned.training.settings import read_settings

CONFIGS = Path(sys.modules["isorate.codecs.learned"].__path__[0]) / "configs"
CONFIG = """
[model]
name = "tiny"
fine_channels = 24
coarse_channels = 32
latent_channels = 32
hyper_channels = 8
encoder_coarse_blocks = 0
decoder_coarse_blocks = 1
prior_channels = 16

[train]
total_steps = {steps}
batch_size = 4
crop_size = 64
curve_steps = 15
warmup_steps = 5
precondition_every = 5
ema = 0.95
validate_lmbda = [-2.0]
checkpoint_seconds = 1
warm_start_crops = 32

[[train.phases]]
start = 0.8
crop_size = 128
batch_size = 2
quantization = "round"
frozen_encoder = true
fake_quantize = true

[data]
train = "{train}"
validation = "{validation}"
"""


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    sources = folder / "sources"
    sources.mkdir()
    for name in ("astronaut", "coffee"):
        PillowImage.fromarray(getattr(photographs, name)()).save(sources / f"{name}.png")
    assert pack(folder / "train", [sources]) == 2
    archive = folder / "valid.tar"
    with tarfile.open(archive, "w") as tar:
        buffer = io.BytesIO()
        PillowImage.fromarray(photographs.chelsea()[:100, :90]).save(buffer, "PNG")
        member = tarfile.TarInfo("chelsea.png")
        member.size = len(buffer.getvalue())
        tar.addfile(member, io.BytesIO(buffer.getvalue()))
    assert pack(folder / "valid", [archive]) == 1
    path = folder / "tiny.toml"
    path.write_text(CONFIG.format(steps=60, train=folder / "train", validation=folder / "valid"))
    return path


def grown(config: Path, folder: Path, **channels: int) -> Path:
    text = config.read_text()
    for key, value in channels.items():
        text = re.sub(rf"{key} = \d+\n", "", text).replace("[model]\n", f"[model]\n{key} = {value}\n")
    path = folder / "grown.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="session")
def checkpoint(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one checkpoint in several files."""
    folder = tmp_path_factory.mktemp("checkpoint")
    trainer = Trainer(read_settings(config), folder, max_file_bytes=100_000)
    trainer.run(steps=1)
    assert len(list(folder.glob("step-*/part-*"))) > 3
    return folder
