"""Stands for `dotnet QuantConnect.Lean.Launcher.dll`: a process that behaves as Lean's launcher was seen to, on any machine.

The work is done by the embedded engine, out of sight; what it left is then told again in Lean's way and time: the command
line and its refusals, both forms of the log, a result that is saved half-way, files that are replaced while one looks, SIGINT
heeded and SIGTERM not, and the abort at the end of everything. From the environment:

    STANDIN_FAULT    what goes wrong, one of FAULTS; none
    STANDIN_SECONDS  how long the run takes; 0
    STANDIN_SAVE     seconds until the first mid-run save; 5, as Lean's
    STANDIN_REPLAY   a folder that real Lean left, to be told instead of a run
    STANDIN_CODES    `designed`: exit codes 0 and 1, and no abort

Paper and live are `live.py`'s, which has faults of its own.
"""

import contextlib
import io
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
DLL = "QuantConnect.Lean.Launcher.dll"
STEPS = 20
SAVE_AGAIN = 30.0
GRACE = 1.3             # seconds from SIGINT to the end, as seen

# Spoiled in the algorithm's own source, as it would be by hand; then what happens to the process, then to its files.
SPOILED = ("import-error", "syntax-error", "no-class", "init-error", "runtime-error")
DYING = ("crash", "partial", "killed", "hang", "hang-hard", "hang-dead")
LEFT = ("half-written", "no-journal", "torn-journal", "short-log")
FAULTS = ("none", *SPOILED, *DYING, *LEFT, "no-data", "no-rows", "no-framework", "no-python")

OPTIONS = {
    "config", "close-automatically", "results-destination-folder", "backtest-name", "algorithm-id", "optimization-id",
    "environment", "algorithm-type-name", "algorithm-language", "algorithm-location", "composer-dll-directory", "data-folder",
    "log-handler", "messaging-handler", "job-queue-handler", "api-handler", "map-file-provider", "factor-file-provider",
    "data-provider", "alpha-handler", "history-provider", "symbol-minute-limit", "symbol-second-limit", "symbol-tick-limit",
    "force-exchange-always-open", "transaction-log", "job-user-id", "api-access-token", "job-organization-id", "live-data-url",
    "live-data-port", "ib-account", "ib-user-name", "ib-password", "ib-host", "ib-port", "ib-agent-description", "ib-tws-dir",
    "ib-trading-mode", "parameters", "environments",
}
CLASSES = {
    "CompositeLogHandler", "Messaging", "JobQueue", "Api", "LocalDiskMapFileProvider", "LocalDiskFactorFileProvider",
    "DefaultDataProvider", "DataChannelProvider", "LocalObjectStore", "AggregationManager", "BacktestingSetupHandler",
    "BacktestingResultHandler", "FileSystemDataFeed", "BacktestingRealTimeHandler", "SubscriptionDataReaderHistoryProvider",
    "BacktestingTransactionHandler", "BrokerageSetupHandler", "LiveTradingResultHandler", "LiveTradingDataFeed",
    "LiveTradingRealTimeHandler", "BrokerageTransactionHandler", "BrokerageHistoryProvider", "LocalZipMapFileProvider",
    "LocalZipFactorFileProvider", "ConsoleSetupHandler", "ConsoleLogHandler", "FileLogHandler",
}
HANDLERS = ("messaging-handler", "job-queue-handler", "api-handler", "map-file-provider", "factor-file-provider", "data-provider",
            "object-store", "data-aggregator", "setup-handler", "result-handler", "data-feed-handler", "real-time-handler",
            "transaction-handler")
GIL = ("System.InvalidOperationException: GIL must always be released, and it must be released from the same thread that acquired "
       "it.\n   at Python.Runtime.Py.GILState.Finalize()")


class Log:
    """Lean's console and, once it is known where results go, `log.txt`."""

    def __init__(self) -> None:
        self.path: Path | None = None

    def write(self, level: str, text: str) -> None:
        """One entry in both forms; errors go to stderr."""
        now = datetime.now(UTC)
        console = sys.stderr if level == "ERROR" else sys.stdout
        console.write(f"{now:%Y%m%d %H:%M:%S}.{now.microsecond // 1000:03d} {level}:: {text}\n")
        console.flush()
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as out:
                out.write(f"{now:%Y-%m-%dT%H:%M:%S.%f}0Z {level}:: {text}\n")

    def trace(self, text: str) -> None:
        """What Lean says all the time."""
        self.write("TRACE", text)

    def error(self, text: str) -> None:
        """What it says when something is wrong."""
        self.write("ERROR", text)


