"""A release's source is read for its flags without being imported."""

import pytest

from scripts.record_engine_release import READERS, Source

VLLM = {
    "vllm/config/cache.py": """
BlockSize = Literal[1, 16]
CacheDType = Literal["auto", "fp8"]
@config
@dataclass
class CacheConfig:
    block_size: SkipValidation[BlockSize] = None
    cache_dtype: CacheDType = "auto"
    prefixes: bool | None = None
    budget: Optional[float] = None
    names: str | list[str] = ""
    loose: Literal["a", "b"] | str = "a"
@config
@dataclass
class PoolerConfig:
    pooling_type: str = ""
@dataclass
class ModelConfig:
    pooler: PoolerConfig | None = None
""",
    "vllm/engine/arg_utils.py": """
def add_cli_args(parser):
    cache_kwargs = get_kwargs(CacheConfig)
    model_kwargs = get_kwargs(ModelConfig)
    group.add_argument("--block-size", **cache_kwargs["block_size"])
    group.add_argument("--kv-cache-dtype", **{**cache_kwargs["cache_dtype"], "default": None})
    group.add_argument("--enable-prefixes", **cache_kwargs["prefixes"])
    group.add_argument("--budget", "-b", **cache_kwargs["budget"])
    group.add_argument("--names", **cache_kwargs["names"])
    group.add_argument("--loose", **cache_kwargs["loose"])
    group.add_argument("--pooler-config", **model_kwargs["pooler"])
    parser.add_argument("--disable-log-stats", action="store_true")
    parser.add_argument("--workers", type=int)
""",
    "vllm/entrypoints/openai/cli_args.py": """
class FrontendArgs:
    tool_call_parser: str | None = None
    enable_auto_tool_choice: bool = False
""",
    "vllm/envs.py": 'environment_variables = {"VLLM_USE_V1": lambda: True}',
    "vllm/tool_parsers/hermes.py": '@ToolParserManager.register_module(["hermes", "nous"])\nclass Hermes: ...',
    "vllm/reasoning/__init__.py": '_REASONING_PARSERS_TO_REGISTER = {"qwen3": ("file", "Class")}',
    "vllm/model_executor/layers/quantization/__init__.py": 'QuantizationMethods = Literal["fp8", "awq"]',
    "vllm/model_executor/models/registry.py": '_TEXT_GENERATION_MODELS = {"LlamaForCausalLM": 1}\n_EMBEDDING_MODELS = {"BertModel": 1}',
}
SGLANG = {
    "sglang/srt/server_args.py": """
METHODS = ["awq", "fp8"]
def add_cli_args(parser):
    parser.add_argument("--quantization", type=str, choices=METHODS)
    parser.add_argument("--tp-size", "--tensor-parallel-size", type=int)
    parser.add_argument("--disable-radix-cache", action="store_true")
""",
    "sglang/srt/arg_groups/fields/memory.py": """
class MemoryFields:
    page_size: A[Optional[int], Arg(help="")] = None
    share: A[float, "help"] = 0.9
    hidden: A[bool, Arg(no_cli=True)] = False
""",
    "sglang/srt/function_call/function_call_parser.py": 'class F:\n    ToolCallParserEnum = {"qwen": 1, "hermes": 2}',
    "sglang/srt/parser/reasoning_parser.py": 'class R:\n    DetectorMap: dict = {"qwen3": 1}',
    "sglang/srt/models/llama.py": "class LlamaForCausalLM: ...\nEntryClass = [LlamaForCausalLM]",
}
LITELLM = {
    "litellm/constants.py": "WORKERS = int(1)",
    "litellm/proxy/proxy_cli.py": """
@click.option("--num_workers", default=WORKERS)
@click.option("--config", "-c", default=None)
@click.option("--debug", is_flag=True, default=False)
def run(): ...
""",
}


@pytest.fixture
def read(tmp_path):
    def of(engine, files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        folders, flags, models = READERS[engine]
        source = Source(tmp_path, folders)
        return flags(source), models(source)

    return of


def test_vllms_flags_take_what_their_config_fields_are(read):
    flags, models = read("vllm", VLLM)
    assert flags == {
        "block-size": "1|16",
        "kv-cache-dtype": "auto|fp8",
        "enable-prefixes": "switch",
        "budget": "float",
        "names": "list",
        "loose": "str",
        "pooler-config": "json",
        "disable-log-stats": "flag",
        "workers": "int",
        "enable-auto-tool-choice": "switch",
        "tool-call-parser": "hermes|nous",
        "reasoning-parser": "qwen3",
        "quantization": "awq|fp8",
        "VLLM_USE_V1": "env",
    }
    assert models == {"LlamaForCausalLM": "text_generation", "BertModel": "embedding"}


def test_sglangs_flags_are_read_from_calls_and_from_annotated_fields(read):
    flags, models = read("sglang", SGLANG)
    assert flags == {
        "quantization": "awq|fp8",
        "tp-size": "int",
        "tensor-parallel-size": "int",
        "disable-radix-cache": "flag",
        "page-size": "int",
        "share": "float",
        "tool-call-parser": "hermes|qwen",
        "reasoning-parser": "qwen3",
    }
    assert models == {"LlamaForCausalLM": "model"}


def test_litellms_options_take_the_type_of_their_default(read):
    assert read("litellm", LITELLM) == ({"num_workers": "int", "config": "str", "debug": "flag"}, {})
