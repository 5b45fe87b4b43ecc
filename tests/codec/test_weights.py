"""Bundles at hand: which one a name means, what is known of it without torch."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vtc.codec import weights
from vtc.errors import BundleError


@pytest.fixture
def folder(mini_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `mini-tiny`, `mini-base` and a file that is no bundle."""
    for name in ("mini-tiny", "mini-base"):
        shutil.copy(mini_bundle, tmp_path / f"{name}.safetensors")
    (tmp_path / "odd.safetensors").write_bytes(b"odd")
    monkeypatch.setenv("VTC_WEIGHTS", str(tmp_path))
    return tmp_path


def test_names_and_paths(folder: Path) -> None:
    assert weights.find("mini-base") == folder / "mini-base.safetensors"
    assert weights.find("mini") == folder / "mini-tiny.safetensors"
    assert weights.find(str(folder / "mini-base.safetensors")) == folder / "mini-base.safetensors"
    with pytest.raises(BundleError, match=r"no bundle named 'maxi'.*mini-base, mini-tiny"):
        weights.find("maxi")
    with pytest.raises(BundleError, match="no bundle at"):
        weights.find(str(folder / "none.safetensors"))


def test_the_named_folder_is_searched_first(folder: Path) -> None:
    assert weights.folders()[0] == folder
    assert [bundle.name for bundle in weights.bundles() if bundle.path.parent == folder] == ["mini-base", "mini-tiny"]


def test_description(folder: Path, mini_bundle: Path) -> None:
    bundle = weights.describe(weights.find("mini"))
    assert bundle.name == "mini-tiny" and bundle.bytes == mini_bundle.stat().st_size
    assert bundle.card["tokenizer"] == "onedva" and bundle.card["trained"] == "not at all"
    assert bundle.identity == weights.identity(mini_bundle) and len(bundle.sha256) == 64
    with pytest.raises(BundleError, match="cannot read"):
        weights.describe(folder / "odd.safetensors")


def test_the_identity_follows_the_file(folder: Path) -> None:
    path = folder / "mini-base.safetensors"
    before = weights.identity(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert weights.identity(path) != before
    assert weights.find_identity(before, "mini-base") == folder / "mini-tiny.safetensors"
    with pytest.raises(BundleError, match="not at hand"):
        weights.find_identity(bytes(32), "other")


def test_no_torch_is_loaded(folder: Path) -> None:
    code = "import sys; from vtc.codec.weights import bundles; assert bundles(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