LOG = Log()
INTERRUPTED: list[float] = []           # when SIGINT came


def main(arguments: list[str]) -> NoReturn:
    """The command line of `dotnet`, of which Lean's launcher is one program."""
    if arguments[:1] == ["--version"]:
        sys.stdout.write("10.0.100\n")
        sys.exit(0)
    if arguments[:1] == ["--list-runtimes"]:
        sys.stdout.write("Microsoft.NETCore.App 10.0.0 [/usr/share/dotnet/shared/Microsoft.NETCore.App]\n")
        sys.exit(0)
    if not arguments or not Path(arguments[0]).is_file():
        sys.stderr.write("Could not execute because the specified command or file was not found.\n")
        sys.exit(1)
    signal.signal(signal.SIGINT, lambda *_: INTERRUPTED.append(time.monotonic()))
    fault = os.environ.get("STANDIN_FAULT", "none")
    if fault == "no-framework":
        sys.stderr.write("You must install or update .NET to run this application.\n\n"
                         f"App: {Path(arguments[0]).resolve()}\nArchitecture: x64\n"
                         "Framework: 'Microsoft.NETCore.App', version '10.0.0' (x64)\n.NET location: /usr/share/dotnet/\n")
        sys.exit(150)
    options = parse(arguments[1:])
    end(launch(options, Path(arguments[0]).resolve().parent, fault))


def parse(arguments: list[str]) -> dict[str, str]:
    """The launcher's options; one that it does not know ends it within 0.2 s, with nothing written."""
    given: dict[str, str] = {}
    rest = iter(arguments)
    for word in rest:
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in OPTIONS:
            time.sleep(0.2)
            kind = f"option '{word}'" if word.startswith("--") else f"command or argument '{word}'"
            die(f"McMaster.Extensions.CommandLineUtils.UnrecognizedCommandParsingException: Unrecognized {kind}\n   at "
                "QuantConnect.Configuration.ApplicationParser.Parse(String applicationName, String[] args)")
        given[name] = value if equals else next(rest, "")
    return given


def launch(options: Mapping[str, str], folder: Path, fault: str) -> bool:
    """One job. Returns whether it completed."""
    config = read(options)
    settings = layered(config)
    live = str(settings.get("live-mode", False)).lower() == "true"
    results = Path(str(settings.get("results-destination-folder") or "."))
    results.mkdir(parents=True, exist_ok=True)
    LOG.path = results / "log.txt"
    LOG.trace("Engine.Main(): LEAN ALGORITHMIC TRADING ENGINE v2.5.0.0 Mode: RELEASE (64bit) Host: standin")
    refuse(settings)
    LOG.trace(f"JobQueue.NextJob(): Selected {settings['algorithm-location']}")
    if fault == "no-python":
        die("Python.Runtime.BadPythonDllException: Could not load libpython3.11.so.\n ---> System.DllNotFoundException: Could not "
            "load libpython3.11.so.")
    if live:
        sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from live import main as run_live

        return run_live(settings) in (0, None)
    assert fault in FAULTS, f"unknown STANDIN_FAULT {fault}"
    with tempfile.TemporaryDirectory(prefix="standin-") as kept:
        replayed = os.environ.get("STANDIN_REPLAY")
        left = recorded(Path(replayed), settings, Path(kept)) if replayed else work(config, Path.cwd() == folder, fault, Path(kept))
        completed = Telling(left, results, str(settings["algorithm-id"]), journal_of(settings), fault).tell()
    if not (Path(str(settings["data-folder"])) / "symbol-properties").is_dir():
        sys.exit(1)         # it ends before Python is loaded, and then the designed code is given
    return completed


def read(options: Mapping[str, str]) -> dict[str, Any]:
    """The config with the options on top. One that is not there is passed over for the folder's own `config.json`."""
    path = Path(options.get("config", "config.json"))
    if not path.is_file():
        LOG.error(f"Configuration file {path} does not exist, using config.json")
        path = Path("config.json")
    if not path.is_file():
        die("System.IO.FileNotFoundException: Could not load file or assembly 'QuantConnect.Algorithm.CSharp.dll'.")
    config: dict[str, Any] = json.loads(re.sub(r"^\s*//.*$", "", path.read_text(encoding="utf-8-sig"), flags=re.MULTILINE))
    return config | {name: value for name, value in options.items() if name != "config"}


def layered(config: Mapping[str, Any]) -> dict[str, Any]:
    """The root with the environment's section on top."""
    section = (config.get("environments") or {}).get(config.get("environment") or "") or {}
    return {**config, **section}


