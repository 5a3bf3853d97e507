"""Numbers within bounds, as rules: digit by digit, tight where the digits so far are a bound's own."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from services.grammar.rule import Characters, GrammarError, Rule, Sequence

INTEGER_DIGITS = 18
"""Of an integer at most, which then fits 64 bits."""
NUMBER_DIGITS = 15
"""Of other numbers at most: so many tell any two of them apart as float64 (IEEE 754)."""
_FRACTION_DIGITS = 6

_DIGIT = Characters(((0x30, 0x39),))


@dataclass(frozen=True)
class Bounds:
    """What a number must be: `least` and `most` are None for no limit, and excluded where the flags say so."""

    least: Decimal | None = None
    most: Decimal | None = None
    above_least: bool = False
    below_most: bool = False


def integer(bounds: Bounds) -> Rule:
    """Make the rule of the integers within bounds.

    Raises:
        GrammarError: there is none, or a bound has more than `INTEGER_DIGITS` digits.
    """
    return _between(bounds, INTEGER_DIGITS, 0)


def number(bounds: Bounds) -> Rule:
    """Make the rule of the numbers within bounds, without exponent; of any number, with one, where there is no bound.

    Raises:
        GrammarError: there is none, or a bound has more than `NUMBER_DIGITS` digits.
    """
    given = [bound for bound in (bounds.least, bounds.most) if bound is not None]
    if not given:
        return _any()
    places = max(_places(bound) for bound in given)
    whole = max(len(str(int(abs(bound)))) for bound in given)
    if whole + places > NUMBER_DIGITS:
        raise GrammarError(f"can't be enforced: a bound of more than {NUMBER_DIGITS} digits")
    return _between(bounds, NUMBER_DIGITS, max(places, min(_FRACTION_DIGITS, NUMBER_DIGITS - whole)))


def _any() -> Rule:
    fraction = Rule((".", _DIGIT, _Digits().up_to(NUMBER_DIGITS - 1)), ("",))
    exponent = Rule(
        (Characters(((0x45, 0x45), (0x65, 0x65))), Rule(("+",), ("-",), ("",)), _DIGIT, Rule((_DIGIT,), ("",)))
    )
    tail = Rule((fraction, exponent), (fraction,))
    return Rule(*((sign, *digits, tail) for sign in ("", "-") for digits in _whole_numbers()))


def _whole_numbers() -> list[Sequence]:
    return [("0",), (Characters(((0x31, 0x39),)), _Digits().up_to(NUMBER_DIGITS - 1))]


class _Digits:
    """Runs of digits, longer ones made of shorter ones."""

    def __init__(self) -> None:
        self._made = [Rule(("",))]

    def up_to(self, count: int) -> Rule:
        """Give the rule of at most so many digits."""
        while len(self._made) <= count:
            self._made.append(Rule((_DIGIT, self._made[-1]), ("",)))
        return self._made[count]


def _places(bound: Decimal) -> int:
    exponent = bound.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _between(bounds: Bounds, digits: int, places: int) -> Rule:
    """Count in units of the last place: numbers become integers."""
    limit = 10**digits - 1
    least = -limit if bounds.least is None else _scaled(bounds.least, places, ROUND_CEILING)
    most = limit if bounds.most is None else _scaled(bounds.most, places, ROUND_FLOOR)
    if bounds.least is not None:
        least += bounds.above_least and Decimal(least).scaleb(-places) == bounds.least
    if bounds.most is not None:
        most -= bounds.below_most and Decimal(most).scaleb(-places) == bounds.most
    if max(abs(least), abs(most)) > limit:
        raise GrammarError(f"can't be enforced: a bound of more than {digits} digits")
    if least > most:
        raise GrammarError("leaves no number between the bounds")
    rule = Rule()
    if most >= 0:
        _Range(places).into(rule, "", max(least, 0), most)
    if least < 0:
        _Range(places).into(rule, "-", max(-most, 1), -least)
    return rule


def _scaled(bound: Decimal, places: int, rounding: str) -> int:
    return int(bound.scaleb(places).to_integral_value(rounding))


class _Range:
    """The numbers from one to another, both 0 or more, in units of the last decimal place."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._made: dict[tuple[int, str, str], Rule] = {}

    def into(self, rule: Rule, sign: str, least: int, most: int) -> None:
        """Add them to a rule, by the length of the whole part."""
        unit = 10**self._places
        for length in range(len(str(least // unit)), len(str(most // unit)) + 1):
            low = max(least, unit * 10 ** (length - 1) if length > 1 else 0)
            high = min(most, unit * 10**length - 1)
            size = length + self._places
            rule.add(sign, self._from(size, f"{low:0{size}}", f"{high:0{size}}"))

    def _from(self, left: int, low: str, high: str) -> Rule:
        """Give the rule of the last `left` digits; `low` and `high` are a bound's where the digits before were its own.

        Either is empty where it excludes nothing any more.
        """
        low, high = low if low.strip("0") else "", high if high.strip("9") else ""
        if (left, low, high) in self._made:
            return self._made[left, low, high]
        rule = self._made[left, low, high] = Rule()
        if left <= self._places and not low:
            rule.add("")
        if left:
            point = "." if left == self._places else ""
            for start, stop, rest_low, rest_high in _ways(low, high):
                digits = Characters(((0x30 + start, 0x30 + stop),))
                rule.add(point, digits, self._from(left - 1, rest_low, rest_high))
        return rule


def _ways(low: str, high: str) -> list[tuple[int, int, str, str]]:
    """Choose the next digit, from one to another, with what then is left of the bounds."""
    start, stop = int(low[:1] or "0"), int(high[:1] or "9")
    if low and high and start == stop:
        return [(start, stop, low[1:], high[1:])]
    ways = list[tuple[int, int, str, str]]()
    if low:
        ways.append((start, start, low[1:], ""))
        start += 1
    if high:
        ways.append((stop, stop, "", high[1:]))
        stop -= 1
    return [*ways, (start, stop, "", "")] if start <= stop else ways
