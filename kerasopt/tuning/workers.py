"""Several processes for one search, by keras-tuner's chief and workers.

The chief holds the oracle and trains nothing; each worker asks it for the next trial
and reports back (gRPC on this machine). All of them read the search's folder.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import rich.console

from kerasopt.recipes import Recipe
from kerasopt.tuning.result import SearchResult
from kerasopt.tuning.settings import SearchSettings
from kerasopt.tuning.space import Space
from kerasopt.tuning.trials import OutOfTime
from kerasopt.tuning.work import Work

__all__ = ["run"]

CHIEF = "chief"
POLL_SECONDS = 0.5
TAIL = 2_000


def run(work: Work, console: rich.console.Console) -> None:
    """Search with ``settings.workers`` processes, until all of them have ended.

    Args:
        work: The search; its folder has been opened.
        console: Where to show progress.

    Raises:
        ValueError: if a process fails; its last words are in the message.
    """
    logs = work.folder / "workers"
    logs.mkdir(exist_ok=True)
    port = _free_port()
    processes = {
        name: _start(work, name, port, logs / f"{name}.log")
        for name in [CHIEF, *(f"worker-{i}" for i in range(work.settings.workers))]
    }
    try:
        _wait(work, processes, console)
        # Before the others are ended: of those the exit code says nothing.
        codes = {name: process.poll() for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait()
    for name, code in codes.items():
        if code not in (0, None):
            last = (logs / f"{name}.log").read_text(errors="replace")[-TAIL:]
            raise ValueError(
                f"{name} of the search in '{work.folder}' failed "
                f"(exit code {code}): {last}"
            )


def _start(work: Work, name: str, port: int, log: Path) -> subprocess.Popen[bytes]:
    share = max(1, (os.cpu_count() or 1) // work.settings.workers)
    environment = {
        **os.environ,
        "KERASTUNER_TUNER_ID": name,
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port),
        "TF_NUM_INTRAOP_THREADS": str(share),
        "OMP_NUM_THREADS": str(share),
    }
    left = "" if work.deadline is None else str(work.deadline - time.monotonic())
    command = [sys.executable, "-m", __name__, str(work.folder), left]
    with log.open("ab") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


def _wait(
    work: Work,
    processes: dict[str, subprocess.Popen[bytes]],
    console: rich.console.Console,
) -> None:
    """Wait for the workers; the chief has nothing left to do then."""
    workers = [process for name, process in processes.items() if name != CHIEF]
    with console.status("Starting the workers …") as status:
        while any(process.poll() is None for process in workers):
            if processes[CHIEF].poll() not in (0, None):
                return
            time.sleep(POLL_SECONDS)
            status.update(_progress(work))


def _progress(work: Work) -> str:
    table = SearchResult(work.folder).table
    ended = table[table["status"] != "unfinished"]
    best = ended["mean"].max() if work.settings.maximize else ended["mean"].min()
    of = f" of {work.settings.most_trials}" if work.settings.most_trials else ""
    return f"{len(ended)}{of} trials, best {work.settings.objective} {best:.4f}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main(folder: str, left: str) -> None:
    """Be the chief or a worker, as the environment says.

    Args:
        folder: The search's.
        left: Seconds until the deadline, or nothing.
    """
    from kerasopt.tuning import tuner

    begun = SearchResult(folder)
    work = Work(
        recipe=Recipe(begun.definition["recipe"]),
        space=Space.read(begun.definition["space"]),
        settings=SearchSettings(**begun.settings),
        folder=Path(folder),
        deadline=time.monotonic() + float(left) if left else None,
    )
    with contextlib.suppress(OutOfTime, tuner.AllFailed):
        tuner.make(work).search()


if __name__ == "__main__":
    main(*sys.argv[1:])
