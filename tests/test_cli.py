"""The command line as a person and a script meet it: what it prints, where, and with which exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import __version__

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project as `workbench init` makes it."""
    folder = tmp_path_factory.mktemp("cli") / "project"
    done = command(folder.parent, "init", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def command(folder, *arguments, **environment):
    """Run the command in a folder, as a shell would."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("WORKBENCH_")}
    clean.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run([sys.executable, "-m", "workbench.cli", *arguments], cwd=folder, capture_output=True, text=True,
                          env={**clean, **environment}, check=False, timeout=120)


@pytest.fixture(scope="module")
def traded(project):
    """The fixtures' decisions, traded; returns the project and the run's id."""
    done = command(project, "run", "--data", "data/fixtures", "--until", "2020-06-01")
    assert done.returncode == 0, done.stderr
    listed = json.loads(command(project, "runs", "ls", "--data", "data/fixtures", "--json").stdout)
    (run_id,) = [row["run_id"] for row in listed if row["run_id"][:8] in done.stderr]
    return project, run_id


def test_version_and_help_are_quick_words(tmp_path):
    """Nothing heavy is imported for them."""
    assert command(tmp_path, "--version").stdout.strip() == __version__
    assert "journal" in command(tmp_path, "--help").stdout
    code = "import sys, workbench.cli; print([n for n in ('pandas', 'numpy', 'duckdb', 'plotly', 'papermill') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_init_makes_a_project_and_leaves_what_is_there(project):
    """Twice is once; a changed file stays changed."""
    (project / "workbench.toml").write_text('cash = "50000"\n')
    done = command(project.parent, "init", str(project))

    assert done.stdout == ""
    assert (project / "workbench.toml").read_text() == 'cash = "50000"\n'
    assert sorted(path.name for path in project.iterdir()) == ["data", "notebooks", "workbench.toml"]
    (project / "workbench.toml").write_text("")


def test_decide_preview_run_report_in_json(project):
    """The whole flow as a script would drive it: data on stdout, words on stderr."""
    options = ("--data", "data/flow", "--market", "data/fixtures/market", "--json")
    decided = command(project, "decide", "-s", "inverse_volatility", "--from", "2020-01-01", "--until", "2020-03-31",
                      "-p", "lookback=40", *options)
    (first, *_) = json.loads(decided.stdout)
    preview = json.loads(command(project, "preview", "-s", "inverse_volatility", *options).stdout)
    run = command(project, "run", "-s", "inverse_volatility", "--until", "2020-03-31", "--set", "order_type=MOC", *options)
    table = json.loads(run.stdout)
    (listed,) = json.loads(command(project, "runs", "ls", "--data", "data/flow", "--json").stdout)
    report = command(project, "report", listed["run_id"][:8], "--data", "data/flow", "--market", "data/fixtures/market")

    assert first["rebalance_date"] == "2020-01-02"
    assert {"symbol", "order", "cost"} <= preview[0].keys()
    assert [row["rebalance date"] for row in table] == ["2020-01-02", "2020-02-03", "2020-03-02"]
    assert f"run {listed['run_id']}, attempt 1" in run.stderr
    assert Path(report.stdout.strip()).read_text().startswith("<!DOCTYPE html>")


def test_a_run_asked_for_again_is_found(traded):
    """It says so."""
    project, run_id = traded
    done = command(project, "run", "--data", "data/fixtures", "--until", "2020-06-01")

    assert f"run {run_id}, attempt 1 (found: it had been run before)" in done.stderr


def test_date_selects_what_is_reported(traded):
    """The run is over all decisions; the table of one date."""
    project, _ = traded
    done = command(project, "run", "--data", "data/fixtures", "--until", "2020-06-01", "--date", "2020-04-01", "--json")

    assert [row["rebalance date"] for row in json.loads(done.stdout)] == ["2020-04-01"]


def test_dry_run_starts_nothing(project):
    """The folder it prints holds a queued attempt."""
    done = command(project, "run", "--data", "data/fixtures", "--until", "2020-05-01", "--dry-run", "--json")
    (made,) = json.loads(done.stdout)

    assert json.loads((Path(made["folder"]) / "1" / "status.json").read_text())["state"] == "queued"


def test_runs_show_tells_request_attempts_and_table(traded):
    """In one JSON object."""
    project, run_id = traded
    shown = json.loads(command(project, "runs", "show", run_id[:7], "--data", "data/fixtures", "--json").stdout)

    assert shown["run"]["run_id"] == run_id
    assert [attempt["state"] for attempt in shown["attempts"]] == ["completed"]
    assert len(shown["table"]) == 6


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (("decide", "--date", "2020-04-10"), 2,
     "2020-04-10 (Friday) is not a session; the sessions beside it are 2020-04-09 and 2020-04-13"),
    (("decide", "--date", "tomorrow"), 2, "'tomorrow' is not a date YYYY-MM-DD"),
    (("decide",), 2, "say which dates; give --date"),
    (("decide", "-s", "momentun", "--date", "2020-03-02"), 2, "unknown strategy 'momentun'; did you mean 'momentum'?"),
    (("decide", "-p", "topn=3", "--date", "2020-03-02"), 2, "unknown parameter 'topn'; did you mean 'top_n'?"),
    (("run", "-s", "nobody", "--until", "2020-03-02"), 3, "a decision of 'nobody' is not recorded"),
    (("run", "--until", "2020-03-02", "--set", "lot=5"), 2, "unknown execution param 'lot'"),
    (("run", "--until", "2020-03-02", "--engine", "leen"), 2, "unknown engine 'leen'"),
    (("report", "r0000"), 3, "run 'r0000' is not recorded; `workbench runs ls` lists what is there"),
    (("sql", "delete from runs"), 2, "only one statement, and one that reads"),
    (("journal", "verify", "nowhere"), 2, "no journal here"),
])
def test_an_error_is_one_line_and_its_exit_code(arguments, code, said, project):
    """Naming the thing, the place and the remedy; stdout stays empty."""
    data = () if arguments[0] == "journal" else ("--data", "data/fixtures")
    done = command(project, *arguments, *data)

    assert done.returncode == code
    assert said in done.stderr.replace("\n", " ")
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def journal_of(traded) -> Path:
    project, run_id = traded
    return project / "data" / "fixtures" / "runs" / run_id / "1" / "journal.jsonl"


def test_journal_verify_passes_a_good_journal(traded):
    """Exit code 0, and how many lines the seals cover."""
    (verdict,) = json.loads(command(traded[0], "journal", "verify", str(journal_of(traded)), "--json").stdout)

    assert verdict["good"]
    assert verdict["lines"] == verdict["sealed up to"]


@pytest.mark.parametrize(("damage", "said"), [
    (lambda text: text.replace(b'"quantity":', b'"quantitY":', 1), "does not match"),
    (lambda text: b"".join(line for n, line in enumerate(text.splitlines(True)) if n != 7),
     "seq is 9 where 8 belongs: a line is missing"),
    (lambda text: text[:-20], "the last line is torn"),
])
def test_journal_verify_finds_damage(damage, said, traded, tmp_path):
    """A byte changed, a line cut out, the last line torn: exit code 6 and the place."""
    copy = tmp_path / "journal.jsonl"
    copy.write_bytes(damage(journal_of(traded).read_bytes()))
    done = command(tmp_path, "journal", "verify", str(copy))

    assert done.returncode == 6
    assert said in done.stderr.replace("\n", " ")


def test_store_rebuild_makes_the_tables_again(traded):
    """The same counts from the files alone."""
    project, _ = traded
    before = json.loads(command(project, "sql", "select count(*) as n from events", "--data", "data/fixtures", "--json").stdout)
    (project / "data" / "fixtures" / "workbench.duckdb").unlink()
    (counts,) = json.loads(command(project, "store", "rebuild", "--data", "data/fixtures", "--json").stdout)

    assert counts["events"] == before[0]["n"] > 0


def test_sql_answers_with_exact_numbers(traded):
    """Decimals arrive as they were, not through doubles."""
    done = command(traded[0], "sql", "select 0.1::decimal(38,12) + 0.2 as x", "--data", "data/fixtures", "--json")

    assert '"x":0.3' in done.stdout


def test_ingest_reads_a_plain_list_once(traded, tmp_path):
    """A file twice changes nothing."""
    project, run_id = traded
    plain = tmp_path / "broker.json"
    plain.write_text(json.dumps([{"order_id": "77", "tag": "by-hand", "status": "Filled", "filled": 5, "fill_price": 10.5,
                                  "time": "2020-06-01T20:00:00Z"}]))
    first = command(project, "ingest", str(plain), "--run", run_id, "--data", "data/fixtures", "--json")
    second = command(project, "ingest", str(plain), "--run", run_id, "--data", "data/fixtures", "--json")
    counted = command(project, "sql", "select count(*) as n from events where order_id = '77'", "--data", "data/fixtures", "--json")
    (count,) = json.loads(counted.stdout)

    assert first.returncode == second.returncode == 0
    assert count["n"] == 1


def test_doctor_says_what_is_there_and_what_to_do(project):
    """Nothing needed is missing here; what is optional carries its remedy."""
    done = command(project, "doctor", "--data", "data/fixtures", "--json", PATH="/nowhere")
    checks = {check["what"]: check for check in json.loads(done.stdout)}

    assert done.returncode == 0
    assert checks["duckdb"][""] == "ok"
    assert "embedded engine" in checks["lean launcher"]["remedy"]


def test_data_check_exits_with_1_where_something_is_odd(project):
    """The invented market has two wild days on purpose."""
    done = command(project, "data", "check", "data/fixtures/market", "--json")

    assert done.returncode == 1
    assert {finding["kind"] for finding in json.loads(done.stdout)} == {"jump_without_factor"}


def test_data_import_makes_bars_that_can_be_decided_on(project, tmp_path):
    """A CSV of one's own, from file to weights."""
    source = tmp_path / "bars.csv"
    days = ("2020-03-02", "2020-03-03", "2020-03-04", "2020-03-05")
    source.write_text("symbol,date,open,high,low,close,volume\n" + "".join(f"OWN,{day},10,11,9,10.5,1000\n" for day in days))
    done = command(project, "data", "import", str(source), "--into", str(tmp_path / "market"), "--json")
    decided = command(project, "decide", "-s", "equal_weight", "--date", "2020-03-06", "--market", str(tmp_path / "market"),
                      "--data", str(tmp_path / "data"), "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(decided.stdout)[0]["names"] == 1


def test_notebook_refuses_a_misspelt_parameter(project):
    """Before a kernel starts."""
    done = command(project, "notebook", "execute", "-p", "untl=2020-03-02")

    assert done.returncode == 2
    assert "did you mean 'until'?" in done.stderr


def test_an_unknown_option_is_a_usage_error(project):
    """Exit code 2, as everywhere."""
    assert command(project, "run", "--untill", "2020-03-02").returncode == 2
