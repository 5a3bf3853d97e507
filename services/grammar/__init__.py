"""From regular expressions, EBNF and JSON schemas to one notation that every backend reads. Pure.

1. `expression.py` is what regular expressions and EBNF are read into, by `regex.py` and `ebnf.py`.
2. `automaton.py` makes a regular expression deterministic, so that following it costs the same at every character.
3. `rule.py` holds what all of it becomes: context-free rules, checked, trimmed of dead ends, and written as GBNF.
4. `json_value.py` and `number.py` have the rules of JSON; `services/schema.py` puts them together by a schema.

Repetition is written as a rule that ends with itself and contains what follows. The library that follows the grammar
then knows at once which tokens may come next; with `( ... )*` it finds out by trial, a thousand times slower.
"""
