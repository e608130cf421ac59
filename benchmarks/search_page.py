"""The parts of docs/search.md that are written from code and from measurements, between their marks.

python -m benchmarks.search_page
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
    methods = [name for name in ("heuristic", "regressor") if name in results]
    rows = [results[name]["genetic_against_exhaustive"] for name in methods]
    table = (
        ("parts", [str(row["parts"]) for row in rows]),
        ("candidates in a space, median (largest)", [f"{row['space_median']:,.0f} ({row['space_max']:,})" for row in rows]),
        ("the same pick as the whole space", [f"{100 * row['exact_share']:.1f} %" for row in rows]),
        ("the same, of the parts of more than 2,000 candidates", [_share_of_large(row) for row in rows]),
        ("largest regret", [f"{100 * row['regret_max']:.2f} %" for row in rows]),
        ("largest additional shortfall, where every candidate misses an SLO", [f"{row['shortfall_max']:.4f}" for row in rows]),
        ("generations, median", [f"{row['generations_median']:g}" for row in rows]),
        ("candidates predicted, median", [f"{row['evaluations_median']:,.0f}" for row in rows]),
        ("time of the whole space, median", [f"{row['exhaustive_ms_median']:g} ms" for row in rows]),
        ("time of the genetic search, median", [f"{row['genetic_ms_median']:g} ms" for row in rows]),
        ("one part in the way that suits it, median / p95 / longest", [_times(results[name]["one_part"]) for name in methods]),
        ("same seed, same bytes", ["yes" if results[name]["same_seed_same_bytes"] else "no" for name in methods]),
    )
    lines = ["| judged by | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in table]
    for request in results["one_request"]:
        of = f"One request of {request['parts']} parts with the {request['method']}, on {request['processes']} processes"
        lines += ["", f"{of}: {request['seconds']:g} s."]
    return lines


def _share_of_large(row: Mapping[str, Any]) -> str:
    return f"{100 * row['exact_share_large']:.1f} % of {row['parts_large']}"


def _times(part: Mapping[str, float]) -> str:
    return f"{part['ms_median']:g} / {part['ms_p95']:g} / {part['ms_max']:g} ms"


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
