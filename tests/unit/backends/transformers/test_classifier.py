"""The classifier's batches: what joins them, what they score, and who pays for a failure."""

from __future__ import annotations

import json

import pytest
import torch
import transformers

from backends.errors import ComputeError, LoadError
from backends.transformers.assembly import build_engine
from backends.transformers.classifier import Classifier
from backends.transformers.config import TransformersConfig
from tests import classifier as checkpoints

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDE = {"initializer_range": 0.4, "num_labels": 3}


def save(folder, kind, **settings):
    """Write a classifier of a library's architecture with random weights."""
    config = getattr(transformers, f"{kind}Config")(vocab_size=256, **SMALL, **WIDE, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = getattr(transformers, f"{kind}ForSequenceClassification")(config)
    model.save_pretrained(folder)
    return folder


ARCHITECTURES = {
    "deberta": checkpoints.deberta,
    "bert": checkpoints.bert,
    "roberta": lambda folder: save(folder, "Roberta", max_position_embeddings=66),
    "distilbert": lambda folder: save(folder, "DistilBert", dim=32, n_layers=2, n_heads=4, max_position_embeddings=64),
    "modernbert": lambda folder: save(
        folder, "ModernBert", max_position_embeddings=64, pad_token_id=0, global_attn_every_n_layers=1
    ),
    "llama": lambda folder: save(folder, "Llama", max_position_embeddings=64, pad_token_id=0),
    "llama without padding": lambda folder: save(folder, "Llama", max_position_embeddings=64),
}
WINDOWS = [[7, 8, 9], [5], list(range(10, 70)), [3] * 17, [200, 100]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def make(name):
        if name not in made:
            made[name] = ARCHITECTURES[name](tmp_path_factory.mktemp(name.replace(" ", "_")))
        return made[name]

    return make


def build(folder, **settings):
    config = TransformersConfig(checkpoint=str(folder), **{"device": "cpu", "num_threads": 1, **settings})
    classifier, capabilities, _ = build_engine(config)
    return classifier, capabilities


def run(classifier, *requests):
    """Score requests, numbered from 0, and give what came of each."""
    for ticket, windows in enumerate(requests):
        classifier.add(ticket, windows)
    emissions = {}
    while classifier.running or classifier.waiting:
        emissions.update({emission.ticket: emission for emission in classifier.step()})
    return [emissions[ticket] for ticket in range(len(requests))]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logits_are_those_of_the_stock_model_alone(folders, name):
    folder = folders(name)
    classifier, capabilities = build(folder, max_batch_tokens=4096)
    auto = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    (emission,) = run(classifier, WINDOWS)
    for window, row in zip(WINDOWS, emission.logits, strict=True):
        with torch.inference_mode():
            expected = auto(torch.tensor([window])).logits[0].tolist()
        assert row == pytest.approx(expected, abs=1e-4)
    assert (capabilities.classifies, capabilities.generates) == (True, False)
    assert capabilities.context_length == 64
    assert len(capabilities.labels) == len(emission.logits[0])


def test_labels_stand_in_the_order_of_their_ids(tmp_path):
    labels = tuple(f"label {index}" for index in range(12))  # "10" stands before "2" in config.json
    _, capabilities = build(checkpoints.bert(tmp_path, labels=labels))
    assert capabilities.labels == labels


class Recorder(torch.nn.Module):
    """Stands for a model: remembers the batches, and scores a window by its sum."""

    def __init__(self, pad_token_id=0):
        super().__init__()
        self.config = transformers.BertConfig(pad_token_id=pad_token_id)
        self.batches = []

    def forward(self, input_ids, attention_mask):
        self.batches.append([row[mask.bool()].tolist() for row, mask in zip(input_ids, attention_mask, strict=True)])
        if 13 in input_ids:
            raise RuntimeError("told so")
        logits = (input_ids * attention_mask).sum(dim=1, keepdim=True).float()
        return transformers.modeling_outputs.SequenceClassifierOutput(logits=logits)


def recording(slots=8, batch_tokens=16, **model):
    recorder = Recorder(**model)
    return recorder, Classifier(recorder, torch.device("cpu"), slots=slots, batch_tokens=batch_tokens)


def test_a_batch_counts_its_padding_in():
    recorder, classifier = recording(batch_tokens=16)
    (emission,) = run(classifier, [[1] * 3, [2] * 8, [3] * 2, [4] * 9, [5] * 8])
    assert [row for (row,) in emission.logits] == [3, 16, 6, 36, 40]
    assert [[len(window) for window in batch] for batch in recorder.batches] == [[9], [8, 8], [3, 2]]


def test_a_window_longer_than_a_batch_is_scored_alone():
    recorder, classifier = recording(batch_tokens=4)
    run(classifier, [[1] * 9, [2]])
    assert [len(batch) for batch in recorder.batches] == [1, 1]


def test_requests_take_turns():
    """A request of one window isn't kept waiting by one of a hundred that came first."""
    _, classifier = recording(slots=4)
    classifier.add(0, [[1]] * 100)
    classifier.step()
    classifier.add(1, [[2]])
    assert [emission.ticket for emission in classifier.step()] == [1]


def test_no_more_requests_are_taken_up_than_there_are_slots():
    _, classifier = recording(slots=2, batch_tokens=1)
    for ticket in range(5):
        classifier.add(ticket, [[1], [2]])
    classifier.step()
    assert (classifier.running, classifier.waiting) == (2, 3)


def test_without_padding_each_window_is_scored_alone():
    recorder, classifier = recording(pad_token_id=None)
    (emission,) = run(classifier, [[1, 2], [3]])
    assert emission.logits == [[3.0], [3.0]]
    assert [len(batch) for batch in recorder.batches] == [1, 1]


def test_a_failed_batch_ends_those_who_had_a_part_in_it():
    _, classifier = recording(batch_tokens=4)
    first, failed, last = run(classifier, [[1, 1, 1, 1]], [[13, 1, 1, 1], [1]], [[2, 2, 2, 2]])
    assert first.logits == [[4.0]]
    assert isinstance(failed.error, ComputeError)
    assert "told so" not in str(failed.error)
    assert last.logits == [[8.0]]


def test_logits_that_are_no_numbers_are_a_failure():
    _, classifier = recording()
    classifier._model = lambda **_: transformers.modeling_outputs.SequenceClassifierOutput(
        logits=torch.tensor([[float("nan")]])
    )
    (emission,) = run(classifier, [[1]])
    assert isinstance(emission.error, ComputeError)


@pytest.mark.parametrize("steps", [0, 1])
def test_a_cancelled_request_is_forgotten(steps):
    recorder, classifier = recording(slots=1, batch_tokens=1)
    classifier.add(0, [[1]] * 10)
    classifier.add(1, [[2]])
    for _ in range(steps):
        classifier.step()
    assert classifier.cancel(0).logits is None
    run(classifier)
    assert len(recorder.batches) == steps + 1
    assert (classifier.running, classifier.waiting) == (0, 0)


def test_a_context_length_beyond_the_positions_is_refused(folders):
    with pytest.raises(LoadError, match="64 positions"):
        build(folders("bert"), context_length=65)
    assert build(folders("bert"), context_length=32)[1].context_length == 32


def test_where_nothing_says_how_many_positions_there_are_they_must_be_set(tmp_path):
    folder = save(tmp_path, "XLNet", d_model=32, n_layer=2, n_head=4, d_inner=64)
    with pytest.raises(LoadError, match="set `context_length`"):
        build(folder)
    assert build(folder, context_length=48)[1].context_length == 48


def test_a_classifier_without_its_head_is_refused(tmp_path):
    """The library would make up random weights, and every score with them."""
    from safetensors.torch import load_file, save_file

    folder = checkpoints.bert(tmp_path)
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(LoadError, match=r"lacks 1 weights, such as classifier\.weight"):
        build(folder)


def test_remote_code_is_refused(tmp_path):
    folder = checkpoints.bert(tmp_path)
    path = folder / "config.json"
    automatic = {"AutoModelForSequenceClassification": "evil.Model"}
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": automatic}))
    with pytest.raises(LoadError, match="auto_map"):
        build(folder)
