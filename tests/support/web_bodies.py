"""Bodies a caller might send: good ones, nearly good ones, and any JSON."""

import json
from uuid import uuid4

from hypothesis import strategies as st

from tests.support.web_fakes import BODY

TEXT = st.text(max_size=40)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.sampled_from(["", "\x00", "\ud800", "1e999", "c1"])
ANY_JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12)
DEVICE = {"name": "H100", "type": "cuda", "available_count": 8, "mem_per_GPU_in_GB": 80}
CLUSTER = {"id": "c1", "version": "1", "nodes": [{"id": "n1", "name": "n1", "status": True, "devices": [DEVICE]}]}
FEEDBACK = {"config_id": str(uuid4()), "failed": True, "reason": "OOM", "observed": {"ttft": 1.0}}
WHOLE = BODY | {
    "clusters": [CLUSTER],
    "search": {"population": 10},
    "notification_metadata": {"name": "n", "subscriber_ids": ["a"], "workflow_id": "w"},
    "model_endpoints": "LLM",
    "engines": ["vllm"],
    "source_topic": ["callers.own"],
    "usd_per_hour": {"H100": 2.5},
    "workflow_id": str(uuid4()),
    "request_rate": 1.0,
    "quantization_type": "fp8",
}


@st.composite
def nearly(draw: st.DrawFn, body: dict[str, object]) -> object:
    """A good body of which one value, at any depth, is replaced."""
    changed = json.loads(json.dumps(body))
    place = changed
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if not (isinstance(inner, dict | list) and inner and draw(st.booleans())):
            place[key] = draw(ANY_JSON)
            return changed
        place = inner
