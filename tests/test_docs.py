"""What the documents show is run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def blocks(file: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / file).read_text(encoding="utf-8"), re.DOTALL)


def test_the_documented_codec_works(photo):
    from isorate.match_codec import match

    namespace: dict[str, object] = {}
    exec(blocks("docs/write-a-codec.md")[0], namespace)
    codec = namespace["WebP"]()
    data, found = match(codec, photo, 0.5)
    assert codec.decode(data).shape == photo.shape
    assert abs(found.residual_pct) < 10
    assert "libwebp" in codec.backend


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
