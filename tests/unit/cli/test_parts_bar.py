"""The bar of `budsim simulate`."""

from io import StringIO

from rich.console import Console

from budsim.cli.parts_bar import parts_bar
from budsim.services.simulate import Advance


def shown(*, is_terminal: bool) -> str:
    out = StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=120, color_system=None)
    with parts_bar(console) as tell:
        tell(Advance(done=3, total=12, best="best so far: 2 replicas [of] vllm"))
    return out.getvalue()


def test_a_person_sees_how_many_parts_are_judged_and_the_best_so_far():
    text = shown(is_terminal=True)
    assert "3/12" in text
    assert "best so far: 2 replicas [of] vllm" in text


def test_nothing_is_written_where_nobody_looks():
    assert shown(is_terminal=False) == ""
