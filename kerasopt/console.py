"""Print to terminals, notebooks and log files; the only module that knows them apart.

Results go to standard output, everything else to standard error, so that results can
be piped. In a notebook both are plain output of the cell, and a progress bar is one
display that is updated in place. It needs no ipywidgets.

Text is printed as it is: paths, class names and messages are never read as markup.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, TypeVar

import rich.console
import rich.progress
import rich.table
import rich.text

from kerasopt import checks

__all__ = [
    "Bar",
    "Console",
    "escape",
    "is_notebook",
    "progress_console",
    "say",
    "show_table",
    "track",
]

Item = TypeVar("Item")

NOTEBOOK_WIDTH = 100
"""Characters in a line of a notebook's output."""

NOTEBOOK_SECONDS = 0.2
"""Least time between two updates of a bar in a notebook."""

MEASURES = {
    "time": ("{task.percentage:>3.0f}%", "elapsed", "left", "remaining"),
    "count": ("{task.completed:.0f}/{task.total:.0f}", "remaining"),
    "bytes": ("size", "speed", "remaining"),
    "note": ("{task.fields[note]}",),
}
"""What stands after a bar."""

_COLUMNS = {
    "elapsed": rich.progress.TimeElapsedColumn,
    "remaining": rich.progress.TimeRemainingColumn,
    "size": rich.progress.DownloadColumn,
    "speed": rich.progress.TransferSpeedColumn,
}

_CONTROLS = {
    code: repr(chr(code))[1:-1]
    for code in (*range(0x20), *range(0x7F, 0xA0))
    if chr(code) not in "\n\t"
}


def is_notebook() -> bool:
    """Say whether output goes to a notebook: Jupyter, VS Code or Colab.

    Example:
        >>> is_notebook()
        False
    """
    return rich.console.Console().is_jupyter


def escape(text: object) -> str:
    r"""Return a text that a terminal shows and doesn't obey.

    Args:
        text: A path, a name or a message. Line breaks and tabs are kept.

    Returns:
        The text with its control characters written out.

    Example:
        >>> escape("\x1b[2J[red].png")
        '\\x1b[2J[red].png'
    """
    return str(text).translate(_CONTROLS)


class Console(rich.console.Console):
    """A console that prints texts as they are; see `say` for lines.

    Args:
        stderr: Whether it prints on standard error; standard output otherwise.
        quiet: Whether it prints nothing.
        file: What to write to instead.
        width: Characters in a line; the terminal's by default.

    Example:
        >>> console = Console(stderr=False, width=80)
        >>> console.print("[red] isn't markup.")
        [red] isn't markup.
    """

    def __init__(
        self,
        *,
        stderr: bool = True,
        quiet: bool = False,
        file: IO[str] | None = None,
        width: int | None = None,
    ) -> None:
        notebook = file is None and is_notebook()
        super().__init__(
            file=file,
            # Notebooks show standard error in red.
            stderr=stderr and not notebook,
            quiet=quiet,
            width=width or (NOTEBOOK_WIDTH if notebook else None),
            # Rich's own display needs ipywidgets: notebooks get plain text and `Bar`.
            force_jupyter=False,
            force_terminal=False if notebook else None,
            markup=False,
            emoji=False,
            highlight=False,
        )
        self.is_notebook = notebook

    def on_broken_pipe(self) -> None:
        """Leave a closed pipe to the command line; rich would exit with code 1."""
        raise BrokenPipeError


def progress_console(verbose: Any) -> Console:
    """Return the console on which a function with ``verbose=`` shows its progress.

    Args:
        verbose: True or False; Keras's 0, 1 and 2 mean the same.

    Raises:
        ArgumentTypeError: if it is anything else: a text would count as True.

    Example:
        >>> progress_console(False).quiet, progress_console(2).quiet
        (True, False)
    """
    found = checks.plain(verbose)
    if found not in (0, 1, 2) or not isinstance(found, int):
        raise checks.ArgumentTypeError(
            f"verbose must be True or False; given: {checks.shown(verbose)}."
        )
    return Console(quiet=not found)


def say(console: rich.console.Console, message: object) -> None:
    """Print a line as it is, however long.

    Args:
        console: Where.
        message: The text; brackets are no markup, control characters are written out.

    Example:
        >>> say(Console(stderr=False), "The images of [a] are read.")
        The images of [a] are read.
    """
    text = rich.text.Text(escape(message))
    console.print(text, soft_wrap=True)


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    whole: Sequence[str] = (),
    console: rich.console.Console | None = None,
) -> None:
    """Print a table that fits into the terminal's width.

    Args:
        columns: The headers.
        rows: The cells of each row, as they are. Of a cell of several lines the later
            ones are dim.
        whole: Columns whose cells are never broken, such as names to type.
        console: Where; standard output by default.

    Example:
        >>> show_table(["image", "class"], [["img[1].png", "[red]"]],
        ...            console=Console(stderr=False, width=40))
        ┏━━━━━━━━━━━━┳━━━━━━━┓
        ┃ image      ┃ class ┃
        ┡━━━━━━━━━━━━╇━━━━━━━┩
        │ img[1].png │ [red] │
        └────────────┴───────┘
    """
    headers = [
        rich.table.Column(rich.text.Text(escape(each)), no_wrap=each in whole)
        for each in columns
    ]
    table = rich.table.Table(*headers)
    for row in rows:
        table.add_row(*map(_cell, row))
    (console or Console(stderr=False)).print(table)


