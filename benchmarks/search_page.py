"""The parts of docs/search.md that are written from code and from measurements, between their marks.

python -m benchmarks.search_page
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from budsim.core.engines.choices import SERVERS
from budsim.core.engines.offered import Knob, Offered, Value, offered_knobs
from budsim.core.engines.releases import Release, recorded_releases
from budsim.core.engines.spec import EngineProfile, Scenario
from budsim.core.hardware.catalogue import catalogue
from budsim.core.model.catalogue import catalogue_model
from budsim.core.workload import Workload

PAGE = Path(__file__).parents[1] / "docs" / "search.md"
RESULTS = Path(__file__).parent / "results"
SPACE, FIGURES, DECISIONS = "space", "figures", "decisions"
DEVICE, MODEL = "H100-SXM-80GB", "meta-llama/Llama-3.1-8B-Instruct"


def marks(block: str) -> tuple[str, str]:
    return f"<!-- {block}: begin, written by `make bench-search` -->", f"<!-- {block}: end -->"


def with_block(page: str, block: str, lines: Sequence[str]) -> str:
    """Return a page with what stands between the marks of a block replaced."""
    begin, end = marks(block)
    before, rest = page.split(begin, 1)
    return "\n".join((before + begin, "", *lines, "", end)) + rest.split(end, 1)[1]


def block_of(page: str, block: str) -> list[str]:
    begin, end = marks(block)
    return page.split(begin, 1)[1].split(end, 1)[0].strip("\n").split("\n")


def space_lines() -> list[str]:
    """Return what is tried of every knob by every recorded release, on one device that has all of them."""
    knobs = tuple(Knob)
    lines = ["| release | " + " | ".join(f"`{knob}`" for knob in knobs) + " |", "|---" * (len(knobs) + 1) + "|"]
    releases = [release for engine in sorted(SERVERS) for release in recorded_releases(engine)]
    found = {release: {each.knob: each for each in offered_knobs(_scenario(release), quantized=True)} for release in releases}
    for release, offered in found.items():
        lines.append(f"| {release.engine} {release.version} | " + " | ".join(_cell(offered[knob]) for knob in knobs) + " |")
    lines += [
        "",
        f"On a {DEVICE} for {MODEL}, 2,000 tokens in and 500 out, quantisation allowed; in brackets what else the release takes.",
        "",
    ]
    newest = found[releases[-1]]
    return lines + [f"- `{knob}`: {newest[knob].why}." for knob in knobs]


def _cell(offered: Offered) -> str:
    tried = ", ".join(_word(value) for value in offered.tried)
    others = [value for value in offered.legal if _word(value) not in {_word(each) for each in offered.tried}]
    if not offered.legal:
        return "–"
    if offered.knob in (Knob.MAX_NUM_SEQS, Knob.MAX_NUM_BATCHED_TOKENS) or not others:
        return tried
    return f"{tried} ({_word(others[0])}…{_word(others[-1])})" if len(others) > 2 else f"{tried} ({', '.join(map(_word, others))})"


def _word(value: Value) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _scenario(release: Release) -> Scenario:
    device, model = catalogue()[DEVICE], catalogue_model(MODEL)
    if model is None:
        raise SystemExit(f"{MODEL} is not in the catalogue")
    engine = EngineProfile(kind=release.engine, version=release.version, image="", preference=0)
    load = Workload(input_tokens=2000, output_tokens=500, concurrency=64)
    return Scenario(model=model, device=device, memory_bytes=device.memory_bytes, engine=engine, workload=load)


def figure_lines(results: Mapping[str, Any]) -> list[str]:
    """Return the measurements of the searches as tables."""
    found = {name: results[name] for name in ("heuristic", "regressor") if name in results}
    lines = ["| judged by | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(cell(result) for result in found.values()) + " |" for name, cell in _FIGURES]
    for request in results["one_request"]:
        processes, slos = request["processes"], request["slos"]
        of = f"One request of {request['parts']} parts with the {request['method']}, SLOs {slos}, on {processes} processes"
        lines += ["", f"{of}: {request['seconds']:g} s."]
    return lines


def _of(block: str, wording: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda result: wording.format(**result[block]).replace("%", " %")


def _way(name: str, title: str) -> tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...]:
    """Return the rows of one way through the spaces, held against all of each."""
    return (
        (f"{title}: the same pick as the whole space", _of(name, "{exact_share:.1%}")),
        (f"{title}: the same, of the spaces of more than 2,000 candidates", _of(name, "{exact_share_large:.1%}")),
        (f"{title}: largest regret", _of(name, "{regret_max:.2%}")),
        (f"{title}: largest additional shortfall, where every candidate misses an SLO", _of(name, "{shortfall_max:.4f}")),
        (f"{title}: candidates predicted, median", _of(name, "{evaluations_median:,.0f}")),
        (f"{title}: time, median / p95", _of(name, "{ms_median:g} / {ms_p95:g} ms")),
    )


_FIGURES: Final = (
    ("parts, of them with more than 2,000 candidates", _of("space", "{parts}, {parts_large}")),
    ("candidates in a space, median (largest)", _of("space", "{space_median:,.0f} ({space_max:,})")),
    ("time of the whole space, median", _of("space", "{exhaustive_ms_median:g} ms")),
    *_way("genetic", "genetic"),
    ("genetic: generations, median", _of("genetic", "{generations_median:g}")),
    *_way("narrowed", "narrowed"),
    ("one part in the way that suits it, median / p95 / longest", _of("one_part", "{ms_median:g} / {ms_p95:g} / {ms_max:g} ms")),
    ("same seed, same bytes", lambda result: "yes" if result["same_seed_same_bytes"] else "no"),
)


def decision_lines(results: Mapping[str, Any]) -> list[str]:
    """Return how good the decisions on measured rows are."""
    methods = [name for name in ("heuristic", "regressor") if name in results]
    lines = [
        "| judged by | groups | points | Spearman | asked probability | picks that break the SLO | regret of the others |",
        "|---" * 7 + "|",
    ]
    for name in methods:
        found = results[name]
        for asked, summary in found["by_asked_probability"].items():
            head = f"| {name} | {found['groups']} | {found['points']} | {found['spearman']:.3f}" if asked == "0.5" else "| | | | "
            lines.append(f"{head} | {asked} | {100 * summary['violating_share']:.1f} % | {100 * summary['regret']:.1f} % |")
    lines += ["", "By TPOT SLO, the mean being enough:", "", "| judged by | SLO | decisions | break it | regret |", "|---|---|---|---|---|"]
    for name in methods:
        for slo, summary in results[name]["by_slo"].items():
            cells = f"{100 * summary['violating_share']:.1f} % | {100 * summary['regret']:.1f} %"
            lines.append(f"| {name} | {slo} | {summary['decisions']} | {cells} |")
    return lines


def main() -> None:
    page = with_block(PAGE.read_text(encoding="utf-8"), SPACE, space_lines())
    page = with_block(page, FIGURES, figure_lines(json.loads((RESULTS / "search.json").read_text(encoding="utf-8"))))
    page = with_block(page, DECISIONS, decision_lines(json.loads((RESULTS / "decisions.json").read_text(encoding="utf-8"))))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
