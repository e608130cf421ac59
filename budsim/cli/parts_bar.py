"""How far `budsim simulate` is: a bar on the terminal, with the best that was found so far."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from budsim.services.simulate import Advance


@contextmanager
def parts_bar(console: Console | None = None) -> Iterator[Callable[[Advance], None]]:
    """Yield what is told of every part that is judged; the bar stands on stderr, only if a person looks, and is gone at the end."""
    shown = console or Console(stderr=True)
    columns = (TextColumn("parts"), BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as progress:
        bar = progress.add_task("", total=None)

        def tell(advance: Advance) -> None:
            progress.update(bar, completed=advance.done, total=advance.total, description=advance.best, refresh=True)

        yield tell
