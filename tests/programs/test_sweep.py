"""The sweep program: flags in, trials by several workers, answers and one-line errors out."""

import json
import shlex
import sqlite3
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

import lstm_jax
from lstm_jax.errors import ConfigError
from lstm_jax.programs.config_files import load_object
from lstm_jax.storage.run_directory import read_experiment
from lstm_jax.sweeps.trials import State
from tests.sweeps.sweeping import Sweeping, write_files

_SPACE = """{
    'optimizer.learning_rate': LogUniform(1e-3, 0.1),
    'task.cell': [LSTM(hidden=4), GRU(hidden=3)],
    'task.cell.forget_bias': Choice([0.0, 1.0], when={'task.cell': LSTM}),
}"""


@pytest.fixture(scope="module")
def flags(text, tmp_path_factory) -> list[str]:
    """Those of a sweep that is done."""
    folder = tmp_path_factory.mktemp("swept")
    files = write_files(
        folder, text, _SPACE, "trials=3, sampler='random'", "epochs=1, steps_per_dispatch=1"
    )
    # The size of the cell goes with the cell that a trial replaces.
    files += ["--config.task.cell.hidden=9", "--config.task.layers=2"]
    with Sweeping([*files, "--workers=2", "--seeds=2"], folder / "log") as sweeping:
        assert sweeping.end() == 0, sweeping.printed()
    return files


@pytest.fixture
def workdir(flags) -> Path:
    return Path(flags[2].removeprefix("--workdir="))


@pytest.fixture
def files(text, tmp_path) -> list[str]:
    """The flags of a sweep that has not begun."""
    return write_files(tmp_path, text, _SPACE, "trials=3")


def test_each_trial_is_a_run_for_each_seed(program, workdir):
    code, out, _ = program("sweep", "--report", "--json", f"--workdir={workdir}")
    assert code == 0
    trials = [json.loads(line) for line in out.splitlines()]
    assert [trial["number"] for trial in trials] == [0, 1, 2]
    for trial in trials:
        assert trial["state"] == "complete"
        assert trial["workdir"] == trial["runs"][0]["workdir"]
        assert [one["seed"] for one in trial["runs"]] == [0, 1]
        metrics = []
        for one in trial["runs"]:
            run = lstm_jax.load(one["workdir"])
            assert run.experiment.seed == one["seed"]
            given = {"seed": one["seed"], **trial["values"]}
            base = load_object("config", str(workdir.parent / "config.py"), object)
            base = lstm_jax.override(base, {"task.layers": 2})
            assert run.experiment == lstm_jax.override(base, given)
            assert one["metric"] == run.metrics["validation"]["nats_per_token"].min()
            metrics.append(one["metric"])
        assert trial["metric"] == pytest.approx(sum(metrics) / 2)
        assert trial["std"] > 0


def test_report_names_the_best_and_its_command(program, workdir):
    code, out, _ = program("sweep", "--report", f"--workdir={workdir}")
    assert code == 0
    best = lstm_jax.load_sweep(workdir).best()
    (line,) = [line for line in out.splitlines() if line.startswith("python -m experiments.train")]
    arguments = shlex.split(line)
    changes = dict(
        one.removeprefix("--config.").split("=", 1)
        for one in arguments
        if one.startswith("--config.")
    )
    config = next(one for one in arguments if one.startswith("--config=")).partition("=")[2]
    experiment = lstm_jax.override(load_object("config", config, object), changes)
    assert experiment == read_experiment(best.workdir)
    assert "task.cell.hidden" not in changes
    assert (workdir / "report" / "report.html").exists()
    assert (workdir / "report" / "trials.csv").read_text().count("\n") == 4


def test_a_report_tells_simple_rivals_where_they_were_scored(program, workdir):
    assert "simple rivals" not in program("sweep", "--report", f"--workdir={workdir}").out
    best = lstm_jax.load_sweep(workdir).best()
    flags = f"--workdir={best.workdir}", "--split=validation", "--json"
    row = json.loads(program("baseline", *flags).out)
    out = program("sweep", "--report", f"--workdir={workdir}").out
    (best.workdir / "baselines.json").unlink()
    told = f"kneser_ney {row['nats_per_token']:.6g}"
    word = "better" if best.metric < row["nats_per_token"] else "not better"
    line = f"simple rivals, validation/nats_per_token: {told}; trial {best.number} is {word}"
    assert line in out.splitlines()
    assert line in (workdir / "report" / "report.html").read_text()


