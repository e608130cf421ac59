"""`budsim simulate --sweep`: a curve as a table, as JSON, or drawn."""

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from budsim.core.errors import InvalidInput
from budsim.core.ranking.compare import what_runs
from budsim.core.ranking.deployment import Deployment
from budsim.core.ranking.recommendation import RankedConfiguration
from budsim.core.units import seconds_to_ms
from budsim.services.sweep import MOST_POINTS, Axis, Sweep, SweepPlan, SweepPoint
from topics.wire import MAX_CONCURRENCY, MAX_TOKENS

POINTS: Final = 24  # values between the ends, where none are counted
_PLAN: Final = re.compile(
    r"(?P<axis>[a-z_]+)=(?P<first>\d+)\.\.(?P<last>\d+)(?::(?P<points>\d+))?|(?P<name>[a-z_]+)=(?P<list>\d+(?:,\d+)*)"
)
_METHOD: Final = "Kneedle: farthest point from the chord of the least cost over users, axes scaled to 0…1"


def sweep_plan(text: str) -> SweepPlan:
    """Return what «concurrency=1..512», «concurrency=1..512:40» or «input_tokens=128,1024,8192» asks for.

    Between two ends the values grow by a constant ratio, as loads are felt.

    Raises:
        InvalidInput: It says something else.
    """
    match = _PLAN.fullmatch(text.strip())
    if match is None:
        raise _wrong(text, "write AXIS=FIRST..LAST, AXIS=FIRST..LAST:POINTS or AXIS=A,B,C")
    axis = _axis(match["axis"] or match["name"], text)
    values = [int(value) for value in match["list"].split(",")] if match["list"] else _between(match)
    most = MAX_CONCURRENCY if axis is Axis.CONCURRENCY else MAX_TOKENS
    if not 1 <= len(values) <= MOST_POINTS or min(values) < 1 or max(values) > most:
        raise _wrong(text, f"give 1 to {MOST_POINTS} values of 1 to {most}, the first not above the last")
    return SweepPlan(axis=axis, values=tuple(sorted(set(values))))


def _axis(name: str, text: str) -> Axis:
    known = [axis.value for axis in Axis]
    if name not in known:
        raise _wrong(text, f"sweep one of {', '.join(known)}")
    return Axis(name)


def _between(match: re.Match[str]) -> list[int]:
    first, last, points = int(match["first"]), int(match["last"]), int(match["points"] or POINTS)
    if not 1 <= first <= last <= MAX_TOKENS or not 2 <= points <= MOST_POINTS:
        return []
    return [first, *np.geomspace(first, last, points).round().astype(np.int64).tolist(), last]


def _wrong(text: str, remedy: str) -> InvalidInput:
    return InvalidInput(f"--sweep {text[:100]!r} cannot be", param="sweep", remedy=remedy)


def sweep_json(found: Sweep) -> dict[str, Any]:
    """Return a curve for machines, in the units of the wire."""
    knee = None if found.knee is None else found.points[found.knee].value
    points = [_point(found.axis, item) for item in found.points]
    return {"axis": found.axis.value, "points": points, "knee": knee, "knee_method": _METHOD, "notes": list(found.notes)}


def _point(axis: Axis, point: SweepPoint) -> dict[str, Any]:
    deployment = point.deployment
    if deployment is None:
        return {axis.value: point.value, "carried": False, "reason": point.reason}
    return {
        axis.value: point.value,
        "carried": True,
        "cluster_id": deployment.members[0].part.group.cluster_id,
        "deployment": what_runs(deployment),
        "devices": devices(deployment),
        "replicas": deployment.replicas,
        "ttft": seconds_to_ms(deployment.ttft_s),
        "throughput_per_user": deployment.throughput_per_user,
        "e2e_latency": deployment.e2e_s,
        "output_tokens_per_s": tokens_per_s(deployment),
        "cost_per_million_tokens": deployment.cost_per_million_tokens,
        "meets_slo": deployment.meets_slo,
    }


def devices(deployment: Deployment) -> int:
    """Return the devices that all replicas take."""
    return sum(item.replicas * item.configuration.candidate.devices for item in deployment.members)


def tokens_per_s(deployment: Deployment) -> float:
    """Return the output tokens/s of all users that are asked for."""
    return min(deployment.users, deployment.target) * deployment.throughput_per_user


def sweep_table(console: Console, found: Sweep) -> None:
    """Print a curve, its knee marked."""
    table = Table(title=f"sweep of {found.axis.value}", title_justify="left")
    names = (found.axis.value, "cluster", "deployment", "devices", "TTFT ms", "tokens/s/user", "E2E s", "tokens/s", "$/10⁶", "SLO", "")
    for name in names:
        table.add_column(name)
    for index, point in enumerate(found.points):
        table.add_row(str(point.value), *_cells(point.deployment), "knee" if index == found.knee else "")
    console.print(table)
    for reason in dict.fromkeys(point.reason for point in found.points if point.reason):
        console.print(f"not carried: {reason}", markup=False, highlight=False)
    for note in found.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    if found.knee is not None:
        value = found.points[found.knee].value
        console.print(f"knee at {value} users: beyond it more users hardly make a token cheaper ({_METHOD})", highlight=False)


def _cells(deployment: Deployment | None) -> tuple[str, ...]:
    if deployment is None:
        return ("-", "not carried", *["-"] * 6, "")
    return (
        deployment.members[0].part.group.cluster_id,
        " + ".join(_shape(item) for item in deployment.members),
        str(devices(deployment)),
        f"{seconds_to_ms(deployment.ttft_s):.0f}",
        f"{deployment.throughput_per_user:.1f}",
        f"{deployment.e2e_s:.2f}",
        f"{tokens_per_s(deployment):.0f}",
        f"{deployment.cost_per_million_tokens:.3f}",
        "met" if deployment.meets_slo else "missed",
    )


def _shape(item: RankedConfiguration) -> str:
    """Return «2 × vllm 4×1 H100»: replicas, engine, TP×PP and device."""
    candidate, part = item.configuration.candidate, item.part
    return f"{item.replicas} × {part.engine.kind} {candidate.tensor_parallel}×{candidate.pipeline_parallel} {part.group.device_name}"


def draw(found: Sweep, path: Path) -> None:
    """Write a curve as SVG: latency, throughput and cost, one below the other, the knee as a dot.

    Raises:
        InvalidInput: The library that draws is not installed, or nothing is there to be drawn.
    """
    try:
        import leather
    except ImportError as error:
        raise InvalidInput("--plot draws with leather, which is not installed", remedy="install it: pip install 'budsim[plot]'") from error
    curve = {point.value: point.deployment for point in found.points if point.deployment is not None}
    if len(curve) < 2:
        raise InvalidInput(f"{len(curve)} point(s) of the sweep are carried: no curve", remedy="sweep smaller values, or see --json")
    grid = leather.Grid()
    for title, figure in _FIGURES:
        chart = leather.Chart(f"{title} over {found.axis.value}")
        chart.add_line([(value, figure(deployment)) for value, deployment in curve.items()], name=title)
        if found.knee is not None:
            value = found.points[found.knee].value
            chart.add_dots([(value, figure(curve[value]))], name="knee", radius=5)
        grid.add_one(chart)
    grid.to_svg(str(path))


_FIGURES: Final = (
    ("TTFT [ms]", lambda deployment: seconds_to_ms(deployment.ttft_s)),
    ("E2E latency [s]", lambda deployment: deployment.e2e_s),
    ("output tokens/s", tokens_per_s),
    ("$ per 10⁶ output tokens", lambda deployment: deployment.cost_per_million_tokens),
)
