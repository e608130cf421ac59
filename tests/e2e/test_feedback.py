"""Feedback → PostgreSQL → the next request leaves the configuration out and says so, whatever the table knows."""

from tests.support.feedback_values import A100_KEY, ONE_PART, failed, layout, offered, works
from tests.support.in_process import InProcess
from tests.support.stack import example_request
from topics import catalogue

TIMES = 200


async def test_the_next_request_obeys_feedback_two_hundred_times_in_a_row_with_a_stale_table(on_a100: InProcess) -> None:
    services = on_a100
    (first,) = (await services.answer(example_request(**ONE_PART))).recommendations
    best = first.configurations[0]
    second = next(body for body in first.configurations if layout(body) != layout(best))
    await services.give(failed(best))
    await services.until(lambda: services.in_table(A100_KEY))
    services.hold(catalogue.BLACKLIST_UPDATES)

    barred = best  # the table knows this, and nothing of what comes
    for _ in range(TIMES):
        chosen = second if barred is best else best
        await services.give(works(barred))
        await services.give(failed(chosen))
        barred = chosen
        answer = await services.answer(example_request(**ONE_PART))
        (cluster,) = answer.recommendations
        assert layout(barred) not in {layout(body) for body in offered(answer)}
        assert cluster.excluded_config_ids == [barred.config_id] == services.searched_without(answer)
        assert f"left out 1 configuration blacklisted by feedback: {barred.config_id}" in cluster.explanation
        assert layout(cluster.configurations[0]) == layout(best if barred is second else second)

    stale = services.in_table(A100_KEY)
    assert stale is not None
    assert (stale.version, [entry.config_id for entry in stale.entries]) == (1, [best.config_id])
    services.release(catalogue.BLACKLIST_UPDATES)
    decided = await services.stores.blacklists.get(A100_KEY)
    await services.until(lambda: services.in_table(A100_KEY) == decided)
    assert decided.version == 2 * TIMES + 1


async def test_feedback_that_comes_after_the_search_is_obeyed_by_gather(on_a100: InProcess) -> None:
    services = on_a100
    (first,) = (await services.answer(example_request(**ONE_PART))).recommendations
    best = first.configurations[0]
    services.hold(catalogue.WORKFLOW_EVENTS)
    searched = len(services.outcomes_of(catalogue.SEARCHES))
    workflow_id = await services.ask(example_request(**ONE_PART))
    await services.until(lambda: len(services.outcomes_of(catalogue.SEARCHES)) > searched)
    await services.give(failed(best))
    services.release(catalogue.WORKFLOW_EVENTS)
    answer = await services.answer_of(workflow_id)
    assert services.searched_without(answer) == []
    (cluster,) = answer.recommendations
    assert cluster.excluded_config_ids == [best.config_id]
    assert layout(best) not in {layout(body) for body in offered(answer)}


async def test_a_failure_bars_its_layout_and_one_for_want_of_memory_whatever_needs_as_much(on_a100: InProcess) -> None:
    services = on_a100
    ask = example_request(**ONE_PART | {"top_k": 50})
    before = offered(await services.answer(ask))
    needs = sorted({body.total_memory_gb for body in before})
    middle = next(body for body in before if body.total_memory_gb == needs[len(needs) // 2])
    hungrier = {layout(body) for body in before if body.total_memory_gb >= middle.total_memory_gb}
    assert hungrier - {layout(middle)}, "the test needs another layout that takes more"

    await services.give(failed(middle))
    crashed = offered(await services.answer(ask))
    assert layout(middle) not in {layout(body) for body in crashed}
    assert any(body.total_memory_gb >= middle.total_memory_gb for body in crashed)

    await services.give(failed(middle, "CUDA out of memory. Tried to allocate 2.00 GiB"))
    short = offered(await services.answer(ask))
    assert short
    assert all(body.total_memory_gb < middle.total_memory_gb for body in short)
    assert layout(middle) not in {layout(body) for body in short}


async def test_what_failed_with_one_weight_format_is_not_held_against_another(on_a100: InProcess) -> None:
    services = on_a100
    (plain,) = (await services.answer(example_request(**ONE_PART))).recommendations
    await services.give(failed(plain.configurations[0]))
    quantised = await services.answer(example_request(**ONE_PART, is_quantization=True, quantization_type="fp8"))
    (cluster,) = quantised.recommendations
    assert cluster.excluded_config_ids == []
    assert layout(plain.configurations[0]) in {layout(body) for body in offered(quantised)}


async def test_when_feedback_bars_everything_the_workflow_fails_naming_the_entries_and_how_to_lift_them(on_a100: InProcess) -> None:
    services = on_a100
    barred = set()
    for _ in range(10):
        answer = await services.answer(example_request(**ONE_PART))
        if answer.status == "failed":
            break
        (cluster,) = answer.recommendations
        barred.add(cluster.configurations[0].config_id)
        await services.give(failed(cluster.configurations[0]))
    assert answer.error is not None
    assert all(config_id in answer.error.message for config_id in barred)
    assert "failed=false" in answer.error.remedy