def test_two_settings_are_compared(program, mistake, workdir):
    code, out, _ = program("sweep", "--report", "--compare=0,1", f"--workdir={workdir}")
    assert code == 0
    assert out.startswith("trial 0 minus trial 1, validation/nats_per_token: difference ")
    given = f"--workdir={workdir}"
    assert "has no trial 7" in mistake("sweep", "--report", "--compare=0,7", given)
    assert "two numbers" in mistake("sweep", "--report", "--compare=0", given)
    assert "choose one" in mistake("sweep", "--report", "--json", "--compare=0,1", given)


def test_the_same_command_again_trains_nothing(program, flags, workdir):
    before = {path: path.stat().st_mtime_ns for path in (workdir / "trials").rglob("*")}
    code, out, _ = program("sweep", *flags, "--workers=2", "--seeds=2")
    assert code == 0
    assert "3 complete" in out
    assert before == {path: path.stat().st_mtime_ns for path in (workdir / "trials").rglob("*")}


def test_tensorboard_reads_the_values(workdir):
    for trial in lstm_jax.load_sweep(workdir).trials:
        events = EventAccumulator(str(trial.workdir))
        events.Reload()
        told = events.PluginTagToContent("hparams")
        data = plugin_data_pb2.HParamsPluginData
        start = data.FromString(told["_hparams_/session_start_info"]).session_start_info.hparams
        assert (
            start["optimizer.learning_rate"].number_value == trial.values["optimizer.learning_rate"]
        )
        assert start["task.cell"].string_value == trial.values["task.cell"]
        assert "validation/nats_per_token" in events.Tags()["scalars"]
        assert "_hparams_/session_end_info" in told


def test_tensorboard_has_a_column_for_each_name_of_any_trial(workdir):
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import backend_context

    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(workdir / "trials"))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(workdir))
    context = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    tags = context.hparams_metadata(RequestContext(), "")
    found = context.hparams_from_data_provider(RequestContext(), "", limit=99)
    experiment = context.experiment_from_metadata(RequestContext(), "", True, tags, found)
    trials = lstm_jax.load_sweep(workdir).trials
    names = {name for trial in trials for name in trial.values}
    assert {one.name for one in experiment.hparam_infos} == names
    assert "validation/nats_per_token" in {one.name.tag for one in experiment.metric_infos}


@pytest.fixture
def dashboard(workdir) -> Iterator[str]:
    """The address of optuna-dashboard over the sweep's storage."""
    import threading
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    import optuna_dashboard

    class Silent(WSGIRequestHandler):
        def log_message(self, format, *args):
            pass

    app = optuna_dashboard.wsgi(f"sqlite:///{workdir}/study.db")
    with make_server("127.0.0.1", 0, app, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_optuna_dashboard_opens_the_storage(dashboard):
    with urllib.request.urlopen(f"{dashboard}/api/studies") as answer:
        (study,) = json.load(answer)["study_summaries"]
    with urllib.request.urlopen(f"{dashboard}/api/studies/{study['study_id']}") as answer:
        trials = json.load(answer)["trials"]
    assert [trial["state"] for trial in trials] == ["Complete"] * 3


def test_a_sweep_in_a_notebook(workdir):
    sweep = lstm_jax.load_sweep(workdir)
    assert {trial.state for trial in sweep.trials} == {State.COMPLETE}
    assert len(sweep.table()) == 3
    assert "optimizer.learning_rate" in sweep._repr_html_()
    best = sweep.best()
    assert best.metric == min(trial.metric for trial in sweep.trials)
    run = best.load(seed=1)
    assert run.evaluate("validation")["nats_per_token"] > 0
    with pytest.raises(ConfigError, match="has no seed 9"):
        best.load(seed=9)


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        ("{'optimizer.learning_rat': LogUniform(0.1, 1.0)}", "trials=1", "did you mean"),
        ("{'task.layers': Uniform(1.0, 2.5)}", "trials=1", "task.layers: expected int, got"),
        ("{'task.dropout': Uniform(0.0, 1.0)}", "trials=1", "dropout lies in"),
        ("{'task.cell.forget_bias': [0.0], 'task.cell': [GRU(), LSTM()]}", "trials=1", "GRU"),
        ("{'task.dropout': 0.5}", "trials=1", "give a list or a distribution"),
        ("{'task.dropout': [0.5]}", "", "give --trials or --hours"),
        ("{'task.dropout': [0.5]}", "trials=0", "trials must be positive"),
        ("{'task.dropout': [0.5]}", "trials=1, metric='validation/accuracy'", "--direction"),
        ("{'task.dropout': Uniform(0.0, 0.5)}", "sampler='grid'", "too many"),
        ("{'keep': Integer(1, 9**9), 'seed': Integer(0, 9)}", "sampler='grid'", "100,000 points"),
        (
            "{'task.cell': [LSTM()], 'keep': Choice([1], when={'task.cell': lambda cell: cell.x})}",
            "trials=1",
            "keep: a condition failed for LSTM.*no attribute 'x'",
        ),
        ("{}", "trials=1", "empty"),
    ],
)
def test_a_wrong_space_is_refused_before_the_first_trial(
    space, options, message, mistake, text, tmp_path
):
    import re

    files = write_files(tmp_path, text, space, options)
    assert re.search(message, mistake("sweep", *files))
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--trials=many", "trials: expected int | None, got 'many'"),
        ("--sampler=tpee", "sampler: expected"),
        ("--grid=fine", "no grid called 'fine'"),
        ("--seeds=0", "seeds must be positive"),
        ("--workers=0", "workers"),
        ("--storage=nosuchdatabase://x", "cannot open the storage"),
        ("--storage=postgresql+psycopg://me:secret@localhost:1/x", "cannot open the storage"),
        ("--storage=postgresql+psycopg://me:secret@host:port/x", "cannot be read as an address"),
        ("--storage=postgresql+psycopg//me:secret@host/x", "cannot be read as an address"),
        ("--json", "go with --report"),
        ("--config.task.layrs=2", "did you mean 'layers'"),
    ],
)
def test_a_wrong_flag_is_one_line(flag, message, mistake, files):
    told = mistake("sweep", *files, flag)
    assert message in told
    assert "secret" not in told


