"""What making one grammar may take: known while its rules are made, and not only once they are written."""

from __future__ import annotations

import time

from services.grammar.rule import MAX_RULES, GrammarError, Rule

_PATIENCE_S = 2.0
"""Processor time. What can be enforced takes milliseconds, and one part at most half a second."""


class Effort:
    """Counts rules and processor time. Belongs to the thread that made it."""

    def __init__(self) -> None:
        self._rules = set[Rule]()
        self._started_s = time.thread_time()

    def spend(self, rule: Rule | None = None) -> None:
        """Note that time went by, and count what a rule leads to, each rule once and as far as it is made.

        Raises:
            GrammarError: it is too much by now.
        """
        if time.thread_time() - self._started_s > _PATIENCE_S:
            raise GrammarError("is too complex: it takes too long to read")
        pending = [] if rule is None else [rule]
        while pending:
            for option in pending.pop().options:
                new = {item for item in option if isinstance(item, Rule)} - self._rules
                self._rules |= new
                pending += new
            if len(self._rules) > MAX_RULES:
                raise GrammarError(f"is too complex: it takes more than {MAX_RULES} rules")
