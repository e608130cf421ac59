"""Answers are remembered for the same objects, not for equal ones, and not without bound."""

from dataclasses import dataclass

from budsim.core.remembered import MOST, remembered


@dataclass(frozen=True, slots=True)
class Value:
    number: int


class Counted:
    """A function that counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, *values):
        self.calls += 1
        return sum(value.number for value in values)


def counted():
    function = Counted()

    def total(*values):
        return function(*values)

    return function, remembered(total)


def test_the_same_objects_are_answered_once():
    function, total = counted()
    one, two = Value(1), Value(2)
    assert [total(one, two), total(one, two)] == [3, 3]
    assert function.calls == 1


def test_the_order_of_the_arguments_counts():
    function, total = counted()
    one, two = Value(1), Value(2)
    total(one, two), total(two, one), total(one)
    assert function.calls == 3


def test_an_object_that_is_gone_does_not_answer_for_the_next_in_its_place():
    _, total = counted()
    assert [total(Value(number)) for number in range(100)] == list(range(100))


def test_it_does_not_keep_more_than_its_bound():
    function, total = counted()
    first = Value(0)
    total(first)
    for number in range(MOST):
        total(Value(number))
    total(first)
    assert function.calls == MOST + 2


def test_a_function_may_be_given_a_bound_of_its_own():
    function = Counted()

    def total(value):
        return function(value)

    few = remembered(total, most=2)
    one, two, three = Value(1), Value(2), Value(3)
    few(one), few(two), few(one)
    assert function.calls == 2
    few(three), few(three), few(one)
    assert function.calls == 4
