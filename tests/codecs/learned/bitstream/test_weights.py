from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from isorate.codecs.learned import LearnedCodec
from isorate.codecs.learned.bitstream.weights import BEST, Weights, load_weights, save_weights, weights_path
from isorate.codecs.learned.coding.network import Network, load_network
from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.priors import PriorConv2d
from isorate.codecs.learned.tools.export import integer_conv, weights_of
from isorate.errors import CodecUnavailableError, UsageError
from isorate.image import Image


def test_what_is_saved_is_loaded(tiny: Network, tmp_path: Path) -> None:
    path = tmp_path / "again.safetensors"
    save_weights(tiny.weights, path)
    again = load_weights(path)
    assert again.digest == tiny.weights.digest
    assert again.config == tiny.config
    assert again.rates == tiny.weights.rates
    for name, value in tiny.weights.tensors().items():
        np.testing.assert_array_equal(again.tensors()[name], value)


@pytest.fixture
def parts(tiny: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Weights in several files."""
    monkeypatch.setattr("isorate.codecs.learned.bitstream.weights.LARGEST_FILE", 60_000)
    found = save_weights(tiny.weights, tmp_path / "long.safetensors")
    assert len(found) > 2
    return found


def test_long_weights_are_in_several_files(tiny: Network, parts: list[Path]) -> None:
    assert [path.name for path in parts[:3]] == ["long.safetensors", "long.safetensors.2", "long.safetensors.3"]
    assert load_weights(parts[0]).digest == tiny.weights.digest
    longest = max(value.nbytes for value in tiny.weights.tensors().values())
    assert all(path.stat().st_size < max(60_000, longest) + 20_000 for path in parts)


def test_a_missing_or_damaged_part_is_named(parts: list[Path]) -> None:
    content = parts[1].read_bytes()
    parts[1].write_bytes(content[:-4] + bytes(4))
    with pytest.raises(CodecUnavailableError, match=r"long\.safetensors or a file beside it is damaged"):
        load_weights(parts[0])
    parts[1].write_bytes(content[:100])
    with pytest.raises(CodecUnavailableError, match=r"long\.safetensors\.2 is damaged"):
        load_weights(parts[0])
    parts[1].unlink()
    with pytest.raises(CodecUnavailableError, match=r"long\.safetensors\.2 is missing"):
        load_weights(parts[0])


def rewrite(path: Path, changes: dict[str, str | None], without: str = "none") -> None:
    """Change metadata of a weights file (None: take it out), and leave tensors out whose names end `without`."""
    with safe_open(path, "numpy") as file:
        metadata = {**file.metadata(), **changes}
        tensors = {n: file.get_tensor(n) for n in file.keys() if not n.endswith(without)}  # noqa: SIM118  (no mapping)
    path.write_bytes(save(tensors, {key: value for key, value in metadata.items() if value is not None}))


@pytest.mark.parametrize("count", ["0", "-1", "100", "two"])
def test_an_impossible_number_of_files_is_refused(tiny: Network, tmp_path: Path, count: str) -> None:
    path = tmp_path / "odd.safetensors"
    save_weights(tiny.weights, path)
    rewrite(path, {"files": count})
    with pytest.raises(CodecUnavailableError, match=f"says that it is of '{count}' files"):
        load_weights(path)


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((key, None) for key in ("config", "digest", "rates", "training")),
        ("digest", "rose"),
        *((key, value) for key in ("config", "rates", "training") for value in ("{", "[]", "", DEEP)),
        ("config", '{"latent_channels": "many"}'),
        ("config", '{"latent_channels": 31}'),
        ("config", '{"colour": 3}'),
        ("rates", '{"lines": [[-1.5, 0.4, 0.6, -0.7]]}'),
        ("rates", '{"lines": [[-1.5, 0.4, 0.6, -0.7, NaN]]}'),
        ("rates", '{"lines": [[-1.5, 0.4, 0.6, -0.7, 0]]}'),
        ("rates", '{"lines": [[1e9, 0.4, 0.6, -0.7, 0.2]]}'),
    ],
)
def test_damaged_metadata_are_named(tiny_path: Path, tmp_path: Path, key: str, value: str | None) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(tiny_path.read_bytes())
    rewrite(path, {key: value})
    with pytest.raises(CodecUnavailableError, match=rf"odd\.safetensors.*{key}.*fetch it again") as raised:
        load_weights(path)
    assert len(str(raised.value)) < 1000
    codec = LearnedCodec(str(path), threads=1)
    with pytest.raises(CodecUnavailableError, match=rf"odd\.safetensors.*{key}"):
        codec.encode(np.zeros((64, 64, 3), np.uint8), bpp=0.5)
    if key in ("digest", "rates"):
        with pytest.raises(CodecUnavailableError, match=rf"odd\.safetensors.*{key}"):
            _ = codec.knob


def test_weights_without_measured_rates_code_pictures(tiny_path: Path, tmp_path: Path, photo: Image) -> None:
    path = tmp_path / "unmeasured.safetensors"
    path.write_bytes(tiny_path.read_bytes())
    rewrite(path, {"rates": "{}", "training": '{"seconds": Infinity}'})
    codec = LearnedCodec(str(path), threads=1)
    assert codec.knob.typical == ()
    data = codec.encode(photo, bpp=0.5)
    assert 8 * len(data) / (photo.shape[0] * photo.shape[1]) == pytest.approx(0.5, rel=0.01)
    assert codec.decode(data).shape == photo.shape


def test_a_missing_tensor_is_named(tiny_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "less.safetensors"
    path.write_bytes(tiny_path.read_bytes())
    rewrite(path, {}, without="nets.0.leave.point")
    with pytest.raises(CodecUnavailableError, match=r"less\.safetensors lacks the tensor .*nets\.0\.leave\.point"):
        load_weights(path)


def with_tensor(weights: Weights, name: str, value: NDArray[Any] | None) -> Weights:
    """Return `weights` with another tensor under its name in the file, or without it (None)."""
    room, _, key = name.partition(".")
    if room == "prior":
        conv, _, part = key.rpartition(".")
        changes: dict[str, Any] = {part: value}
        return replace(weights, priors={**weights.priors, conv: replace(weights.priors[conv], **changes)})
    tensors = {**(weights.tables if room == "table" else weights.transforms), key: value}
    held: dict[str, Any] = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    return replace(weights, tables=held) if room == "table" else replace(weights, transforms=held)


def changed(table: NDArray[np.int32], at: int, by: int) -> NDArray[np.int32]:
    table = table.copy()
    table[at] += by
    return table


@pytest.mark.parametrize(
    ("name", "make", "why"),
    [
        (
            "transform.analysis_net.down.weight",
            lambda value: value[:, 1:],
            r"float16 of \(.*, not float16 or float32 of",
        ),
        ("transform.analysis_net.down.weight", lambda value: value.astype(np.float64), "float64 of"),
        ("transform.analysis_net.down.u", lambda value: value.T, "float32 of"),
        ("transform.synthesis_net.leave.weight", lambda _: None, "it lacks transform.synthesis_net.leave.weight"),
        ("transform.colour", lambda _: np.zeros(3, np.float32), "its model has no transform.colour"),
        ("prior.hyper_prior.first_mean.point", lambda value: value + 40, "beyond 0 to 24"),
        ("prior.hyper_prior.first_mean.point", lambda value: -1 - value, "beyond 0 to 24"),
        ("prior.hyper_prior.first_mean.v", lambda value: value[1:], "int32 of"),
        ("table.bin_size", lambda value: value * 0, "not of this layout"),
        ("table.counts", lambda value: changed(value, 0, 1), "table.frequencies is absent or not"),
        ("table.dropped_bits", lambda value: value[1:], "not of this layout"),
        ("table.frequencies", lambda value: value[1:], "not of this layout"),
        ("table.counts", lambda value: changed(value, 1, -value[1]), "table.counts is absent or not"),
        ("table.colour", lambda _: np.zeros(3, np.int32), "table.colour is absent or not"),
        ("table.frequencies", lambda value: changed(value, 1, 1), "do not sum to 2\\^24"),
        ("table.lowest", lambda _: None, "table.lowest is absent"),
    ],
)
def test_tensors_that_do_not_fit_the_configuration_are_named(
    tiny: Network, tmp_path: Path, name: str, make: Callable[[Any], Any], why: str
) -> None:
    path = tmp_path / "odd.safetensors"
    save_weights(with_tensor(tiny.weights, name, make(tiny.weights.tensors().get(name))), path)
    with pytest.raises(CodecUnavailableError, match=rf"odd\.safetensors .*{why}.*; export it again"):
        load_network(path)


def test_a_huge_configuration_is_refused_before_it_is_built(tiny: Network, tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    huge = replace(tiny.config, coarse_channels=16384, fine_channels=16384, decoder_coarse_blocks=100)
    save_weights(replace(tiny.weights, config=huge), path)
    with pytest.raises(CodecUnavailableError, match=r"huge\.safetensors does not fit its configuration: transform"):
        load_network(path)


def test_every_number_is_in_the_digest(tiny: Network) -> None:
    for name in ("bin_size", "frequencies", "softplus"):
        tables = dict(tiny.weights.tables)
        tables[name] = tables[name].copy()
        tables[name][-1] += 1
        assert replace(tiny.weights, tables=tables).digest != tiny.weights.digest
    assert replace(tiny.weights, rates={}).digest == tiny.weights.digest


def test_another_layout_is_refused(tiny: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isorate.codecs.learned.bitstream.weights.FORMAT", "isorate-learned-0")
    path = tmp_path / "old.safetensors"
    save_weights(tiny.weights, path)
    monkeypatch.undo()
    with pytest.raises(CodecUnavailableError, match="export it again"):
        load_weights(path)


def test_integers_are_the_nearest(tiny: Network) -> None:
    torch.manual_seed(0)
    conv = PriorConv2d(4, 3, 3, 6)
    torch.nn.init.normal_(conv.v)
    found = integer_conv(conv)
    weight = np.ldexp(found.weight.astype(float), -found.point[:, None, None, None])
    assert np.abs(weight - conv.weight.detach().numpy()).max() <= np.abs(conv.weight.detach().numpy()).max() / 2**15
    assert np.abs(found.v / 2**20 - conv.v.detach().numpy()).max() <= 2**-20
    assert found.weight.max() <= 32767
    assert np.abs(found.weight).reshape(3, -1).max(1).min() >= 2**14 - 1


def test_scales_beyond_the_integers_are_refused() -> None:
    conv = PriorConv2d(1, 1, 1, 6)
    torch.nn.init.constant_(conv.u, 20.0)
    with pytest.raises(UsageError, match=r"at most 15\.9"):
        integer_conv(conv)


def test_an_exported_model_is_the_model(tiny: Network) -> None:
    """Export, load, export: the same integers, so that nothing drifts (tables are the export's own)."""
    model = ConditionalAutoencoder(tiny.config)
    model.load_state_dict(tiny.model.state_dict())
    again = weights_of(model, {}, {})
    assert replace(again, tables=tiny.weights.tables).digest == tiny.weights.digest


@pytest.mark.parametrize(("objective", "name"), [("mse", "base"), ("ms-ssim", "small-ms-ssim")])
def test_the_best_weights_for_an_objective_are_there(objective: str, name: str) -> None:
    assert weights_path(BEST, objective) == weights_path(name)
    assert weights_path(name).is_file()
