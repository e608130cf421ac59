"""The answer names who predicted it: the cluster for its best, and each configuration for itself."""

from dataclasses import replace

from budsim.adapters.wire.recommendations import recommendation_event
from budsim.core.engines.spec import EngineKind
from budsim.core.predictors.protocol import Method
from budsim.core.ranking.rank import Findings, recommend
from budsim.core.slo import Slo
from tests.support.search_fakes import make_engine, make_part
from tests.support.storage_values import result_of


def test_each_configuration_names_its_method_and_model_set():
    trained, plain = make_part(engine=make_engine(EngineKind.VLLM)), make_part(engine=make_engine(EngineKind.SGLANG))
    results = [
        replace(result_of(trained), method=Method.REGRESSOR, predictor_version="first-1"),
        replace(result_of(plain), method=Method.HEURISTIC, predictor_version="constants-7", method_note="no regressor is there"),
    ]
    answer = recommendation_event(recommend(Findings(workflow_id="w", slo=Slo(), parts=[trained, plain], results=results, top_k=20)))
    (cluster,) = answer.recommendations
    named = {(found.engine, found.method, found.model_set_version) for found in (*cluster.configurations, *cluster.pareto)}
    assert named == {("vllm", "regressor", "first-1"), ("sglang", "heuristic", "constants-7")}
    best = cluster.configurations[0]
    assert (cluster.method, cluster.model_set_version) == (best.method, best.model_set_version)
    assert "no regressor is there" in cluster.warnings
