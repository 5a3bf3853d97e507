"""What the chat template of Hugging Face's Llama-3.1-Instruct repositories does, transcribed by us from its behaviour.

The template itself is Meta's text and isn't ours to ship. This one was written apart from `llama.chat.hf`, renders a
string with control tokens as text, and is tokenized by the library: right for ordinary text, and open to forgery.
"""

from __future__ import annotations

import datetime

import transformers

from llama.chat import BuiltinTool, Message, Tool

TEMPLATE = """\
{%- macro header(role) -%}{{ "<|start_header_id|>" ~ role ~ "<|end_header_id|>\n\n" }}{%- endmacro -%}
{%- macro describe(tools) -%}
  {%- for tool in tools -%}{{ tool | tojson(indent=4) ~ "\n\n" }}{%- endfor -%}
{%- endmacro -%}
{%- set state = namespace(system="", turns=messages) -%}
{%- if messages[0].role == "system" -%}
  {%- set state.system = messages[0].content | trim -%}
  {%- set state.turns = messages[1:] -%}
{%- endif -%}
{{ bos_token ~ header("system") }}
{%- if tools or builtin_tools is defined -%}{{ "Environment: ipython\n" }}{%- endif -%}
{%- if builtin_tools is defined -%}
  {{ "Tools: " ~ (builtin_tools | reject("equalto", "code_interpreter") | join(", ")) ~ "\n\n" }}
{%- endif -%}
{{ "Cutting Knowledge Date: December 2023\nToday Date: " ~ date_string ~ "\n\n" ~ state.system ~ "<|eot_id|>" }}
{%- for turn in state.turns -%}
  {%- if loop.first and tools -%}
    {{ header("user") }}
    {{- "Given the following functions, please respond with a JSON for a function call with its proper arguments " }}
    {{- "that best answers the given prompt.\n\n" }}
    {{- 'Respond in the format {"name": function name, "parameters": dictionary of ' }}
    {{- "argument name and its value}.Do not use variables.\n\n" ~ describe(tools) }}
    {{- (turn.content | trim) ~ "<|eot_id|>" }}
  {%- elif turn.tool_calls -%}
    {%- if turn.tool_calls | length > 1 -%}{{ raise_exception("one call at a time") }}{%- endif -%}
    {%- set call = turn.tool_calls[0].function -%}
    {{ header("assistant") }}
    {%- if builtin_tools is defined and call.name in builtin_tools -%}
      {{ "<|python_tag|>" ~ call.name ~ ".call(" }}
      {%- for key, value in call.arguments | items -%}
        {{ ", " if not loop.first }}{{ key ~ '="' ~ value ~ '"' }}
      {%- endfor -%}
      {{ ")" }}
    {%- else -%}
      {{ '{"name": "' ~ call.name ~ '", "parameters": ' ~ (call.arguments | tojson) ~ "}" }}
    {%- endif -%}
    {{ "<|eom_id|>" if builtin_tools is defined else "<|eot_id|>" }}
  {%- elif turn.role == "tool" -%}
    {{ header("ipython") ~ (turn.content | tojson) ~ "<|eot_id|>" }}
  {%- else -%}
    {{ header(turn.role) ~ (turn.content | trim) ~ "<|eot_id|>" }}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ header("assistant") }}{%- endif -%}
"""


class HfReference:
    """Encodes conversations as users of the template do: render, then tokenize with control tokens on."""

    def __init__(self, tokenizer, template: str = TEMPLATE) -> None:
        self._tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>"
        )
        self._template = template

    def encode(
        self, messages: list[Message], tools: list[Tool], builtins: list[BuiltinTool], today: datetime.date
    ) -> list[int]:
        """Give the prompt's ids."""
        named = {"builtin_tools": [tool.value for tool in builtins]} if builtins else {}
        encoded = self._tokenizer.apply_chat_template(
            [_as_dict(message) for message in messages],
            tools=[tool.as_dict() for tool in tools] or None,
            chat_template=self._template,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=False,
            date_string=today.strftime("%d %b %Y"),
            **named,
        )
        return list(encoded)


def _as_dict(message: Message):
    calls = [{"type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in message.tool_calls]
    return {"role": message.role, "content": message.content, **({"tool_calls": calls} if calls else {})}
