"""Chat to token ids, structurally: no text of any role can become a control token.

Three ways to lay a conversation out. `hf` gives, for ordinary text, the ids that the chat template of Hugging Face's
Llama-3.1-Instruct repositories gives; `meta` those of `ChatFormat` in Meta's `llama-models` 0.3.0; a `ChatTemplate`
those of the Jinja template that a checkpoint brings. All of them make segments, a control token or a run of text, and
text is encoded by a tokenizer that knows no control token (`llama.tokenizer`).
"""

from llama.chat.encoder import ChatEncoder, Layout
from llama.chat.message import BuiltinTool, ChatError, Message, Tool, ToolCall
from llama.chat.segment import (
    BEGIN_OF_TEXT,
    END_HEADER,
    END_OF_MESSAGE,
    END_OF_TEXT,
    END_OF_TURN,
    PYTHON_TAG,
    START_HEADER,
    STOP_TOKENS,
    EncodedPrompt,
)
from llama.chat.template import ChatTemplate

__all__ = [
    "BEGIN_OF_TEXT",
    "END_HEADER",
    "END_OF_MESSAGE",
    "END_OF_TEXT",
    "END_OF_TURN",
    "PYTHON_TAG",
    "START_HEADER",
    "STOP_TOKENS",
    "BuiltinTool",
    "ChatEncoder",
    "ChatError",
    "ChatTemplate",
    "EncodedPrompt",
    "Layout",
    "Message",
    "Tool",
    "ToolCall",
]
