"""`budsim memory`: keys, sources of models, and errors in one line."""

import json
import sys

import pytest

from budsim.cli.main import run
from budsim.cli.memory import KEYS

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "num_hidden_layers": 32,
    "vocab_size": 128_256,
    "max_position_embeddings": 131_072,
    "torch_dtype": "bfloat16",
}


@pytest.fixture
def told(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("BUDSIM_HUB_ENABLED", "false")
    monkeypatch.chdir(tmp_path)

    def tell(*words):
        monkeypatch.setattr(sys, "argv", ["budsim", "memory", *words])
        with pytest.raises(SystemExit) as ended:
            run()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return tell


def test_the_keys_are_those_of_an_engines_log(told):
    code, out, _ = told(LLAMA, "--device", "H100-SXM-80GB", "--max-model-len", "8192", "--json")
    found = json.loads(out)
    assert code == 0
    assert tuple(found)[: len(KEYS)] == KEYS
    assert found["fits"] is True
    assert found["kv_bytes_per_token"] == 131_072
    assert found["kv_cache_tokens"] == pytest.approx(found["kv_cache_gib"] * 2**30 / 131_072, abs=16)


@pytest.mark.parametrize("spelling", ["here/model", "./here/model", "absolute"])
def test_a_folder_with_a_config_is_a_model(told, tmp_path, spelling):
    folder = tmp_path / "here" / "model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    name = str(folder) if spelling == "absolute" else spelling
    by_folder = json.loads(told(name, "--device", "H100", "--json", "--max-model-len", "8192")[1])
    by_name = json.loads(told(LLAMA, "--device", "H100", "--json", "--max-model-len", "8192")[1])
    assert by_folder == by_name


def test_what_does_not_fit_says_what_would_and_ends_with_1(told):
    code, out, _ = told("meta-llama/Llama-3.1-70B-Instruct", "--device", "H100", "--max-model-len", "8192", "--json")
    found = json.loads(out)
    assert code == 1
    assert found["fits"] is False
    assert any("--tp 4" in change or "--tp 2" in change for change in found["smallest_changes"])
    assert "does not fit" in told("meta-llama/Llama-3.1-70B-Instruct", "--device", "H100")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((LLAMA, "--device", "no such card"), "no such card"),
        (("meta-llama/Llama-9", "--device", "H100"), "did you mean"),
        ((LLAMA, "--device", "H100", "--tp", "3"), "tp 3"),
        ((LLAMA, "--device", "H100", "--kv-dtype", "fp7"), "fp7"),
        ((LLAMA, "--device", "H100", "--quantization", "q9"), "q9"),
        ((LLAMA, "--device", "H100", "--engine", "tgi"), "tgi"),
        ((LLAMA, "--device", "H100", "--gpu-memory-utilization", "1.5"), "gpu-memory-utilization"),
        ((LLAMA, "--device", "A100"), "A100-SXM-80GB"),
    ],
)
def test_an_error_is_one_line(told, words, said):
    code, out, err = told(*words)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert said.lower() in err.lower()


def test_a_broken_config_is_one_line(told, tmp_path):
    (tmp_path / "config.json").write_text("{")
    code, _, err = told(str(tmp_path), "--device", "H100")
    assert code == 2
    assert err.count("\n") == 1
