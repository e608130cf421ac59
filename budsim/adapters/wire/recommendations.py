"""Recommendation → RecommendationMade: SI to the edge units, engine arguments included."""

from typing import Any

from budsim.adapters.wire.explanations import bound_bodies, change_body, explanation_body
from budsim.core.engines.arguments import PlannedMemory, engine_arguments
from budsim.core.memory.adapters import max_loras
from budsim.core.memory.overheads import non_torch_bytes
from budsim.core.ranking.deployment import Deployment
from budsim.core.ranking.placement import carried_users
from budsim.core.ranking.recommendation import ClusterRecommendation, RankedConfiguration, Recommendation
from budsim.core.search.blacklist import weight_format
from budsim.core.search.part import Configuration, PartResult, Range
from budsim.core.search.space import scenario_of
from budsim.core.units import bytes_to_gb, seconds_to_ms
from topics.recommendations import (
    ConfigurationBody,
    DeviceTypeBody,
    FailureBody,
    IntervalsBody,
    MetricsBody,
    MissingBody,
    PlacementBody,
    RangeBody,
    RecommendationBody,
    RecommendationMade,
    RejectedBody,
)


def recommendation_event(recommendation: Recommendation) -> RecommendationMade:
    """Return the answer as callers read it."""
    failure = recommendation.failure
    return RecommendationMade(
        workflow_id=recommendation.workflow_id,
        status=recommendation.completion.value,
        recommendations=[_cluster(item, recommendation.data_version) for item in recommendation.clusters],
        rejected=[
            RejectedBody(
                cluster_id=item.cluster_id,
                device_type=item.device_type,
                engine=item.engine,
                code=item.code,
                reason=item.reason,
                remedy=item.remedy,
                changes=[change_body(change) for change in item.changes],
            )
            for item in recommendation.rejected
        ],
        missing=[
            MissingBody(part_id=item.part_id, cluster_id=item.cluster_id, device_type=item.device_type, engine=item.engine)
            for item in recommendation.missing
        ],
        error=FailureBody(code=failure.code, message=failure.message, remedy=failure.remedy, param=failure.param) if failure else None,
        created=int(recommendation.created_s),
    )


def _cluster(item: ClusterRecommendation, data_version: str) -> RecommendationBody:
    best, results = item.best, {result.part_id: result for result in item.results}
    engine, result = best.part.engine, results.get(best.part.part_id)
    deployment = Deployment(members=item.deployed)
    metrics = _metrics(deployment)
    return RecommendationBody(
        cluster_id=item.cluster_id,
        metrics=metrics,
        quantized_metrics=metrics if best.part.quantized else None,
        engine_version=engine.version,
        tool_calling_parser_type=engine.tool_calling_parser,
        reasoning_parser_type=engine.reasoning_parser,
        architecture_family=engine.architecture_family,
        chat_template=engine.chat_template,
        supports_lora=engine.supports_lora,
        supports_pipeline_parallelism=engine.supports_pipeline_parallelism,
        intervals=_intervals(deployment),
        meets_slo=deployment.meets_slo,
        slo_probability=deployment.slo_probability,
        method_note=result.method_note if result else "",
        **_predicted_by(result),
        data_version=data_version,
        explanation=item.explanation,
        warnings=list(item.warnings),
        excluded_config_ids=sorted({config_id for part in item.results for config_id in part.excluded}),
        configurations=[configuration_body(ranked, results.get(ranked.part.part_id)) for ranked in item.configurations],
        pareto=[configuration_body(ranked, results.get(ranked.part.part_id)) for ranked in item.pareto],
        deployed_config_ids=[ranked.configuration.config_id for ranked in item.deployed],
        explained=explanation_body(item.explained) if item.explained else None,
        changes=[change_body(change) for change in item.changes],
    )