def refuse(settings: Mapping[str, Any]) -> None:
    """What ends Lean before its first step, in the order in which it is found: parameters, the algorithm, the classes."""
    for name, value in (settings.get("parameters") or {}).items():
        if isinstance(value, dict | list):
            die(f"Newtonsoft.Json.JsonReaderException: Unexpected character encountered while parsing value: "
                f"{json.dumps(value)[0]}. Path '{name}', line 2, position 13.")
    if not Path(str(settings.get("algorithm-location"))).is_file():
        die("System.IO.FileNotFoundException: JobQueue.TryCreatePythonAlgorithm(): Unable to find py file: "
            f"{settings.get('algorithm-location')}\n   at QuantConnect.Queues.JobQueue.GetAlgorithmLocation()")
    for key in HANDLERS:
        name = str(settings.get(key, "")).rpartition(".")[2]
        if name and name not in CLASSES:
            die(f"System.ArgumentException: Unable to locate any exports matching the requested typeName: {settings[key]}. "
                f"Type: QuantConnect.Interfaces.I{name} (Parameter 'typeName')\n   at QuantConnect.Util.Composer.GetExportedValue")


def journal_of(settings: Mapping[str, Any]) -> Path | None:
    """Where our algorithm keeps its journal."""
    path = (settings.get("parameters") or {}).get("journal-path")
    return Path(str(path)) if path else None


# The work

def work(config: Mapping[str, Any], at_home: bool, fault: str, kept: Path) -> Path:
    """Run the job under the embedded engine, out of sight; `kept` has what it left."""
    sys.path.insert(0, str(ROOT))
    from workbench.engines.embedded.launcher import launch as run

    folder = kept / "results"
    changed: dict[str, Any] = {**config, "results-destination-folder": str(folder),
                               "parameters": dict(config.get("parameters") or {})}
    if "journal-path" in changed["parameters"]:
        changed["parameters"]["journal-path"] = str(kept / "journal.jsonl")
    if fault in SPOILED or not at_home:
        changed |= spoil(Path(str(layered(config)["algorithm-location"])), fault if at_home else "away", kept)
    if fault in ("no-data", "no-rows"):
        changed["data-folder"] = f"{empty_market(Path(str(layered(config)['data-folder'])), kept / 'market', fault)}/"
    streams = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = io.StringIO()
    try:
        run(changed)
    finally:
        sys.stdout, sys.stderr = streams
    return kept


def spoil(algorithm: Path, fault: str, kept: Path) -> dict[str, Any]:
    """The algorithm with a mistake in it, under its own name, beside which its siblings are still found."""
    copy = kept / "algorithm" / algorithm.name
    copy.parent.mkdir()
    lines = algorithm.read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if "AlgorithmImports" in line and "import" in line)
    if fault == "away":
        lines.insert(begin, "raise ModuleNotFoundError(\"No module named 'AlgorithmImports'\")")
    elif fault == "import-error":
        lines.insert(begin + 1, "import no_such_module")
    elif fault == "syntax-error":
        lines.insert(begin + 1, "def broken(:")
    elif fault == "no-class":
        lines = lines[:begin + 1]
    else:
        name = {"init-error": "initialize", "runtime-error": "on_order_event"}[fault]
        at = next(number for number, line in enumerate(lines) if re.match(rf"\s+def {name}\(", line))
        indent = " " * (len(lines[at]) - len(lines[at].lstrip()) + 4)
        lines.insert(at + 1, f"{indent}raise ValueError('on purpose')")
    copy.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"algorithm-location": str(copy), "python-additional-paths": [str(algorithm.parent)]}


def empty_market(market: Path, place: Path, fault: str) -> Path:
    """A data folder without prices: no files, or files that end before anything begins."""
    usa = market / "equity" / "usa"
    (place / "equity" / "usa" / "daily").mkdir(parents=True)
    for child in (*market.iterdir(), usa / "map_files", usa / "factor_files"):
        if child.name != "equity":
            (place / child.relative_to(market)).symlink_to(child.resolve())
    for path in (usa / "daily").glob("*.zip") if fault == "no-rows" else ():
        with zipfile.ZipFile(place / "equity" / "usa" / "daily" / path.name, "w") as out:
            out.writestr(f"{path.stem}.csv", "19980102 00:00,10000,10000,10000,10000,100\n")
    return place


def recorded(folder: Path, settings: Mapping[str, Any], kept: Path) -> Path:
    """What real Lean left, under this job's id."""
    (name,) = (path.name.removesuffix("-summary.json") for path in folder.glob("*-summary.json"))
    for path in folder.iterdir():
        if path.is_file() and path.name != "config.json":
            (kept / "results").mkdir(exist_ok=True)
            shutil.copy(path, kept / "results" / path.name.replace(name, str(settings["algorithm-id"]), 1))
    return kept


