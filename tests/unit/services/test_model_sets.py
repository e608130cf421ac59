"""Which model set a workflow gets: named ones, and shares decided by the workflow's id alone."""

from uuid import UUID, uuid5

import pytest

from budsim.core.errors import InvalidInput
from budsim.core.search.part import SetChoice
from budsim.services.model_sets import SetPolicy, set_choice

SPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
WORKFLOWS = [uuid5(SPACE, str(number)) for number in range(2000)]
KNOWN = SetPolicy(known=("a-1", "b-2"))


def test_a_set_that_is_named_is_chosen_and_nothing_is_compared():
    policy = SetPolicy(known=("a-1", "b-2"), has_second=True, shadow_share=1.0, ab_share=1.0)
    assert set_choice("b-2", SPACE, policy) == SetChoice(version="b-2")


@pytest.mark.parametrize(
    ("policy", "remedy"),
    [(KNOWN, "name one of a-1, b-2, or leave it out"), (SetPolicy(), "leave it out: no model set is installed")],
    ids=["some", "none"],
)
def test_an_unknown_set_is_refused_with_field_value_and_those_that_are_known(policy, remedy):
    with pytest.raises(InvalidInput) as refused:
        set_choice("c-3", SPACE, policy)
    assert (refused.value.param, refused.value.message, refused.value.remedy) == ("model_set", "model_set 'c-3' is not at hand", remedy)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_each_share_of_the_workflows_is_what_was_set(share):
    shadowed = [set_choice(None, workflow, SetPolicy(has_second=True, shadow_share=share)).compared for workflow in WORKFLOWS]
    served = [set_choice("", workflow, SetPolicy(has_second=True, ab_share=share)).second for workflow in WORKFLOWS]
    # 2,000 draws: the standard deviation of the share is at most 0.5/√2000 = 1.1 %, so 4 % is more than three of them
    assert sum(shadowed) / 2000 == pytest.approx(share, abs=0.04 if 0 < share < 1 else 0)
    assert sum(served) / 2000 == pytest.approx(share, abs=0.04 if 0 < share < 1 else 0)


def test_who_is_compared_says_nothing_about_who_is_served():
    policy = SetPolicy(has_second=True, shadow_share=0.5, ab_share=0.5)
    chosen = [set_choice(None, workflow, policy) for workflow in WORKFLOWS]
    assert sum(choice.second and choice.compared for choice in chosen) / 2000 == pytest.approx(0.25, abs=0.04)


def test_a_workflow_keeps_its_set_and_a_greater_share_keeps_those_of_a_smaller():
    few, many = (SetPolicy(has_second=True, ab_share=share) for share in (0.1, 0.3))
    first = [set_choice(None, workflow, few) for workflow in WORKFLOWS]
    assert first == [set_choice(None, workflow, few) for workflow in WORKFLOWS]
    assert all(set_choice(None, workflow, many).second for workflow, choice in zip(WORKFLOWS, first, strict=True) if choice.second)


def test_without_a_second_set_shares_mean_nothing():
    assert set_choice(None, SPACE, SetPolicy(shadow_share=1.0, ab_share=1.0)) == SetChoice()
