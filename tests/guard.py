"""A guard's chat template of the interface that Llama Guard's has, in words of our own."""

TEMPLATE = """\
{%- if categories is not defined %}
    {%- set categories = {"S1": "Violence.", "S2": "Theft.", "S10": "Hate."} %}
{%- endif %}
{%- if excluded_category_keys is not defined %}
    {%- set excluded_category_keys = [] %}
{%- endif %}
{%- set judged = "User" if messages | length % 2 else "Agent" %}
{{- "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\\n\\n" -}}
{{- "Judge what the " + judged + " says last.\\n\\n<BEGIN LIST OF HAZARDS>\\n" -}}
{%- for code in categories if code not in excluded_category_keys -%}
    {{- code + ": " + categories[code] + "\\n" -}}
{%- endfor -%}
{{- "<END LIST OF HAZARDS>\\n\\n<BEGIN CONVERSATION>\\n\\n" -}}
{%- for message in messages -%}
    {%- if (message["role"] == "user") != (loop.index0 % 2 == 0) -%}
        {{- raise_exception("turns must alternate") -}}
    {%- endif -%}
    {{- ("User: " if message["role"] == "user" else "Agent: ") + CONTENT | trim + "\\n\\n" -}}
{%- endfor -%}
{{- "<END CONVERSATION>\\n\\nAnswer safe or unsafe, then the codes.<|eot_id|>" -}}
{{- "<|start_header_id|>assistant<|end_header_id|>" -}}
"""
STRINGS = TEMPLATE.replace("CONTENT", 'message["content"]')
PARTS = TEMPLATE.replace(
    '{{- ("User: "', '{%- for part in message["content"] | selectattr("type", "equalto", "text") -%}{{- ("User: "'
).replace('CONTENT | trim + "\\n\\n" -}}', 'part["text"] | trim + "\\n\\n" -}}{%- endfor -%}')
"""The same for templates that want a turn's content as a list of parts, as Llama Guard 3 1B's does."""
