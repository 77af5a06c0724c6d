"""A run that starts from another one's weights, in a larger model, too."""

import json
import tomllib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data as photographs

from isorate.codecs.learned.bitstream.weights import weights_path
from isorate.codecs.learned.coding.network import load_network
from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.training.grow import grow
from isorate.codecs.learned.training.loop import Trainer
from isorate.codecs.learned.training.settings import read_settings
from isorate.errors import UsageError

from .conftest import CONFIGS, grown


def test_a_run_can_start_from_a_shallower_model_and_not_from_a_wider_one(config: Path, tmp_path: Path) -> None:
    trainer = Trainer(read_settings(config), tmp_path / "shallow")
    trainer.warm_start()
    trainer.save()
    text = config.read_text()
    deeper, wider = tmp_path / "deeper.toml", tmp_path / "wider.toml"
    deeper.write_text(text.replace("decoder_coarse_blocks = 1", "decoder_coarse_blocks = 3"))
    wider.write_text(text.replace("prior_channels = 16", "prior_channels = 32"))
    other = Trainer(read_settings(deeper), tmp_path / "deeper")
    other.start_from(tmp_path / "shallow")
    x, lmbda = torch.rand(1, 3, 64, 64), torch.tensor([0.01])
    with torch.no_grad():
        one, two = (t.model(x, lmbda, torch.ones(1)) for t in (trainer, other))
    torch.testing.assert_close(one.picture, two.picture)
    with pytest.raises(UsageError, match="another model"):
        Trainer(read_settings(wider), tmp_path / "wider").start_from(tmp_path / "shallow")


def test_a_grown_model_makes_the_same_picture_and_sees_more(config: Path, tmp_path: Path) -> None:
    small = Trainer(read_settings(config), tmp_path / "small")
    small.warm_start()
    small.run(steps=8)
    path = grown(config, tmp_path, coarse_channels=64, latent_channels=64, coarse_hidden=32, step_channels=24)
    large = Trainer(read_settings(path), tmp_path / "large")
    large.start_from(tmp_path / "small")
    small.model.load_state_dict(small.average.shadow)
    crops = np.stack([small.sampler.crop(number) for number in range(4)])
    x = torch.from_numpy(crops).permute(0, 3, 1, 2) / 255
    lmbda, bin_size = torch.tensor([0.03, 0.01, 0.003, 0.001]), torch.ones(4)
    with torch.no_grad():
        one, two = (t.model(x, lmbda, bin_size) for t in (small, large))
        old, new = small.model.analysis(x, lmbda), large.model.analysis(x, lmbda)
    torch.testing.assert_close(two.picture, one.picture, atol=1e-5, rtol=0)
    torch.testing.assert_close(two.hyper_bits, one.hyper_bits, rtol=1e-3, atol=0)
    assert (two.latent_bits >= one.latent_bits - 0.01).all()
    kept = torch.arange(64).view(4, 16)[:, :8].flatten()
    torch.testing.assert_close(new[:, kept], old, atol=1e-4, rtol=1e-4)
    added = new[:, torch.arange(64).view(4, 16)[:, 8:].flatten()]
    assert added.std(dim=(0, 2, 3)).min() > 0
    large.run(steps=2)
    with torch.no_grad():
        assert large.model.synthesis_net.up.weight[:, 32:].abs().max() > 0, "what reads the new channels must learn"


