"""The `hf` layout against the behaviour of Hugging Face's chat template, id for id."""

import random

import pytest

from llama.chat import ChatEncoder, ChatError
from tests.unit.llama.dialog import dialog
from tests.unit.llama.hf_reference import HfReference


@pytest.fixture(scope="module")
def subjects(request):
    """Both tokenizers, each with its reference."""
    pairs = (("tokenizer", "hf_tokenizer"), ("llama_31", "hf_llama_31"))
    return {
        ours: (ChatEncoder(request.getfixturevalue(ours)), HfReference(request.getfixturevalue(theirs)))
        for ours, theirs in pairs
    }


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [("tokenizer", 1000), ("llama_31", 2000)])
def test_generated_dialogs_have_the_templates_ids(subjects, name, count):
    encoder, reference = subjects[name]
    rng = random.Random(31)
    for number in range(count):
        d = dialog(rng, most_calls=1)
        expected = reference.encode(d.messages, d.tools, d.builtins, d.today)
        encoded = encoder.encode(d.messages, tools=d.tools, builtin_tools=d.builtins, today=d.today)
        assert encoded.token_ids == expected, f"dialog {number}: {d}"
        assert encoded.neutralized == 0


def test_generated_dialogs_with_several_calls_in_a_message_are_refused_by_both(subjects):
    encoder, reference = subjects["tokenizer"]
    rng = random.Random(7)
    refused = 0
    while refused < 20:
        d = dialog(rng, most_calls=3)
        if all(len(message.tool_calls) <= 1 for message in d.messages):
            continue
        with pytest.raises(ChatError, match="one call per message"):
            encoder.encode(d.messages, tools=d.tools, builtin_tools=d.builtins, today=d.today)
        with pytest.raises(Exception, match="one call at a time"):
            reference.encode(d.messages, d.tools, d.builtins, d.today)
        refused += 1
