import csv
import dataclasses
import html
import html.parser
import json
import math
import re
import shlex
import shutil
import subprocess

import pytest

from lstm_jax.cells import GRU, LSTM
from lstm_jax.errors import ConfigError, StorageError
from lstm_jax.sweeps import LogUniform, load_sweep
from lstm_jax.sweeps.report import describe, describe_comparison, json_lines, write_report
from lstm_jax.sweeps.trials import State
from tests.sweeps.studies import add, begin, invent
from tests.test_files import largest_file

RATE, CLIP, CELL = "optimizer.learning_rate", "optimizer.clip_norm", "task.cell"
SPACE = {RATE: LogUniform(1e-3, 1.0), CLIP: [None, 0.25], CELL: [LSTM(hidden=4), GRU(hidden=4)]}
ERROR = 'the <b>"loss"</b> & more is NaN'
# Of an HTML element that nothing closes.
VOID = {"meta", "link", "img"}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Two seeds; trial 2 is the best, 0 the second; 1 diverged, 3 runs."""
    study = begin(tmp_path_factory.mktemp("sweeps") / "a<b>&c", SPACE, seeds=2)
    values = {RATE: 1 / 3, CLIP: None, CELL: "LSTM(hidden=4)"}
    add(study, values, [2.5, 2.7], curve=[3.5, 2.5])
    add(study, values | {CLIP: 0.25}, None, State.DIVERGED, ERROR)
    add(study, values | {CELL: "GRU(hidden=4)"}, [2.0, 2.25], curve=[3.0, 2.0])
    add(study, {RATE: 0.7}, [1.0], State.RUNNING)
    add(study, values | {RATE: 0.01}, [2.9, 3.0], curve=[4.0, 2.9])
    add(study, values | {RATE: 0.02}, [2.8, 3.1], curve=[4.0, 2.8])
    return load_sweep(study.workdir)


@pytest.fixture(scope="module")
def page(sweep):
    return write_report(sweep)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    return load_sweep(begin(tmp_path_factory.mktemp("sweeps") / "empty", SPACE).workdir)


class Page(html.parser.HTMLParser):
    """The texts of a page's tables, and all addresses in it; that its elements are closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.cells = [], [], [[]]
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1][-1] += data


# ---- files --------------------------------------------------------------------------------------


