"""What the documents show is run."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


def blocks(file: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / file).read_text(encoding="utf-8"), re.DOTALL)


def test_the_documented_codec_keeps_the_contract_as_documented(tmp_path, monkeypatch, photo):
    from isorate.matching.codec import match

    codec, its_test = blocks("docs/write-a-codec.md")
    assert len([line for line in codec.partition("class WebP")[2].splitlines() if line.strip()]) < 40
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "webp.py").write_text(codec)
    monkeypatch.syspath_prepend(tmp_path)
    namespace: dict[str, Any] = {}
    exec(its_test, namespace)
    namespace["test_webp"]()
    data, found = match(namespace["WebP"](), photo, 0.5)
    assert namespace["WebP"]().decode(data).shape == photo.shape
    assert abs(found.residual_pct) < 10


@pytest.mark.parametrize("text", blocks("README.md"))
def test_the_readmes_python_runs(text):
    exec(text, {})


def test_the_example_runs():
    file = ROOT / "examples" / "compare_two_codecs.py"
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=True)
    assert "JPEG2000" in done.stdout


def test_every_link_in_the_documents_leads_somewhere():
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (document.parent / target).exists(), f"{document.name}: {target}"
