"""Dialogs to training rows: token ids, and which of them the model is to learn to say."""

from dataclasses import dataclass

from llama.chat import (
    BEGIN_OF_TEXT,
    END_HEADER,
    END_OF_TEXT,
    END_OF_TURN,
    START_HEADER,
    ChatEncoder,
    Layout,
)
from llama.tokenizer import Tokenizer
from models.training.sample import Dialog


@dataclass(frozen=True, slots=True)
class Row:
    """Token ids of one dialog; `wanted[i]` tells whether id `i` is to be learnt."""

    ids: list[int]
    wanted: list[bool]


class DialogEncoder:
    """Encodes dialogs the way the server encodes prompts."""

    def __init__(self, tokenizer_json: str) -> None:
        self.tokenizer = Tokenizer(tokenizer_json)
        self._encoders = {layout: ChatEncoder(self.tokenizer, layout) for layout in Layout}
        control = self.tokenizer.control_ids
        self._begin, self._end = control[BEGIN_OF_TEXT], control[END_OF_TEXT]
        self._end_of_turn = control[END_OF_TURN]
        encode = self.tokenizer.encode
        self._answer_header = [
            control[START_HEADER], *encode("assistant"), control[END_HEADER], *encode("\n\n"),
        ]  # fmt: skip

    def prompt(self, dialog: Dialog) -> list[int]:
        """The ids before the answer."""
        if dialog.text:
            return [self._begin, *self.tokenizer.encode(dialog.text[0][0])]
        encoder = self._encoders[dialog.layout]
        return encoder.encode(dialog.messages[:-1], tools=dialog.tools, today=dialog.today).token_ids

    def row(self, dialog: Dialog) -> Row:
        """The whole dialog, with every assistant turn (or what follows in a plain text) to be learnt."""
        if dialog.text:
            return self._text_row(dialog)
        ids = [*self.prompt(dialog), *self.tokenizer.encode(dialog.answer), self._end_of_turn]
        wanted = [False] * len(ids)
        width = len(self._answer_header)
        inside = False
        for i, token in enumerate(ids):
            wanted[i] = inside
            if token == self._end_of_turn:
                inside = False
            elif ids[max(0, i + 1 - width) : i + 1] == self._answer_header:
                inside = True
        return Row(ids, wanted)

    def _text_row(self, dialog: Dialog) -> Row:
        ids, wanted = [self._begin], [False]
        for given, following in dialog.text:
            for text, learn in ((given, False), (following, True)):
                piece = self.tokenizer.encode(text)
                ids += piece
                wanted += [learn] * len(piece)
        return Row([*ids, self._end], [*wanted, True])
