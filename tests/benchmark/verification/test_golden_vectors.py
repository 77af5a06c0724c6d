import json
from dataclasses import replace

import pytest

from isorate.cli import main
from isorate.verification import golden_vectors as module
from isorate.verification.golden_vectors import golden_vectors, verify_golden


def test_every_golden_vector_decodes_exactly() -> None:
    results = list(verify_golden())
    assert len(results) >= 5
    assert [result.wrong for result in results] == [""] * len(results)


def test_other_samples_shapes_and_damage_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    good, *_ = golden_vectors()
    bad = [replace(good, rgb_sha256="0"), replace(good, shape=(1, 1, 3)), replace(good, codec="jpeg")]
    monkeypatch.setattr(module, "golden_vectors", lambda: bad)
    samples, shape, foreign = (result.wrong for result in verify_golden())
    assert samples == "decodes to other samples"
    assert "(1, 1, 3) is right" in shape
    assert "not a JPEG stream" in foreign
    assert main(["verify", "--only", "golden"]) == 1


def test_from_the_command_line_without_any_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--only", "golden"]) == 0
    assert "all golden vectors decode exactly" in capsys.readouterr().out
    assert main(["verify", "--only", "golden", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert all(vector["ok"] for vector in data["golden"])
    assert data["supplementary"] == []