def _cell(text: str) -> rich.text.Text:
    first, _, rest = escape(text).partition("\n")
    cell = rich.text.Text(first)
    return cell.append(f"\n{rest}", style="dim") if rest else cell


class Bar:
    """A progress bar, on terminals and in notebooks; log files show none.

    A terminal's bar disappears at the end. A notebook's stays with its last state.

    Args:
        console: Where to draw.
        description: Text before the bar.
        total: Steps until the end, or None if that isn't known.
        measure: What stands after the bar: ``"time"``, ``"count"``, ``"bytes"`` or
            ``"note"``, a text of its own.
        patience: Seconds before it appears.

    Example:
        >>> with Bar(Console(), "Reading", 2) as bar:
        ...     bar.update(advance=1)
        ...     bar.completed
        1
    """

    def __init__(
        self,
        console: rich.console.Console,
        description: str,
        total: float | None,
        *,
        measure: str = "time",
        patience: float = 0.0,
    ) -> None:
        self.console = console
        self._notebook = getattr(console, "is_notebook", False) and not console.quiet
        width = max(4, min(40, console.width - 45))
        self._progress = rich.progress.Progress(
            _column("{task.description}"),
            rich.progress.BarColumn(width),
            *(_column(each) for each in MEASURES[measure]),
            console=console,
            transient=True,
            disable=console.quiet,
        )
        self._task = self._progress.add_task(escape(description), total=total, note="")
        self._patience = patience
        self._created = time.monotonic()
        self._display: _Display | None = None
        self._shown = False

    @property
    def completed(self) -> float:
        """The steps that are done."""
        return self._progress.tasks[0].completed

    def start(self) -> None:
        """Show the bar, unless it is to wait."""
        if not self._patience:
            self._show()

    def _show(self) -> None:
        self._shown = True
        if self._notebook:
            self._display = _Display(self._progress)
        elif self.console.is_interactive:  # Elsewhere rich ends with an empty line.
            self._progress.start()

    def update(
        self,
        *,
        completed: float | None = None,
        advance: float | None = None,
        description: str | None = None,
        note: str = "",
    ) -> None:
        """Move the bar.

        Args:
            completed: Steps that are done.
            advance: Steps that are done besides.
            description: Text before the bar from now on.
            note: Text after a bar that has the measure ``"note"``.
        """
        self._progress.update(
            self._task,
            completed=completed,
            advance=advance,
            description=None if description is None else escape(description),
            note=escape(note),
        )
        if not self._shown and time.monotonic() - self._created > self._patience:
            self._show()
        if self._display is not None:
            self._display.update()

    def stop(self) -> None:
        """Give the terminal back; a second time does nothing."""
        if self.console.is_interactive:
            self._progress.stop()
        if self._display is not None:
            self._progress.stop_task(self._task)
            self._display.update(last=True)
            self._display = None

    def __enter__(self) -> Bar:
        """Show the bar."""
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the bar, also after an error."""
        self.stop()


def track(
    items: Iterable[Item], *, description: str, total: int, patience: float = 2.0
) -> Iterator[Item]:
    """Yield the items, with a progress bar on standard error once that takes a while.

    Args:
        items: What to go through.
        description: Text before the bar.
        total: Number of items.
        patience: Seconds before the bar appears; short work shows none.

    Yields:
        The items, in order.

    Example:
        >>> list(track("abc", description="Letters", total=3))
        ['a', 'b', 'c']
    """
    bar = Bar(Console(), description, total, measure="count", patience=patience)
    with bar:
        for item in items:
            yield item
            bar.update(advance=1)


class _Display:
    """One output of a notebook's cell that shows a progress bar, updated in place."""

    def __init__(self, progress: rich.progress.Progress) -> None:
        from IPython.display import display

        self._progress = progress
        self._handle = display(self._bundle(), raw=True, display_id=True)
        self._updated = time.monotonic()

    def update(self, *, last: bool = False) -> None:
        """Show the present state, if the last one was long enough ago."""
        now = time.monotonic()
        if last or now - self._updated >= NOTEBOOK_SECONDS:
            self._updated = now
            self._handle.update(self._bundle(), raw=True)

    def _bundle(self) -> dict[str, str]:
        """Return the bar as text and as HTML; a frontend takes what it can show."""
        recorder = rich.console.Console(
            file=io.StringIO(),
            record=True,
            width=NOTEBOOK_WIDTH,
            force_jupyter=False,
            force_terminal=True,
            color_system="truecolor",
            _environ={},
        )
        recorder.print(self._progress.get_renderable())
        page = recorder.export_html(
            inline_styles=True, code_format=_HTML, clear=False
        ).rstrip()
        plain = recorder.export_text().rstrip()
        return {"text/plain": plain, "text/html": page}


_HTML = (
    '<pre style="margin:0;line-height:normal;overflow-x:auto;white-space:pre;'
    "font-family:Menlo,'DejaVu Sans Mono',Consolas,'Courier New',monospace\">"
    "{code}</pre>"
)


def _column(text: str) -> rich.progress.ProgressColumn:
    """Return a column of one line, by its name or by the format of its text."""
    column = rich.table.Column(no_wrap=True, overflow="ellipsis")
    if text in _COLUMNS:
        return _COLUMNS[text](table_column=column)
    return rich.progress.TextColumn(text, markup=False, table_column=column)
