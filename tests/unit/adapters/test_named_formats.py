"""The answer names the format of the weights wherever a request left that to be chosen."""

from dataclasses import replace

from budsim.adapters.wire.recommendations import recommendation_event
from budsim.core.model.quantize import quantize
from budsim.core.ranking.rank import Findings, recommend
from budsim.core.slo import Slo
from tests.support.search_fakes import NAMESPACE, make_part
from tests.support.storage_values import result_of


def test_each_configuration_names_the_format_of_its_weights_and_so_does_the_sentence():
    stored = make_part()
    narrow = replace(stored, part_id=str(NAMESPACE), model=quantize(stored.model, "fp8"), quantized=True)
    results = [result_of(stored), result_of(narrow)]
    cheaper = replace(
        results[1], configurations=tuple(replace(item, cost_per_million_tokens=0.01) for item in results[1].configurations), pareto=()
    )
    found = recommend(Findings(workflow_id="w", slo=Slo(), parts=[stored, narrow], results=[results[0], cheaper], top_k=20))
    (cluster,) = recommendation_event(found).recommendations
    assert cluster.configurations[0].weight_format == "fp8"
    assert {item.weight_format for item in cluster.configurations} == {"", "fp8"}
    assert ", weights in fp8 carr" in cluster.explanation
    assert cluster.quantized_metrics == cluster.metrics
