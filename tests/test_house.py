"""The house stands as drawn: rooms import only rooms below them, and the command starts quickly."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "vtc"

FLOORS = [
    {"cli"},
    {"bench", "corpus", "training"},
    {"codec"},
    {"media", "tokenizers", "entropy", "container"},
    {"errors"},
]

OWNERS = {
    "av": {"media"},
    "torch": {"tokenizers", "codec", "training", "bench", "corpus", "cli"},
    "constriction": {"entropy"},
    "numpy": {"media", "tokenizers", "entropy", "codec", "training", "bench", "corpus", "cli"},
    "typer": {"cli"},
    "rich": {"cli"},
    "pickle": set(),
    "ray": {"corpus"},
}
"""The only rooms that may import a library. (`container` is thus left with the standard library and zstandard.)"""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


def imports(path: Path) -> set[str]:
    """Dotted names of everything a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            found |= {module} | {f"{module}.{name.name}" for name in node.names if module == "vtc"}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_below_it(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":  # the public API, loaded lazily
        return
    floor = next(i for i, rooms in enumerate(FLOORS) if room in rooms)
    below = {name for rooms in FLOORS[floor + 1 :] for name in rooms} | {room}
    if floor < 2:
        below |= FLOORS[floor]
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "vtc" and len(parts) > 1 and any(parts[1] in rooms for rooms in FLOORS):
            assert parts[1] in below, f"{path.relative_to(PACKAGE)} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_library_is_imported_only_where_it_belongs(path: Path) -> None:
    room = room_of(path)
    for name in imports(path):
        library = name.split(".")[0]
        assert room in OWNERS.get(library, {room}), f"{path.relative_to(PACKAGE)} imports {library}"


def test_only_one_module_builds_models_for_the_entropy_coder() -> None:
    users = {path.name for path in modules() if any(name.split(".")[0] == "constriction" for name in imports(path))}
    assert users <= {"coder.py"}


def test_container_needs_the_standard_library_and_zstandard_only() -> None:
    for path in (PACKAGE / "container").glob("*.py"):
        outside = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - {"vtc", "zstandard"}
        assert not outside, f"{path.name}: {outside}"


def loaded_after(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter after `code`."""
    code += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"torch", "av", "numpy", "constriction", "scipy", "matplotlib"}


def test_importing_vtc_and_its_command_line_is_light() -> None:
    assert not loaded_after("import vtc, vtc.cli.app") & HEAVY


def test_help_does_not_load_a_library_of_weight() -> None:
    code = "import vtc.cli.app as cli\ncli.run(['--help'])\nfor verb in ('encode', 'train', 'bench'): cli.run([verb, '--help'])"
    assert not loaded_after(code) & HEAVY


def test_reading_a_file_without_decoding_loads_no_torch() -> None:
    assert "torch" not in loaded_after("import vtc.container.reader, vtc.codec.weights, vtc.codec.options")


def test_the_models_rooms_do_not_load_each_others_libraries() -> None:
    assert "torch" not in loaded_after("import vtc.entropy.static, vtc.entropy.packed")
    assert "torch" not in loaded_after("import vtc.media.source, vtc.media.sink")


def test_help_starts_within_half_a_second() -> None:
    command = [sys.executable, "-c", "from vtc.cli import main; main()", "--help"]
    times = []
    for _ in range(5):
        before = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - before)
    assert min(times) < 0.5, times