def test_a_start_is_made_on_the_cpu_wherever_the_model_is(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Trainer(read_settings(config), tmp_path / "source")
    source.warm_start()
    source.save()
    given = []

    def seen(small: ConditionalAutoencoder, large: ConditionalAutoencoder, images: torch.Tensor) -> None:
        given.extend([images, *small.parameters(), *large.parameters()])
        grow(small, large, images)

    monkeypatch.setattr("isorate.codecs.learned.training.loop.grow", seen)
    elsewhere = Trainer(read_settings(config), tmp_path / "elsewhere")
    elsewhere.place = replace(elsewhere.place, device=torch.device("meta"))
    elsewhere.model.to("meta")
    elsewhere.start_from(tmp_path / "source")
    assert len(given) > 3
    assert {tensor.device.type for tensor in given} == {"cpu"}
    assert {tensor.device.type for tensor in elsewhere.average.shadow.values()} == {"meta"}
    elsewhere.warm_start()


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ({"step_channels": 8}, "its step_channels is 16, here it is 8"),
        ({"latent_channels": 16}, "its latent_channels is 32, here it is 16"),
        ({"coarse_channels": 64, "latent_channels": 48, "coarse_hidden": 32}, "as many coarse channels as latent"),
        ({"coarse_channels": 64, "latent_channels": 64}, "its coarse_hidden is 32, here it is 64"),
        ({"fine_channels": 32}, "its fine_channels is 24, here it is 32"),
    ],
)
def test_a_model_grows_in_certain_ways_only(
    config: Path, tmp_path: Path, channels: dict[str, int], message: str
) -> None:
    small = Trainer(read_settings(config), tmp_path / "small")
    small.save()
    large = Trainer(read_settings(grown(config, tmp_path, **channels)), tmp_path / "large")
    with pytest.raises(UsageError, match=message):
        large.start_from(tmp_path / "small")


def test_base_starts_from_the_landed_weights_of_small() -> None:
    table = tomllib.loads((CONFIGS / "base.toml").read_text())["model"]
    small, base = load_network(weights_path("small")).model, ConditionalAutoencoder(ModelConfig.from_dict(table))
    photo = torch.from_numpy(photographs.astronaut()).permute(2, 0, 1)[None] / 255
    crops = torch.cat([photo[..., top : top + 128, left : left + 128] for top in (0, 200) for left in (0, 150, 300)])
    grow(small, base, crops)
    with torch.no_grad():
        one, two = (model(crops[:1], torch.tensor([0.003]), torch.ones(1)).picture for model in (small, base))
    torch.testing.assert_close(two, one, atol=1e-3, rtol=0)


def test_a_wider_latent_prior_says_the_same_at_first_and_learns(config: Path, tmp_path: Path) -> None:
    small = Trainer(read_settings(config), tmp_path / "small")
    small.warm_start()
    small.run(steps=4)
    wide = Trainer(read_settings(grown(config, tmp_path, step_channels=40)), tmp_path / "wide")
    wide.start_from(tmp_path / "small")
    small.model.load_state_dict(small.average.shadow)
    x, lmbda = torch.rand(1, 3, 64, 64), torch.tensor([0.003])
    with torch.no_grad():
        one, two = (t.model(x, lmbda, torch.ones(1)) for t in (small, wide))
    torch.testing.assert_close(two.bits, one.bits)
    leaving = wide.model.latent_prior.get_submodule("nets.0.leave").get_parameter("weight")
    assert not leaving[:, 16:].any()
    wide.run(steps=2)
    assert leaving[:, 16:].abs().max() > 0


def test_a_run_starts_from_a_weights_file(tmp_path: Path, config: Path) -> None:
    weights = Path(__file__).parents[3] / "data" / "learned" / "tiny.safetensors"
    network = load_network(weights)
    model = "\n".join(f"{key} = {json.dumps(value)}" for key, value in asdict(network.config).items())
    path = tmp_path / "again.toml"
    recipe = config.read_text()
    path.write_text(f"[model]\n{model}\n{recipe[recipe.index('[train]') :]}")
    trainer = Trainer(read_settings(path), tmp_path / "again")
    trainer.start_from(weights)
    for name, parameter in trainer.model.named_parameters():
        torch.testing.assert_close(parameter.detach(), network.model.state_dict()[name], rtol=0, atol=0)
    assert trainer.prior_steps == 0, "trained priors need no steps of their own"
    trainer.run(steps=2)
    assert trainer.skipped == 0