# The telling

class Telling:
    """What a run left, told again: the log as it grows, the journal, saves on the way, and the end."""

    def __init__(self, left: Path, results: Path, algorithm_id: str, journal: Path | None, fault: str) -> None:
        self.left, self.results, self.id, self.journal, self.fault = left / "results", results, algorithm_id, journal, fault
        written = left / "journal.jsonl"
        self.lines = written.read_bytes().splitlines(keepends=True) if written.is_file() else []
        self.result: dict[str, Any] = json.loads((self.left / f"{algorithm_id}.json").read_bytes())
        events = self.left / f"{algorithm_id}-order-events.json"
        self.events: list[Any] = json.loads(events.read_bytes()) if events.is_file() else []
        self.begun = self.saved = time.monotonic()
        self.wait_for_save = float(os.environ.get("STANDIN_SAVE", "5"))

    def tell(self) -> bool:
        """From the first line to the last. Returns whether the run completed."""
        state = self.result["state"]
        before, after = self._entries()
        for level, text in before:
            LOG.write(level, text)
        if state["Status"] == "Completed":
            self._run()
        if INTERRUPTED:
            LOG.trace("Program.ExitKeyPress(): Lean instance has been cancelled, shutting down safely now")
            time.sleep(max(0.0, INTERRUPTED[0] + GRACE - time.monotonic()))
        else:
            self._tell_journal(len(self.lines))
        for level, text in after:
            LOG.write(level, text)
        self._write_final()
        if self.fault != "short-log":
            LOG.trace("Engine.Main(): Analysis Completed and Results Posted.")
            LOG.trace(f"Engine.Main(): Packet removed from queue: {self.id}")
            LOG.trace("PythonInitializer.Shutdown(): start")
        return state["Status"] == "Completed"

    def _run(self) -> None:
        pause = float(os.environ.get("STANDIN_SECONDS", "0")) / STEPS
        for step in range(1, STEPS + 1):
            self._wait(pause)
            self._tell_journal(len(self.lines) * step // STEPS)
            wait = self.wait_for_save if self.saved == self.begun else SAVE_AGAIN
            if time.monotonic() - self.saved >= wait:
                self._save(step)
            if step == STEPS // 2 and self.fault in DYING:
                self._go_wrong(step)
            if INTERRUPTED:
                self.events = self.events[:len(self.events) * step // STEPS]
                return

    def _wait(self, seconds: float) -> None:
        """Until then, or until SIGINT."""
        until = time.monotonic() + seconds
        while not INTERRUPTED and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.02))

    def _go_wrong(self, step: int) -> None:
        """Half-way: the process aborts, is killed, or says nothing more."""
        if self.fault == "partial":
            self._save(step)
        if self.fault in ("crash", "partial", "killed"):
            shutil.rmtree(self.left.parent)
        if self.fault in ("crash", "partial"):
            die("System.AccessViolationException: Attempted to read or write protected memory.")
        if self.fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault in ("hang-hard", "hang-dead"):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self.fault == "hang-dead":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while not INTERRUPTED:
            time.sleep(0.02)

    def _tell_journal(self, count: int) -> None:
        if self.journal is None or self.fault == "no-journal" or not self.lines:
            return
        data = b"".join(self.lines[:count])
        if self.fault == "torn-journal" and count == len(self.lines):
            data = data[:-9]
        self.journal.write_bytes(data)

    def _save(self, step: int) -> None:
        """As Lean's on the way: the last 100 orders and events, newest first, in place, so that a reader may see half."""
        self.saved = time.monotonic()
        orders = list(self.result["orders"].items())
        orders = orders[:len(orders) * step // STEPS][-100:]
        state = {**self.result["state"], "Status": "Running", "EndTime": ""}
        partial = {key: value for key, value in self.result.items() if key not in ("algorithmConfiguration", "totalPerformance")}
        self._write(f"{self.id}.json", json.dumps({**partial, "orders": dict(orders), "state": state}, indent=2))
        if events := self.events[:len(self.events) * step // STEPS]:
            self._write(f"{self.id}-order-events.json", json.dumps(events[:-101:-1], separators=(",", ":")))

    def _write(self, name: str, text: str) -> None:
        with (self.results / name).open("w", encoding="utf-8") as out:
            for at in range(0, len(text), 4096):
                out.write(text[at:at + 4096])
                out.flush()

    def _write_final(self) -> None:
        """All files, oldest events first; none for events that were not."""
        self.result["state"] = {**self.result["state"], **in_leans_words(self.result["state"])}
        for path in sorted(self.left.iterdir()):
            if path.is_file() and path.name not in ("log.txt", f"{self.id}.json", f"{self.id}-order-events.json"):
                shutil.copy(path, self.results / path.name)
        text = json.dumps(self.result, indent=2)
        self._write(f"{self.id}.json", text[:len(text) * 2 // 3] if self.fault == "half-written" else text)
        if self.events:
            self._write(f"{self.id}-order-events.json", json.dumps(self.events, separators=(",", ":")))

    def _entries(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """The log's entries before and after the run itself, without those that are said here."""
        head = re.compile(r"^\S+Z (?P<level>[A-Z]+):: (?P<text>.*)$")
        found: list[tuple[str, str]] = []
        for line in (self.left / "log.txt").read_text(encoding="utf-8").splitlines():
            if match := head.match(line):
                found.append((match["level"], match["text"]))
            elif found:
                found[-1] = (found[-1][0], f"{found[-1][1]}\n{line}")
        ours = ("Engine.Main():", "JobQueue.NextJob():", "PythonInitializer.Shutdown")
        found = [self._in_leans_words(entry) for entry in found if not entry[1].startswith(ours)]
        middle = next((at for at, entry in enumerate(found) if "Begin DataStream" in entry[1]), len(found) - 1) + 1
        after = found[middle:]
        if self.result["state"]["Status"] == "Completed" and not any("Processing total" in text for _, text in found):
            after.append(("TRACE", f"Debug: Algorithm Id:({self.id}) completed in 1.00 seconds at 0k data points per second. "
                          f"Processing total of {self._points():,} data points."))
        return found[:middle], after

    def _in_leans_words(self, entry: tuple[str, str]) -> tuple[str, str]:
        level, text = entry
        if "Traceback (most recent call last)" not in text:
            return entry
        first = text.split("\n")[0].split(" at ")[0]
        return level, first + lean_trace(str(self.result["state"]["StackTrace"]))

    def _points(self) -> int:
        """Data points: what the sampled equity says there were, or the one that an empty run has."""
        return 1 if self.fault == "no-rows" else max(2, len(self.lines))


def in_leans_words(state: Mapping[str, str]) -> dict[str, str]:
    """The state of a run that failed as Lean's Python face tells it. (Lean, Common/Util/PythonUtil.cs, Engine/Engine.cs.)"""
    text, trace = state["RuntimeError"], lean_trace(state["StackTrace"])
    if not text:
        return {}
    if "Unable to import python module" in text:
        path, _, why = text.partition("python module ")[2].partition(".py")
        why = "Please ensure that one class inherits from QCAlgorithm." if why.startswith(":") else why.split(": ", 1)[-1]
        text = (f"Algorithm.Initialize() Error: During the algorithm initialization, the following exception has occurred: Loader."
                f"TryCreatePythonAlgorithm(): Unable to import python module {path}.py. AlgorithmPythonWrapper(): {why}")
    elif " Runtime Error: " in text:
        text = text.rpartition(" at ")[0]
    return {"RuntimeError": text + trace, "StackTrace": text.partition(" Runtime Error: ")[2] + trace if trace else ""}


def lean_trace(trace: str) -> str:
    """A Python traceback as Lean rewrites it: each frame's function and code, then its file's bare name and line."""
    blocks = []
    for block in trace.split("  File ")[1:]:
        match = re.match(r'"(.+?)", line (\d+)(?:, in (.+))?', block.strip(), re.DOTALL)
        if match and "embedded" not in match[1] and "<frozen" not in match[1] and match[3]:
            code = "\n".join(line for line in match[3].splitlines()[:2] if "^^" not in line)
            blocks.append(f"  at {code.strip()}\n in {Path(match[1]).name}: line {match[2]}")
    return "\n" + "\n".join(blocks) + "\n" if blocks else ""


# The end

def end(completed: bool) -> NoReturn:
    """As every run of the real one was seen to end, whatever came of it; or by the codes that it was meant to give."""
    sys.stdout.flush()
    if os.environ.get("STANDIN_CODES") == "designed":
        LOG.trace("Program.Main(): Exiting Lean...")
        os._exit(0 if completed else 1)
    die(GIL)


def die(why: str) -> NoReturn:
    """.NET's last words on stderr, and SIGABRT."""
    sys.stdout.flush()
    sys.stderr.write(f"Unhandled exception. {why}\n")
    sys.stderr.flush()
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.abort()


if __name__ == "__main__":
    main(sys.argv[1:])
