"""Does a chat template, served safely, still give the ids that it gives everywhere else?"""

from __future__ import annotations

import datetime

import tokenizers

from llama.chat.encoder import ChatEncoder
from llama.chat.message import BuiltinTool, ChatError, Message, Tool, ToolCall
from llama.chat.template import ChatTemplate

_DAY = datetime.date(2024, 7, 26)
_USER = Message("user", "Hi! What's the weather\nin Rome?")
_SYSTEM = Message("system", "Be brief, and kind.")
_CALL = Message("assistant", "", (ToolCall("weather", {"city": "Rome"}, "call00001"),))
_SEARCH = Message("assistant", "", (ToolCall("brave_search", {"query": "weather in Rome"}, "call00001"),))
_RESULT = Message("tool", "sunny, 21 degrees", tool_call_id="call00001")
_WEATHER = Tool("weather", "Tells it.", {"type": "object", "properties": {"city": {"type": "string"}}})

_DIALOGS: tuple[tuple[tuple[Message, ...], tuple[Tool, ...], tuple[BuiltinTool, ...]], ...] = (
    ((_USER,), (), ()),
    ((_SYSTEM, _USER), (), ()),
    ((_USER, Message("assistant", "Sunny."), Message("user", "And tomorrow?")), (), ()),
    ((_SYSTEM, _USER), (_WEATHER,), ()),
    ((_USER, _CALL, _RESULT), (_WEATHER,), ()),
    ((_USER, _SEARCH, _RESULT), (), tuple(BuiltinTool)),
)


def check_template(encoder: ChatEncoder, template: ChatTemplate, tokenizer_json: str) -> None:
    """Compare with rendering to a string and tokenizing it, control tokens on, for conversations that forge nothing.

    What the template refuses is left out, except the plainest conversation.

    Raises:
        ChatError: other ids come out, so that the model would not be asked what its template asks it.
    """
    library = tokenizers.Tokenizer.from_str(tokenizer_json)
    for messages, tools, builtins in _DIALOGS:
        shown = tools if encoder.supports_tools else ()
        if builtins and not encoder.supports_builtin_tools:
            continue
        try:
            text = template.render(messages, shown, builtins, _DAY)
        except ChatError as error:
            if messages == (_USER,):
                raise ChatError("template", "the checkpoint's chat template can't write a plain question") from error
            continue
        expected = library.encode(text, add_special_tokens=False).ids
        if encoder.encode(messages, tools=shown, builtin_tools=builtins, today=_DAY).token_ids != expected:
            raise ChatError(
                "template",
                "the checkpoint's chat template can't be served safely, because it puts control tokens together from "
                "pieces, or its tokenizer treats text beside them in a way of its own",
            )
