"""Imports go downward only, and a package is used in its room only."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent

# The longest prefix of a path counts. A file of a layer imports from its own and from lower ones.
LAYERS = {
    "lstm_jax/errors.py": 0,
    "lstm_jax/types.py": 0,
    "lstm_jax/literals.py": 0,
    "lstm_jax/values.py": 0,
    "lstm_jax/config.py": 0,
    "lstm_jax/files.py": 0,
    "lstm_jax/step_directories.py": 0,
    "lstm_jax/harmless.py": 0,
    "lstm_jax/metrics.py": 0,
    "lstm_jax/arguments.py": 0,
    "lstm_jax/integers.py": 0,
    "lstm_jax/affine.py": 1,
    "lstm_jax/losses.py": 1,
    "lstm_jax/regularization.py": 1,
    "lstm_jax/optimizers.py": 1,
    "lstm_jax/parameter_groups.py": 1,
    "lstm_jax/schedules.py": 1,
    "lstm_jax/cells/": 1,
    "lstm_jax/data/": 1,
    "lstm_jax/backend.py": 1,
    "lstm_jax/native.py": 2,
    "lstm_jax/native_library.py": 1,
    "lstm_jax/cudnn.py": 2,
    "lstm_jax/elementwise_scan.py": 2,
    "lstm_jax/recurrence.py": 2,
    "lstm_jax/adversarial.py": 1,
    "lstm_jax/scores.py": 1,
    "lstm_jax/modules/": 3,
    "lstm_jax/sampling.py": 3,
    "lstm_jax/tasks/": 4,
    "lstm_jax/progress.py": 5,
    "lstm_jax/finite.py": 5,
    "lstm_jax/transfer.py": 5,
    "lstm_jax/training.py": 5,
    "lstm_jax/checkpoints.py": 5,
    "lstm_jax/leaves.py": 5,
    "lstm_jax/manifest.py": 5,
    "lstm_jax/run_directory.py": 5,
    "lstm_jax/metrics_log.py": 5,
    "lstm_jax/reporting.py": 5,
    "lstm_jax/curves.py": 5,
    "lstm_jax/events.py": 5,
    "lstm_jax/prediction.py": 6,
    "lstm_jax/explanation.py": 6,
    "lstm_jax/interruption.py": 5,
    "lstm_jax/memory.py": 5,
    "lstm_jax/experiment.py": 6,
    "lstm_jax/origin.py": 7,
    "lstm_jax/run.py": 7,
    "lstm_jax/runner.py": 7,
    "lstm_jax/sweeps/": 8,
    "lstm_jax/__init__.py": 8,
    "experiments/": 8,
    "configs/": 8,
    "scripts/": 9,
}

# A package, and the only places that may import it.
ROOMS = {
    "flax": ("lstm_jax/modules/", "lstm_jax/tasks/", "scripts/"),  # benchmarks compare with it
    "orbax": ("lstm_jax/checkpoints.py",),
    "optuna": ("lstm_jax/sweeps/",),
    "sqlalchemy": ("lstm_jax/sweeps/storage.py",),
    "absl": ("experiments/", "scripts/"),
    "tensorflow": ("scripts/prepare_data.py",),
    "scripts": (),
}


def layer_of(path: str) -> int | None:
    """The layer of the file at `path`, or None where nobody has given it one."""
    prefixes = [prefix for prefix in LAYERS if path == prefix or prefix.endswith("/")]
    fitting = [prefix for prefix in prefixes if path.startswith(prefix)]
    return LAYERS[max(fitting, key=len)] if fitting else None


def imported_names(source: str, path: str) -> set[str]:
    """Dotted names that a file imports anywhere in it: `from a.b import c` is a.b.c."""
    names = set()
    for node in ast.walk(ast.parse(source, path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = path.removesuffix(".py").split("/")[: -node.level] if node.level else []
            base += node.module.split(".") if node.module else []
            names |= {".".join([*base, alias.name]) for alias in node.names}
    return names


def file_of(name: str, files: set[str]) -> str | None:
    """The project's file that importing a dotted name reads: the module, or the package's own."""
    parts = name.split(".")
    while parts:
        path = "/".join(parts)
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            if candidate in files:
                return candidate
        parts.pop()
    return None


def violations(sources: dict[str, str]) -> list[str]:
    """Every broken rule in files given as {path: source}, a line each."""
    found, files = {}, set(sources)  # a dict for its keys: in order, none twice
    for path, source in sources.items():
        layer = layer_of(path)
        if layer is None:
            found[f"{path} has no layer: give it one in tests/{Path(__file__).name}"] = None
            continue
        for name in sorted(imported_names(source, path)):
            package = name.split(".")[0]
            if package in ROOMS and not path.startswith(ROOMS[package] or "nowhere"):
                found[f"{path} imports {package}, whose room is elsewhere"] = None
            imported = file_of(name, files)
            below = layer_of(imported) if imported else None
            if below is not None and below > layer:
                found[f"{path} (layer {layer}) imports {imported} (layer {below})"] = None
    return list(found)


def project_sources() -> dict[str, str]:
    folders = ("lstm_jax", "experiments", "configs", "scripts")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths}


def test_the_project_keeps_the_rules():
    sources = project_sources()
    assert "lstm_jax/cells/lstm.py" in sources
    assert "\n".join(violations(sources)) == ""


def test_upward_imports_are_found():
    files = {
        "lstm_jax/cells/__init__.py": "",
        "lstm_jax/recurrence.py": "",
        "lstm_jax/__init__.py": "from lstm_jax.recurrence import scan",
    }
    upward = "lstm_jax/cells/x.py (layer 1) imports lstm_jax/recurrence.py (layer 2)"
    for line in (
        "from lstm_jax import recurrence",
        "from lstm_jax.recurrence import scan",
        "import lstm_jax.recurrence",
        "from .. import recurrence",
        "from ..recurrence import scan",
        "def late():\n    import lstm_jax.recurrence as r",
        "if TYPE_CHECKING:\n    from lstm_jax.recurrence import scan",
    ):
        assert violations(files | {"lstm_jax/cells/x.py": line}) == [upward], line
    public_face = violations(files | {"lstm_jax/cells/x.py": "from lstm_jax import scan"})
    assert public_face == ["lstm_jax/cells/x.py (layer 1) imports lstm_jax/__init__.py (layer 8)"]
    assert not violations(files | {"lstm_jax/cells/x.py": "from lstm_jax.cells import LSTM"})


def test_packages_outside_their_rooms_are_found():
    for path, line, is_wrong in (
        ("lstm_jax/modules/x.py", "from flax import nnx", False),
        ("lstm_jax/tasks/x.py", "from flax import nnx", False),
        ("lstm_jax/training.py", "from flax import nnx", True),
        ("lstm_jax/checkpoints.py", "import orbax.checkpoint as ocp", False),
        ("lstm_jax/runner.py", "import orbax.checkpoint as ocp", True),
        ("experiments/x.py", "from absl import app", False),
        ("lstm_jax/runner.py", "from absl import logging", True),
        ("scripts/prepare_data.py", "import tensorflow", False),
        ("scripts/other.py", "import tensorflow as tf", True),
        ("lstm_jax/data/x.py", "import tensorflow_datasets", False),
        ("experiments/x.py", "from scripts import prepare_data", True),
        ("lstm_jax/data/x.py", "import scripts.prepare_data", True),
        ("lstm_jax/brand_new.py", "", True),
    ):
        assert bool(violations({path: line})) == is_wrong, (path, line)