def test_missing_flags_and_files_are_one_line(mistake, files, tmp_path):
    assert "--config is missing" in mistake("sweep", *files[1:])
    assert "--sweep is missing" in mistake("sweep", files[0], files[2])
    assert "--workdir is missing" in mistake("sweep", *files[:2])
    assert "--sweep: there is no file" in mistake("sweep", files[0], "--sweep=spac.py", files[2])
    (tmp_path / "empty.py").write_text("")
    told = mistake("sweep", files[0], f"--sweep={tmp_path / 'empty.py'}", files[2])
    assert "needs a function get_sweep() that returns a Sweep" in told
    assert "no such directory" in mistake("sweep", "--report", f"--workdir={tmp_path / 'no'}")


def test_a_directory_of_something_else_is_refused(mistake, files, trained, tmp_path):
    told = mistake("sweep", *files[:2], f"--workdir={trained}")
    assert "not a sweep" in told
    assert "it is a run" in mistake("sweep", "--report", f"--workdir={trained}")


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--seeds=3", "seeds was 2 and is now 3"),
        ("--config.task.layers=3", "the experiment's task.layers was 2 and is now 3"),
        ("--study=other", "leave out --storage"),
    ],
)
def test_another_sweep_in_its_directory_is_refused(flag, message, mistake, flags):
    seeds = [] if "seeds" in flag else ["--seeds=2"]
    assert message in mistake("sweep", *flags, *seeds, flag)


def test_an_unknown_metric_ends_the_sweep(program, text, tmp_path):
    options = "trials=3, metric='validation/nats_per_tokn', direction='min'"
    files = write_files(tmp_path, text, _SPACE, options, "steps_per_dispatch=1")
    code, _, printed = program("sweep", *files, "--workers=1")
    assert code == 2
    told = printed.splitlines()[-1]
    assert told.startswith("error: the runs log no metric")
    assert "did you mean 'validation/nats_per_token'" in told
    # The trial waits for the mistake to be mended.
    (trial,) = lstm_jax.load_sweep(tmp_path / "sweep").trials
    assert trial.state is State.WAITING


def test_a_damaged_storage_is_one_line(mistake, files, tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.json").write_text('{"url": null, "study": "x"}')
    assert "has not begun" in mistake("sweep", "--report", files[2])
    (tmp_path / "sweep" / "study.db").write_text("not a database, certainly")
    assert "cannot open the storage" in mistake("sweep", "--report", files[2])
    (tmp_path / "sweep" / "study.db").unlink()
    sqlite3.connect(tmp_path / "sweep" / "study.db").close()
    assert "holds no sweep 'x': it has not begun" in mistake("sweep", "--report", files[2])
    (tmp_path / "sweep" / "sweep.json").write_text("{")
    assert "cannot be read" in mistake("sweep", "--report", files[2])
