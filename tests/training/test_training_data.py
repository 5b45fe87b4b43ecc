"""The index: what is found, what is refused, and in which order."""

import hashlib
from pathlib import Path

import pytest
from toy_training import make_video

from vtc.errors import TrainingError
from vtc.training.data import index_folders


def touch(path: Path, size: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))


def test_sources_are_top_folders_and_eval_is_never_read(folder: Path) -> None:
    index = index_folders([folder])
    assert index.sources == {"a": 5, "b": 2}
    assert not any("eval" in clip.name or clip.name.endswith("txt") for clip in index.clips)


def test_files_beside_source_folders_belong_to_the_root(tmp_path: Path) -> None:
    touch(tmp_path / "mine" / "clip.mp4")
    assert index_folders([tmp_path / "mine"]).sources == {"mine": 1}


def test_order_hangs_on_the_seed_and_the_manifest_does_not(folder: Path) -> None:
    one, same, other = index_folders([folder]), index_folders([folder]), index_folders([folder], seed=1)
    assert one == same
    assert one.manifest == other.manifest
    assert [clip.name for clip in one.clips] != [clip.name for clip in other.clips]
    assert {clip.name for clip in one.clips if clip.held} == {clip.name for clip in other.clips if clip.held}


def test_the_manifest_knows_names_and_sizes(tmp_path: Path) -> None:
    touch(tmp_path / "s" / "a.mp4")
    before = index_folders([tmp_path]).manifest
    touch(tmp_path / "s" / "a.mp4", 2)
    assert index_folders([tmp_path]).manifest != before


def test_two_percent_of_every_large_source_is_held_out(tmp_path: Path) -> None:
    for i in range(120):
        touch(tmp_path / "large" / f"{i}.mp4")
    for i in range(3):
        touch(tmp_path / "small" / f"{i}.mp4")
    held = [clip.source for clip in index_folders([tmp_path]).clips if clip.held]
    assert held == ["large"] * 3


def test_a_small_folder_holds_out_one_video_and_a_single_video_none(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    assert not any(clip.held for clip in index_folders([tmp_path]).clips)
    touch(tmp_path / "b.mp4")
    assert sum(clip.held for clip in index_folders([tmp_path]).clips) == 1


def test_the_same_file_in_two_folders_counts_once(tmp_path: Path) -> None:
    for root in ("one", "two"):
        touch(tmp_path / root / "s" / "a.mp4", 7)
    assert len(index_folders([tmp_path / "one", tmp_path / "two"]).clips) == 1


def test_links_are_followed_but_not_in_circles_nor_to_eval(tmp_path: Path) -> None:
    touch(tmp_path / "far" / "a.mp4")
    touch(tmp_path / "eval" / "b.mp4", 2)
    root = tmp_path / "root"
    root.mkdir()
    (root / "near").symlink_to(tmp_path / "far")
    (root / "judge").symlink_to(tmp_path / "eval")
    (root / "circle").symlink_to(root)
    assert [clip.name for clip in index_folders([root]).clips] == ["near/a.mp4"]


def test_evaluation_folders_are_refused(tmp_path: Path) -> None:
    make_video(tmp_path / "eval" / "s" / "a.mp4", 4)
    with pytest.raises(TrainingError, match="evaluation"):
        index_folders([tmp_path / "eval"])
    (tmp_path / "train").mkdir()
    with pytest.raises(TrainingError, match="evaluation"):
        index_folders([tmp_path / "eval" / "s"])


def test_evaluation_clips_are_found_by_content_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "judge").mkdir()
    (tmp_path / "data").mkdir()
    for i in range(3):
        (tmp_path / "data" / f"{i}.mp4").write_bytes(bytes([i] * 100))
    (tmp_path / "judge" / "other.avi").write_bytes(bytes([7] * 100))
    index_folders([tmp_path / "data"], evaluation=[tmp_path / "judge"])
    (tmp_path / "judge" / "same.avi").write_bytes(bytes([1] * 100))
    with pytest.raises(TrainingError, match=r"1 training videos are evaluation clips: .*1\.mp4"):
        index_folders([tmp_path / "data"], evaluation=[tmp_path / "judge"])
    (tmp_path / "judge").rename(tmp_path / "eval")  # found beside the data without being named
    with pytest.raises(TrainingError, match="evaluation clips"):
        index_folders([tmp_path / "data"])
    with pytest.raises(TrainingError, match="not a folder"):
        index_folders([tmp_path / "data"], evaluation=[tmp_path / "judge"])


def test_a_manifest_is_enough_to_keep_evaluation_clips_out(tmp_path: Path) -> None:
    touch(tmp_path / "data" / "a.mp4", 50)
    judge = tmp_path / "judge"
    judge.mkdir()
    manifest = judge / "MANIFEST.csv"
    manifest.write_text("file,bytes\nx.mp4,50\n")  # tells too little
    index_folders([tmp_path / "data"], evaluation=[judge])
    digest = hashlib.sha256(bytes(50)).hexdigest()
    manifest.write_text(f"file,bytes,sha256\nx.mp4,51,{digest}\n")
    index_folders([tmp_path / "data"], evaluation=[judge])
    manifest.write_text(f"file,bytes,sha256\ny.mp4,9,00\nx.mp4,50,{digest}\n")
    with pytest.raises(TrainingError, match="evaluation clips"):
        index_folders([tmp_path / "data"], evaluation=[judge])
    manifest.write_text("file,bytes,sha256\nx.mp4,many,00\n")
    with pytest.raises(TrainingError, match="cannot be read"):
        index_folders([tmp_path / "data"], evaluation=[judge])


def test_nothing_to_train_on_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no videos"):
        index_folders([tmp_path])
    with pytest.raises(TrainingError, match="not a folder"):
        index_folders([tmp_path / "missing"])
