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
import threading
import time
from pathlib import Path

from kerasopt import files
from kerasopt.recipes import Recipe
from kerasopt.tuning.folder import Deadline
from kerasopt.tuning.searches.progress import Progress
from kerasopt.tuning.searches.result import SearchResult
from kerasopt.tuning.searches.settings import SearchSettings
from kerasopt.tuning.searches.worker import Work
from kerasopt.tuning.space import Space
from kerasopt.tuning.trials import (
    RESULT,
    TRIALS,
    OutOfTime,
    one_precision,
    recorded,
)

__all__ = ["run"]

CHIEF = "chief"
POLL_SECONDS = 0.5
TAIL = 2_000


def run(work: Work, progress: Progress) -> None:
    """Search with ``settings.workers`` processes, until all of them have ended.

    Args:
        work: The search; its folder has been opened.
        progress: Where to show it.

    Raises:
        ValueError: if a process fails; its last words are in the message.
    """
    if work.recipe.training.precision == "auto":  # Or each worker times it for itself.
        dataset = work.dataset or work.recipe.load_data(data_dir=work.data_dir)
        one_precision(work.recipe, dataset, work.folder)
    logs = work.folder / "workers"
    logs.mkdir(exist_ok=True)
    port = _free_port()
    processes = {
        name: _start(work, name, port, logs / f"{name}.log")
        for name in [CHIEF, *(f"worker-{i}" for i in range(work.settings.workers))]
    }
    try:
        with progress:
            failed = _wait(work, processes, progress)
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait()
    if failed is not None:
        last = (logs / f"{failed}.log").read_text(errors="replace")[-TAIL:]
        raise ValueError(
            f"{failed} of the search in '{files.shown(work.folder)}' failed (exit code "
            f"{processes[failed].returncode}); the finished trials are kept. Its last "
            f"words: {last}"
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
        # Or the first worker takes all of a GPU's memory.
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }
    end = ""
    if work.clock.deadline is not None:  # By the clock that processes share.
        end = str(time.time() + work.clock.deadline - time.monotonic())
    command = [sys.executable, "-m", __name__, str(work.folder)]
    with log.open("ab") as output:
        return subprocess.Popen(
            [*command, end, work.data_dir or ""],
            env=environment,
            stdin=subprocess.PIPE,  # Its end tells the process that this one is gone.
            stdout=output,
            stderr=output,
        )


def _wait(
    work: Work, processes: dict[str, subprocess.Popen[bytes]], progress: Progress
) -> str | None:
    """Wait for the workers; return the name of the first process that fails.

    The others would wait for ever for a dead worker's trial.
    """
    while True:
        codes = {name: process.poll() for name, process in processes.items()}
        for path in sorted((work.folder / TRIALS).glob(f"*/{RESULT}")):
            if not progress.knows(int(path.parent.name)):
                progress.tell(recorded(path.parent) or {})
        progress.clock.keep()
        for name, code in codes.items():
            if code not in (0, None):
                return name
        # The chief ends when no trial is left; a worker that comes later waits for it
        # in vain.
        workers = [code for name, code in codes.items() if name != CHIEF]
        if codes[CHIEF] == 0 or all(code == 0 for code in workers):
            return None
        time.sleep(POLL_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main(folder: str, end: str, data_dir: str) -> None:
    """Be the chief or a worker, as the environment says.

    Args:
        folder: The search's.
        end: The moment of the deadline, as `time.time` counts, or nothing.
        data_dir: Folder with the dataset's files, or nothing.
    """
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    from kerasopt.tuning.searches import tuner

    begun = SearchResult(folder)
    work = Work(
        recipe=Recipe(begun.definition["recipe"]),
        space=Space.read(begun.definition["space"]),
        settings=SearchSettings(**begun.settings),
        folder=Path(folder),
        clock=Deadline(time.monotonic() + float(end) - time.time() if end else None),
        data_dir=data_dir or None,
    )
    with contextlib.suppress(OutOfTime, tuner.AllFailed):
        tuner.make(work).search()


def _end_with_the_parent() -> None:
    """End this process when the one that started it has ended, killed or not."""
    os.read(sys.stdin.fileno(), 1)  # Not sys.stdin.read: it holds a lock at the exit.
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
