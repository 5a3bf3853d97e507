"""The model folder is whole and says the same thing everywhere."""

import datetime
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from llama.chat import STOP_TOKENS, ChatEncoder, Message, Tool
from llama.tokenizer import Tokenizer
from models.training.card import CLAIM
from models.training.corpus import EVALUATED
from models.training.folder import SIZE_LIMIT
from models.training.tokenizer import CHAT_TEMPLATE

_FOLDER = Path(__file__).parents[3] / "models" / "paddock-tiny"


def _json(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((_FOLDER / name).read_text(encoding="utf-8"))
    return value


def test_configuration_is_llama_3_1_in_small() -> None:
    config = _json("config.json")
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["model_type"] == "llama"
    assert config["hidden_act"] == "silu"
    assert config["num_key_value_heads"] < config["num_attention_heads"]
    rope = config["rope_scaling"]
    assert (rope["rope_type"], config["rope_theta"], rope["factor"]) == ("llama3", 500000.0, 8.0)
    assert (rope["low_freq_factor"], rope["high_freq_factor"]) == (1.0, 4.0)


def test_stop_set_is_that_of_the_instruct_models() -> None:
    tokenizer = Tokenizer((_FOLDER / "tokenizer.json").read_text(encoding="utf-8"))
    stops = {tokenizer.control_ids[name] for name in STOP_TOKENS}
    assert set(_json("generation_config.json")["eos_token_id"]) == stops
    assert set(_json("config.json")["eos_token_id"]) == stops


def test_weights_fit_and_match_the_configuration() -> None:
    path = _FOLDER / "model.safetensors"
    assert path.stat().st_size <= SIZE_LIMIT
    with path.open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    config = _json("config.json")
    assert header["model.embed_tokens.weight"]["shape"] == [config["vocab_size"], config["hidden_size"]]
    layers = {name.split(".")[2] for name in header if name.startswith("model.layers.")}
    assert len(layers) == config["num_hidden_layers"]


def test_every_claimed_skill_is_above_95_percent() -> None:
    card = (_FOLDER / "README.md").read_text(encoding="utf-8")
    skills = _json("evaluation.json")["skills"]
    assert [score["skill"] for score in skills] == list(EVALUATED)
    for score in skills:
        assert score["asked"] >= 100
        assert f"{score['right']} of {score['asked']}" in card
        claimed = f"| {score['skill']} (not claimed) |" not in card
        assert claimed == (score["right"] / score["asked"] >= CLAIM)


@pytest.mark.parametrize("with_tools", [False, True])
def test_the_chat_template_says_what_the_server_says(with_tools: bool) -> None:
    transformers = pytest.importorskip("transformers")
    assert _json("tokenizer_config.json")["chat_template"] == CHAT_TEMPLATE.read_text(encoding="utf-8")
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = (Tool("get_weather", "Get the weather for a city.", schema),) if with_tools else ()
    messages = (Message("system", " You are Ada. "), Message("user", "Hi!"), Message("assistant", "Hello!"),
                Message("user", "What is the weather in Paris?"))  # fmt: skip
    tokenizer = Tokenizer((_FOLDER / "tokenizer.json").read_text(encoding="utf-8"))
    ours = ChatEncoder(tokenizer).encode(messages, tools=tools, today=datetime.date(2026, 11, 23)).token_ids
    theirs = transformers.AutoTokenizer.from_pretrained(_FOLDER).apply_chat_template(
        [{"role": m.role, "content": m.content} for m in messages],
        tools=[json.loads(tool.as_json()) for tool in tools] or None,
        date_string="23 Nov 2026",
        add_generation_prompt=True,
        return_dict=False,
    )
    assert ours == theirs
