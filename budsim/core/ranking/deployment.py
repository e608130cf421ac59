"""Deployment: configurations of one cluster that run beside each other, one a hardware group, and their figures together."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil

from budsim.core.ranking.placement import carried_users, target_users
from budsim.core.ranking.recommendation import RankedConfiguration
from budsim.core.search.fitness import OrderKey
from budsim.core.search.part import Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What runs together; users are split over the members in proportion to what each carries.

    Latency is that of the slowest member, since nobody chooses where a request goes. Cost is weighted by users, who ask for as many
    tokens wherever they are served.
    """

    members: tuple[RankedConfiguration, ...]

    @property
    def ttft_s(self) -> float:
        """Time to first token. [s]"""
        return max(item.configuration.ttft_s for item in self.members)

    @property
    def e2e_s(self) -> float:
        """End-to-end latency. [s]"""
        return max(item.configuration.e2e_s for item in self.members)

    @property
    def throughput_per_user(self) -> float:
        """Output tokens one user sees. [tokens/s]"""
        return min(item.configuration.throughput_per_user for item in self.members)

    @property
    def ttft_range_s(self) -> Range:
        """90 % interval of the time to first token. [s]"""
        return _slowest(item.configuration.ttft_range_s for item in self.members)

    @property
    def e2e_range_s(self) -> Range:
        """90 % interval of the end-to-end latency. [s]"""
        return _slowest(item.configuration.e2e_range_s for item in self.members)

    @property
    def throughput_range(self) -> Range:
        """90 % interval of the throughput per user. [tokens/s]"""
        ranges = [item.configuration.throughput_range for item in self.members]
        return Range(low=min(each.low for each in ranges), high=min(each.high for each in ranges))

    @property
    def error_rate(self) -> float:
        """Shortfall from the SLOs of the worst member."""
        return max(item.configuration.error_rate for item in self.members)

    @property
    def meets_slo(self) -> bool:
        """Whether every member meets every SLO."""
        return all(item.configuration.meets_slo for item in self.members)

    @property
    def slo_probability(self) -> float:
        """That of the least likely member: all are predicted by one method, which errs one way."""
        return min(item.configuration.slo_probability for item in self.members)

    @property
    def cost_per_million_tokens(self) -> float:
        """Cost of 10⁶ output tokens. [$]"""
        return sum(carried_users(item) * item.configuration.cost_per_million_tokens for item in self.members) / self.users

    @property
    def replicas(self) -> int:
        """Replicas of all members."""
        return sum(item.replicas for item in self.members)

    @property
    def users(self) -> int:
        """Users all members carry. [requests in flight]"""
        return sum(carried_users(item) for item in self.members)

    @property
    def target(self) -> int:
        """Users to be carried; under an arrival rate the members' own, which depend on their latency, weighted by what each carries."""
        return max(1, round(self.users / self.share))

    @property
    def share(self) -> float:
        """Share of the target that is carried; above 1 with room to spare."""
        return sum(share_of(item) for item in self.members)

    @property
    def key(self) -> OrderKey:
        """What deployments are sorted by, best first: the order of `order_key`, over all members."""
        return (
            self.share < 1.0,
            not self.meets_slo,
            max(0.0, 1.0 - self.share),
            self.error_rate,
            any(item.part.price.is_written_off for item in self.members),
            self.cost_per_million_tokens,
            -self.throughput_per_user,
        )


def share_of(ranked: RankedConfiguration) -> float:
    """Return the share of the target one configuration carries."""
    return carried_users(ranked) / target_users(ranked)


def carrying_together(choices: Sequence[RankedConfiguration]) -> tuple[RankedConfiguration, ...]:
    """Return configurations on different hardware groups that carry the target together; where none do, all that reach furthest.

    Args:
        choices: Configurations, several of a group allowed.
    """
    reaching: tuple[RankedConfiguration, ...] = ()
    for key in (_meeting_key, _reaching_key):
        reaching = _filled(_best_of_groups(choices, key))
        if sum(map(share_of, reaching)) >= 1.0:
            return reaching
    return reaching


def _filled(groups: Iterable[RankedConfiguration]) -> tuple[RankedConfiguration, ...]:
    """Return the groups needed for the target, filled in the order of the score: what meets the SLOs, then the cheaper.

    The cost of a token on one group does not depend on the others, so that is the least cost. The last group gives only the replicas that
    are needed, and a group that the others then do without is left out, the worst first.
    """
    chosen: list[RankedConfiguration] = []
    for item in sorted(groups, key=_filling_key):
        missing = 1.0 - sum(map(share_of, chosen))
        if missing > 0.0:
            chosen.append(_trimmed(item, share=missing))
    for item in reversed(chosen[:-1]):
        rest = [other for other in chosen if other is not item]
        if sum(map(share_of, rest)) >= 1.0:
            chosen = rest
    return tuple(chosen)


def _best_of_groups(
    choices: Iterable[RankedConfiguration], key: Callable[[RankedConfiguration], tuple[object, ...]]
) -> Iterable[RankedConfiguration]:
    """Return the best of each group: engines of one group share its devices."""
    best: dict[tuple[object, ...], RankedConfiguration] = {}
    for item in sorted(choices, key=key):
        group = item.part.group
        best.setdefault((group.cluster_id, group.device_label, group.accelerator.name, group.memory_bytes, group.nodes), item)
    return best.values()


def _meeting_key(item: RankedConfiguration) -> tuple[object, ...]:
    return (not item.configuration.meets_slo, *_reaching_key(item))


def _reaching_key(item: RankedConfiguration) -> tuple[object, ...]:
    return (-min(1.0, share_of(item)), *_filling_key(item))


def _filling_key(item: RankedConfiguration) -> tuple[object, ...]:
    found, part = item.configuration, item.part
    figures = not found.meets_slo, found.error_rate, part.price.is_written_off, found.cost_per_million_tokens
    return *figures, part.engine.preference, part.group.cluster_id, part.group.device_name, part.part_id, found.config_id


def _trimmed(item: RankedConfiguration, *, share: float) -> RankedConfiguration:
    """Return a configuration with the replicas that carry this share of its target, at most its own."""
    found = item.configuration
    wanted = max(1, ceil(share * target_users(item) / found.candidate.concurrency - 1e-9))
    return item if wanted >= item.replicas else replace(item, configuration=replace(found, replicas=wanted))


def _slowest(ranges: Iterable[Range]) -> Range:
    found = list(ranges)
    return Range(low=max(each.low for each in found), high=max(each.high for each in found))