def _metrics(deployment: Deployment) -> MetricsBody:
    return MetricsBody(
        device_types=[
            DeviceTypeBody(
                device_type=item.part.group.device_label,
                num_replicas=item.replicas,
                concurrency=carried_users(item),
                cost_per_million_tokens=item.configuration.cost_per_million_tokens,
            )
            for item in deployment.members
        ],
        replica=deployment.replicas,
        concurrency=deployment.users,
        ttft=seconds_to_ms(deployment.ttft_s),
        throughput_per_user=deployment.throughput_per_user,
        e2e_latency=deployment.e2e_s,
        error_rate=deployment.error_rate,
        cost_per_million_tokens=deployment.cost_per_million_tokens,
    )


def configuration_body(ranked: RankedConfiguration, result: PartResult | None = None) -> ConfigurationBody:
    """Return one configuration, and who predicted it, so that a consumer can deploy it without another call."""
    part, configuration = ranked.part, ranked.configuration
    memory = configuration.memory
    args, envs = _started(ranked)
    return ConfigurationBody(
        config_id=configuration.config_id,
        engine=part.engine.kind.value,
        engine_version=part.engine.version,
        image=part.engine.image,
        args=args,
        envs=envs,
        device_type=part.group.device_label,
        device_name=part.group.device_name,
        device_model=part.group.device_model,
        hardware_mode=part.group.mode.value,
        tp_size=configuration.candidate.tensor_parallel,
        pp_size=configuration.candidate.pipeline_parallel,
        replicas=ranked.replicas,
        placement=_placement(ranked),
        concurrency=configuration.candidate.concurrency,
        total_memory_gb=bytes_to_gb(memory.total_bytes),
        weight_memory_gb=bytes_to_gb(memory.weights_bytes),
        kv_cache_memory_gb=bytes_to_gb(memory.kv_cache_bytes),
        weight_format=weight_format(part.model),
        max_loras=max_loras(scenario_of(part), configuration.candidate, free_bytes=memory.usable_bytes - memory.total_bytes),
        ttft=seconds_to_ms(configuration.ttft_s),
        tpot=seconds_to_ms(configuration.tpot_s),
        throughput_per_user=configuration.throughput_per_user,
        e2e_latency=configuration.e2e_s,
        error_rate=configuration.error_rate,
        cost_per_million_tokens=configuration.cost_per_million_tokens,
        cost_source=part.price.source,
        intervals=_intervals(configuration),
        meets_slo=configuration.meets_slo,
        slo_probability=configuration.slo_probability,
        bound=configuration.bound.value,
        bound_shares=bound_bodies(configuration.shares),
        usable_memory_gb=bytes_to_gb(memory.usable_bytes),
        activation_memory_gb=bytes_to_gb(memory.activation_bytes),
        overhead_memory_gb=bytes_to_gb(memory.overhead_bytes),
        **_predicted_by(result),
    )


def _predicted_by(result: PartResult | None) -> dict[str, str]:
    return (
        {"method": result.method.value, "model_set_version": result.predictor_version}
        if result
        else {"method": "", "model_set_version": ""}
    )


def _started(ranked: RankedConfiguration) -> tuple[dict[str, Any], dict[str, str]]:
    memory, scenario, candidate = ranked.configuration.memory, scenario_of(ranked.part), ranked.configuration.candidate
    return engine_arguments(
        scenario,
        candidate,
        memory=PlannedMemory(
            gpu_memory_utilization=memory.gpu_memory_utilization,
            kv_bytes=memory.kv_cache_bytes,
            working_bytes=memory.activation_bytes + memory.overhead_bytes,
            outside_bytes=float(non_torch_bytes(scenario, candidate)),
        ),
    )


def _placement(ranked: RankedConfiguration) -> list[PlacementBody]:
    return [
        PlacementBody(node=node.node_name, devices=node.devices, replica=number, device_ids=list(node.device_ids))
        for number, replica in enumerate(ranked.placement)
        for node in replica.nodes
    ]


def _intervals(configuration: Configuration | Deployment) -> IntervalsBody:
    ttft = configuration.ttft_range_s
    return IntervalsBody(
        ttft=RangeBody(p5=seconds_to_ms(ttft.low), p95=seconds_to_ms(ttft.high)),
        throughput_per_user=_range(configuration.throughput_range),
        e2e_latency=_range(configuration.e2e_range_s),
    )


def _range(values: Range) -> RangeBody:
    return RangeBody(p5=values.low, p95=values.high)
