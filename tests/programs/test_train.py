import dataclasses

import lstm_jax
from lstm_jax.config.tree import describe
from lstm_jax.storage import checkpoints
from tests.runs import assert_same_run, tiny
from tests.test_files import largest_file


def test_it_trains_and_says_how_to_go_on(program, config, text, tmp_path):
    workdir = tmp_path / "run"
    flags = "--config.optimizer.learning_rate=0.05", "--config.epochs", "1"
    code, out, err = program("train", f"--config={config}", f"--workdir={workdir}", *flags)
    assert code == 0, err
    expected = lstm_jax.train(
        tiny(text, epochs=1, optimizer__learning_rate=0.05), tmp_path / "other"
    )
    assert_same_run(workdir, expected.workdir)
    assert out.splitlines() == [
        f"trained; best checkpoint: step 12; curves: {workdir}/learning_curves.png",
        f"test score:  python -m experiments.evaluate --workdir={workdir}",
        f"notebook:    import lstm_jax; run = lstm_jax.load('{workdir}')",
    ]
    assert "epoch 1, step 12: validation nats_per_token" in err

    again = program("train", f"--config={config}", f"--workdir={workdir}", *flags)
    assert (again.code, again.out) == (0, out), "it has ended already"
    code, _, err = program("train", f"--config={config}", f"--workdir={workdir}")
    assert code == 2
    assert "optimizer.learning_rate was 0.05 and is now 0.02" in err
    assert "epochs" not in err, "they may grow"


def test_the_config_is_shown_with_its_types(program, config, text):
    flags = "--print_config", "--config.task.cell=GRU(hidden=7)", "--config.patience=3"
    code, out, err = program("train", f"--config={config}", *flags)
    assert (code, err) == (0, "")
    cell = lstm_jax.cells.GRU(hidden=7)
    assert out == describe(tiny(text, task__cell=cell, patience=3)) + "\n"
    lines = out.splitlines()
    assert "task.cell: GRU" in lines
    assert "task.cell.hidden: int = 7" in lines
    assert "optimizer.clip_norm: float | None = 1.0" in lines
    assert "data.source.directory: str = " + repr(text) in lines
    assert "patience: int | None = 3" in lines
    # Every field of the tree is there.
    for field in dataclasses.fields(lstm_jax.Experiment):
        assert any(line.startswith(f"{field.name}:") for line in lines), field.name


def test_mistakes_are_named_in_one_line(mistake, config, tmp_path):
    def refused(*flags):
        return mistake("train", f"--config={config}", f"--workdir={tmp_path / 'run'}", *flags)

    assert refused("--config.optimizer.learning_rat=1") == (
        "optimizer.learning_rat: Optimizer has no such field; did you mean 'learning_rate'?"
    )
    assert refused("--config.optimizer.learning_rate=fast") == (
        "optimizer.learning_rate: expected float, got 'fast'"
    )
    assert refused("--config.task.layers=2.5") == "task.layers: expected int, got '2.5'"
    assert "did you mean 'rmsprop'?" in refused("--config.optimizer.name=rmspropp")
    assert "epochs must be positive" in refused("--config.epochs=0")
    assert "Did you mean: workdir" in refused("--workdi=x")
    assert refused("--config.data.source.directory=/nowhere/ptb") == (
        "there is no folder /nowhere/ptb"
    )
    assert refused("--config.data.source.directory=$NOWHERE_TO_BE_FOUND/ptb") == (
        "$NOWHERE_TO_BE_FOUND/ptb: the environment variable NOWHERE_TO_BE_FOUND is not set"
    )
    assert refused("runs/x") == "unexpected argument 'runs/x'; flags start with --"
    assert not checkpoints.steps(tmp_path / "run" / "checkpoints")


def test_missing_flags_and_files_are_named_in_one_line(mistake, config, tmp_path):
    workdir = f"--workdir={tmp_path / 'run'}"
    missing = mistake("train", workdir)
    assert missing == "--config is missing: give a file, such as configs/quickstart.py"
    missing = mistake("train", f"--config={config}")
    assert missing == "--workdir is missing: give a directory, such as runs/quickstart"
    mistyped = config.with_name("lm_tinny.py")
    assert mistake("train", f"--config={mistyped}", workdir) == (
        f"--config: there is no file {mistyped}; did you mean {config}?"
    )
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "notes.txt").touch()
    refusal = mistake("train", f"--config={config}", f"--workdir={tmp_path / 'papers'}")
    assert "is not empty and not a run directory" in refusal
    assert not (tmp_path / "run").exists()


def test_failures_have_exit_code_1_and_one_line(program, config, tmp_path):
    arguments = (
        f"--config={config}",
        f"--workdir={tmp_path / 'run'}",
        "--config.steps_per_dispatch=1",
    )
    with largest_file(50_000):
        code, out, err = program("train", *arguments)
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("error: checkpoint of step 5 could not be written")
    arguments = f"--config={config}", f"--workdir={tmp_path / 'wild'}"
    flags = "--config.optimizer=Optimizer(name='sgd', learning_rate=3e38)", "--config.seed=1"
    code, out, err = program("train", *arguments, *flags)
    assert (code, out) == (1, "")
    assert " at step " in err.splitlines()[-1]
    assert "every checkpoint is finite" in err.splitlines()[-1]