def test_a_report_is_a_page_with_pictures_and_a_table(sweep, page):
    assert page == sweep.workdir / "report" / "report.html"
    assert {path.name for path in page.parent.iterdir()} == {
        *("report.html", "trials.csv", "history.png", "slices.png", "parallel_coordinates.png"),
        *("learning_curves.png", "importances.png"),
    }
    for picture in page.parent.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_table_has_every_digit_and_tells_none_from_inactive(sweep, page):
    with (page.parent / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(sweep.table()[0])
    assert [row["state"] for row in rows] == [str(one.state) for one in sweep.trials]
    assert float(rows[0][RATE]) == 1 / 3
    assert float(rows[2]["validation/nats_per_token"]) == 2.125
    assert float(rows[2]["std"]) == sweep[2].summary.std
    assert [row[CLIP] for row in rows[:4]] == ["none", "0.25", "none", ""]
    assert rows[1]["validation/nats_per_token"] == ""


def test_a_report_is_replaced_and_leaves_nothing_half_written(tmp_path):
    study = begin(tmp_path / "sweep", SPACE)
    page = write_report(load_sweep(study.workdir))
    assert {path.name for path in page.parent.iterdir()} == {"report.html", "trials.csv"}
    assert "No trial is complete yet." in page.read_text()
    add(study, {RATE: 0.1, CLIP: 0.25, CELL: "GRU(hidden=4)"}, 2.0)
    assert write_report(load_sweep(study.workdir)) == page
    assert "No trial is complete yet." not in page.read_text()
    assert not [path for path in page.parent.iterdir() if path.name.startswith(".")]


def test_a_full_disk_is_an_error_and_leaves_the_older_report(tmp_path):
    study = begin(tmp_path / "sweep", SPACE)
    add(study, {RATE: 0.1, CLIP: 0.25, CELL: "GRU(hidden=4)"}, 2.0)
    swept = load_sweep(study.workdir)
    (swept.workdir / "report").write_text("in the way")
    with pytest.raises(StorageError, match="report cannot be written"):
        write_report(swept)
    (swept.workdir / "report").unlink()
    before = write_report(swept).read_bytes()
    with largest_file(1000), pytest.raises(StorageError, match=r"\.png cannot be written"):
        write_report(swept)
    assert (swept.workdir / "report" / "report.html").read_bytes() == before


# ---- the page -----------------------------------------------------------------------------------


def test_the_page_tells_what_was_searched_and_what_was_best(sweep, page):
    text = page.read_text()
    rows = {cells[0]: cells[1:] for cells in reversed(Page(text).cells) if cells}
    assert rows["experiment"] == ["configs/tiny.py"]
    assert rows["changed in it"] == ["epochs=3"]
    assert rows["metric"] == ["validation/nats_per_token, minimized"]
    assert rows["seeds"] == ["0, 1"]
    assert rows["trials"] == ["4 complete, 1 diverged, 1 running"]
    assert ["LogUniform(low=0.001, high=1.0)"] in [cells[1:] for cells in Page(text).cells]
    assert rows["trial"] == ["2"]
    assert rows["nats_per_token"] == ["2.125"]
    assert rows["std"] == ["0.1768"]
    assert rows["bootstrap interval"] == ["2 to 2.25"]
    assert rows["directory"] == [str(sweep.workdir / "trials" / "0002-seed0")]
    assert [CLIP, "none"] in Page(text).cells
    (command,) = re.findall("<pre>(.*)</pre>", text)
    assert html.unescape(command) == sweep.command(sweep.best())
    assert f"<p>{html.escape(describe_comparison(sweep, 2, 0))}</p>" in text
    assert rows["search"] == ["sampler tpe (seed 0, startup 10)"]
    shares = {cells[0]: cells[1] for cells in Page(text).cells if cells[1:] and "%" in cells[1]}
    assert shares == {name: f"{share:.1%}" for name, share in sweep.importances().items()}


def test_the_page_ranks_all_trials(page):
    cells = Page(page.read_text()).cells
    head = ["trial", "state", "nats_per_token", "std", "bootstrap interval"]
    head += ["learning_rate", "clip_norm", "cell", "error"]
    table = cells[cells.index(head) + 1 :]
    assert [row[0] for row in table] == ["2", "0", "4", "5", "1", "3"]
    assert table[1] == [
        *("0", "complete", "2.6", "0.1414", "2.5 to 2.7", "0.3333", "none", "LSTM(hidden=4)", ""),
    ]
    assert table[4][1:5] == ["diverged", "", "", ""]
    assert table[4][-1] == ERROR
    # One seed of two is done, so there is no interval; the other names are inactive.
    assert table[5] == ["3", "running", "1", "", "", "0.7", "", "", ""]


def test_the_page_needs_nothing_else(page):
    text = page.read_text()
    found = Page(text)
    assert len(found.addresses) == 6
    assert all(address.startswith("data:") for address in found.addresses)
    assert '<link rel="icon" href="data:,">' in text
    rest = re.sub('"data:image/png;base64,[^"]*"', '""', text)
    assert not re.search("//|url|@import|<script", rest)
    assert "a&lt;b&gt;&amp;c" in rest
    assert "<b>" not in rest


def test_no_text_of_a_sweep_becomes_an_element_of_the_page(tmp_path):
    evil = "<script src='//x'>&amp;"
    study = begin(tmp_path / evil.replace("/", ""), SPACE)
    trials = [({CELL: evil}, 1.0), ({CELL: evil}, None)]
    changes = {"config": evil, "changes": {"x": evil}, "metric": f"validation/{evil}"}
    swept = invent(load_sweep(study.workdir), {CELL: evil}, trials, **changes)
    swept.trials[1] = dataclasses.replace(swept.trials[1], error=evil)
    swept.importances = dict
    text = write_report(swept).read_text()
    assert "<script" not in text
    cells = [cell for row in Page(text).cells for cell in row]
    assert cells.count(evil) == 8
    (command,) = re.findall("<pre>(.*)</pre>", text)
    assert html.unescape(command) == swept.command(swept.best())


@pytest.mark.parametrize("is_tampered", [False, True])
def test_a_browser_shows_all_pictures_and_asks_the_network_for_nothing(page, tmp_path, is_tampered):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed (Debian's package chromium)")
    # Whether each picture is there is written where --dump-dom shows it.
    script = "document.title = [...document.images].map(one => one.naturalWidth).join()"
    addition = f"<script>onload = () => {{ {script} }}</script>"
    if is_tampered:  # would the test notice?
        addition += '<img src="http://example.invalid/picture.png">'
    copy = tmp_path / "copy.html"
    copy.write_text(page.read_text().replace("</body>", f"{addition}</body>"))
    log = tmp_path / "network.json"
    command = [
        *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}"),
        *(f"--log-net-log={log}", "--virtual-time-budget=5000", "--dump-dom", copy.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    (widths,) = re.findall("<title>(.*?)</title>", done.stdout)
    widths = [int(width) for width in widths.split(",")]
    assert all(width > 500 for width in widths[:5])
    assert widths[5:] == ([0] if is_tampered else [])
    asked = requests_in(json.loads(log.read_text()))
    assert asked == ({"http://example.invalid/picture.png"} if is_tampered else set())


def requests_in(log):
    """The addresses that a page asked for; what the browser wants for itself has no origin."""
    kind = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    started = [event.get("params", {}) for event in log["events"] if event["type"] == kind]
    return {
        one["url"]
        for one in started
        if one.get("initiator", "not an origin") != "not an origin"
        and not one["url"].startswith(("data:", "file:"))
    }


# ---- the terminal -------------------------------------------------------------------------------


def test_a_terminal_shows_the_trials_the_best_first(sweep):
    text = describe(sweep, 120)
    lines = text.splitlines()
    assert lines[0] == f"{sweep.workdir}: 4 complete, 1 diverged, 1 running"
    assert lines[2].split() == [
        *("trial", "state", "nats_per_token", "std", "bootstrap", "interval"),
        *("learning_rate", "clip_norm", "cell"),
    ]
    assert [line.split()[0] for line in lines[4:10]] == ["2", "0", "4", "5", "1", "3"]
    best = "2 complete 2.125 0.1768 2 to 2.25 0.3333 none GRU(hidden=4)"
    assert lines[4].split() == best.split()
    assert "best: trial 2, nats_per_token 2.125, std 0.1768, bootstrap interval 2 to 2.25" in lines
    assert f"  {CLIP} = none" in lines
    assert describe_comparison(sweep, 2, 0) in lines
    shares = dict(
        zip(["learning_rate", "cell"], map(sweep.importances().get, [RATE, CELL]), strict=True)
    )
    (told,) = [line for line in lines if line.startswith("importance of 4 trials: ")]
    assert {f"{name} {share:.0%}" for name, share in shares.items()} == set(
        told.removeprefix("importance of 4 trials: ").split(", ")
    )
    assert all(len(line) <= 120 for line in lines[2:10])


def test_the_command_is_one_line_however_narrow_the_terminal(sweep):
    lines = describe(sweep, 40).splitlines()
    (command,) = [line for line in lines if line.startswith("lstm-jax train ")]
    assert command == sweep.command(sweep.best())
    assert "--config.optimizer.clip_norm=none" in shlex.split(command)
    assert f"--config.optimizer.learning_rate={1 / 3}" in shlex.split(command)


def test_a_narrow_terminal_has_one_column_for_all_values_and_loses_none(sweep):
    lines = describe(sweep, 90).splitlines()
    assert lines[2].split()[-1] == "values"
    table = "\n".join(lines[2 : lines.index("", 2)])
    assert all(len(line) <= 90 for line in table.splitlines())
    assert "learning_rate=0.3333" in table
    assert table.count("clip_norm=none") == 4
    assert "…" not in describe(sweep, 50)


def test_a_terminal_shows_thirty_trials_and_says_how_many_more_there_are(empty):
    trials = [({RATE: 0.1, "task.x": 1}, float(number)) for number in range(33)]
    swept = invent(empty, {RATE: "Uniform", "task.x": "Integer"}, trials)
    swept.importances = dict
    lines = describe(swept, 100).splitlines()
    assert [int(line.split()[0]) for line in lines[4:34]] == [*range(30)]
    assert lines[35] == f"... and 3 more in {swept.workdir / 'report' / 'trials.csv'}"
    swept.trials = swept.trials[:30]
    assert "more in" not in describe(swept, 100)


def test_texts_with_brackets_and_colons_are_shown_as_they_are(empty):
    swept = invent(empty, {CELL: "Choice"}, [({CELL: "[red]Cell(:smile:)[/red]"}, 1.0)])
    assert "[red]Cell(:smile:)[/red]" in describe(swept, 100).splitlines()[4]
    assert "\x1b" not in describe(swept, 100)


def test_the_errors_of_the_first_failed_trials_are_told(tmp_path):
    study = begin(tmp_path / "sweep", {RATE: LogUniform(1e-3, 1.0)})
    for error in ("too large", "too long", "too late", "too many"):
        add(study, {RATE: 0.1}, state=State.FAILED, error=error)
    told = describe(load_sweep(study.workdir), 100)
    assert told.endswith(
        "trial 0 failed: too large\n\ntrial 1 failed: too long\n\ntrial 2 failed: too late\n"
    )


def test_a_sweep_that_has_only_begun_can_be_described(empty):
    assert describe(empty, 80) == f"{empty.workdir}: no trials yet\n"
    assert json_lines(empty) == ""


def test_a_comparison_says_which_is_better(tmp_path):
    for direction, better in (("min", 0), ("max", 1)):
        options = {"metric": "validation/accuracy", "direction": direction}
        study = begin(tmp_path / direction, {RATE: LogUniform(1e-3, 1.0)}, seeds=3, **options)
        for metrics in ([1.0, 1.1, 0.9], [3.0, 3.1, 2.9], [3.0, 3.2, 2.7]):
            add(study, {RATE: 0.1}, metrics)
        add(study, {RATE: 0.1}, [9.0], State.PRUNED)
        sweep = load_sweep(study.workdir)
        for first, second in ((0, 1), (1, 0)):
            told = describe_comparison(sweep, first, second)
            assert told.startswith(f"trial {first} minus trial {second}, validation/accuracy: diff")
            assert told.endswith(f"larger than the noise; trial {better} is better")
        assert describe_comparison(sweep, 1, 2).endswith("not larger than the noise")
        with pytest.raises(ConfigError, match=r"needs complete trials, and trial 3 is pruned$"):
            describe_comparison(sweep, 3, 0)
    study = begin(tmp_path / "one seed", {RATE: LogUniform(1e-3, 1.0)})
    for metric in (1.0, 2.0):
        add(study, {RATE: 0.1}, metric)
    told = r"two seeds of each trial, and trial 0 has 1; sweep with --seeds$"
    with pytest.raises(ConfigError, match=told):
        describe_comparison(load_sweep(study.workdir), 0, 1)


# ---- JSON lines ---------------------------------------------------------------------------------


def test_a_line_of_json_holds_a_trial(sweep):
    lines = json_lines(sweep)
    assert lines.endswith("}\n")
    records = [json.loads(line) for line in lines.splitlines()]
    assert [record["number"] for record in records] == [0, 1, 2, 3, 4, 5]
    seconds = records[2].pop("seconds")
    assert seconds == sweep[2].seconds
    assert records[2] == {
        "number": 2,
        "state": "complete",
        "values": {RATE: 1 / 3, CLIP: None, CELL: "GRU(hidden=4)"},
        "metric": 2.125,
        "workdir": str(sweep[2].workdir),
        "error": None,
        "std": sweep[2].summary.std,
        "interval": [2.0, 2.25],
        "runs": [
            {"seed": 0, "metric": 2.0, "workdir": str(sweep[2].workdir)},
            {"seed": 1, "metric": 2.25, "workdir": str(sweep.workdir / "trials" / "0002-seed1")},
        ],
    }
    assert records[1]["error"] == ERROR
    assert (records[1]["metric"], records[1]["std"], records[1]["interval"]) == (None, None, None)
    assert CLIP not in records[3]["values"]


def test_json_of_one_seed_has_no_spread_and_no_number_that_is_none(empty):
    trials = [({RATE: 0.1}, metric) for metric in (math.nan, math.inf, 1.0)]
    swept = invent(empty, {RATE: "Uniform"}, trials)
    records = [
        json.loads(line, parse_constant=pytest.fail) for line in json_lines(swept).splitlines()
    ]
    assert [record["metric"] for record in records] == [None, None, 1.0]
    assert "std" not in records[0]
    assert "runs" not in records[0]
    spread = invent(empty, {RATE: "Uniform"}, [({RATE: 0.1}, [math.nan, 1.0])], seeds=2)
    (record,) = [json.loads(line) for line in json_lines(spread).splitlines()]
    assert record["runs"][0]["metric"] is None
