"""What a device reaches of its peaks, and the costs of a layer that no roofline sees."""

from dataclasses import dataclass

from budsim.core.elementwise import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """Shares of peak, and the costs of a layer that no roofline sees; one figure for all runs, or one a run.

    Attributes:
        compute: Share of the 16-bit peak that large matrix products reach.
        compute_8bit: The same of the fp8 or int8 peak.
        compute_4bit: The same of the fp4 peak.
        bandwidth: Share of the peak memory bandwidth that weights are streamed with.
        expert_compute: What grouped products of routed experts reach of the above.
        expert_bandwidth: Share of the peak memory bandwidth for their weights, read in small pieces.
        attention_compute: Share of the 16-bit peak that attention over a prompt reaches.
        attention_bandwidth: Share of the peak memory bandwidth the KV cache is read with.
        reduce_bandwidth: Share of the link that an all-reduce reaches.
        passes: How often a layer reads or writes the activations of a token beside its matrix products: norms, sums, rotations, casts.
        routed_passes: The same of each copy that is sorted, multiplied by an expert and summed again.
        per_layer_s: Norms, rotary, gaps between kernels of one layer in a decode step. [s]
        per_routed_layer_s: Added by a layer that routes tokens to experts. [s]
        per_folded_layer_s: Added by a layer of latent or linear attention, which takes more kernels than heads do. [s]
        per_reduce_s: Synchronisation of one all-reduce, beside its wire time. [s]
        per_chunk_layer_s: Dispatch of one layer in a step that holds a prompt chunk: no captured graph. [s]
    """

    compute: Figure
    compute_8bit: Figure
    compute_4bit: Figure
    bandwidth: Figure
    expert_compute: Figure
    expert_bandwidth: Figure
    attention_compute: Figure
    attention_bandwidth: Figure
    reduce_bandwidth: Figure
    passes: Figure
    routed_passes: Figure
    per_layer_s: Figure
    per_routed_layer_s: Figure
    per_folded_layer_s: Figure
    per_reduce_s: Figure
    per_chunk_layer_s: Figure
