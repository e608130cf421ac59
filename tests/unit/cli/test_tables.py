"""An answer as a person reads it."""

from dataclasses import replace
from io import StringIO

from rich.console import Console

from budsim.adapters.wire.recommendations import recommendation_event
from budsim.cli.tables import recommendation_tables
from budsim.core.ranking.rank import recommend
from budsim.core.search.change import Change, ChangeKind
from budsim.core.slo import Slo
from tests.unit.ranking.test_ranking import findings_of, on, result_of
from tests.unit.ranking.test_together import mixed


def shown(answer):
    out = StringIO()
    recommendation_tables(Console(file=out, width=300), recommendation_event(answer))
    return out.getvalue()


def test_what_is_deployed_together_is_said_by_its_ids():
    answer = recommend(mixed())
    ids = [item.configuration.config_id for item in answer.clusters[0].deployed]
    assert f"deploy together: {', '.join(ids)}" in shown(answer)
    assert "deploy together" not in shown(recommend(mixed(32)))


def test_a_missed_slo_comes_with_what_would_meet_it():
    slo = Slo(ttft_s=0.1)
    part = on("c", nodes=(1,), slo=slo)
    change = Change(kind=ChangeKind.TTFT, asked=0.1, needed=0.42, sentence="ask for a TTFT of 420 ms")
    told = shown(recommend(findings_of(part, results=[replace(result_of(part), changes=(change,))], slo=slo)))
    assert "would meet the SLOs: ask for a TTFT of 420 ms" in told


def test_a_rejected_cluster_comes_with_its_remedy():
    assert "rejected c: carries 48 of 100 users" in shown(recommend(mixed(100)))
    assert "ask for at most 48 users" in shown(recommend(mixed(100)))
