"""Which clips belong to a data set, and what is said where it is missing."""

from pathlib import Path

import pytest

from vtc.bench.datasets import find_clips
from vtc.errors import MediaError, UsageError


def files(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def names(dataset: str, root: Path, limit: int = 0) -> list[str]:
    return [clip.name for clip in find_clips(dataset, root, limit)]


def test_ucf101_takes_the_groups_of_the_first_test_list(tmp_path: Path) -> None:
    files(
        tmp_path, "UCF-101/Biking/v_Biking_g01_c01.avi", "UCF-101/Biking/v_Biking_g07_c04.avi", "UCF-101/Biking/v_Biking_g08_c01.avi",
        "UCF-101/Archery/v_Archery_g25_c01.avi", "UCF-101/Archery/v_Archery_g03_c02.avi", "UCF-101/Archery/notes.avi", "other/x.avi",
    )  # fmt: skip
    wanted = ["Archery/v_Archery_g03_c02.avi", "Biking/v_Biking_g01_c01.avi", "Biking/v_Biking_g07_c04.avi"]
    assert names("ucf101", tmp_path) == wanted
    assert names("ucf101", tmp_path / "UCF-101") == wanted


def test_the_other_sets_by_their_endings(tmp_path: Path) -> None:
    files(tmp_path, "xiph/akiyo_cif.y4m", "uvg/Beauty_1920x1080_120fps_420_8bit_YUV.yuv", "a/b.mp4", "a/c.txt", "d.MKV")
    assert names("xiph", tmp_path) == ["akiyo_cif.y4m"]
    assert names("uvg", tmp_path) == ["Beauty_1920x1080_120fps_420_8bit_YUV.yuv"]
    assert names("folder", tmp_path) == ["a/b.mp4", "d.MKV", "uvg/Beauty_1920x1080_120fps_420_8bit_YUV.yuv", "xiph/akiyo_cif.y4m"]


def test_a_limit_chooses_evenly_and_always_the_same(tmp_path: Path) -> None:
    files(tmp_path, *(f"{number}.mp4" for number in range(10)))
    assert names("folder", tmp_path, 3) == ["0.mp4", "3.mp4", "6.mp4"]
    assert names("folder", tmp_path, 99) == names("folder", tmp_path)


@pytest.mark.parametrize("dataset", ["ucf101", "xiph", "uvg", "folder"])
def test_what_is_missing_is_said_with_the_next_step(dataset: str, tmp_path: Path) -> None:
    for root, error in ((None, UsageError), (tmp_path / "none", MediaError), (tmp_path, MediaError)):
        with pytest.raises(error) as found:
            find_clips(dataset, root)
        assert "--data-root" in found.value.hint
    with pytest.raises(UsageError, match="no data set"):
        find_clips("imagenet", tmp_path)
