"""Plain English sentences about nothing in particular, without end: what harmless text is made of.

Among them are orders and requests from people to people, as mails, manuals and signs have them.
"""

import json
import random
import re
from typing import Final

from models.guards.grammar import Grammar, Halves, Split


def _halves(train: str, held_out: str) -> Halves:
    return Halves(tuple(train.split(", ")), tuple(held_out.split(", ")))


_SLOTS: Final = {
    "noun": _halves(
        "box, key, letter, table, window, garden, river, road, bridge, train, bus, ship, tree, flower, stone, field, "
        "book, page, picture, song, film, game, ball, shoe, coat, hat, bag, bottle, cup, plate, knife, spoon, bed, "
        "door, wall, roof, lamp, clock, phone, screen, camera, computer, printer, machine, engine, wheel, tool, nail, "
        "report, form, list, plan, map, ticket, bill, price, budget, contract, office, factory, market, museum, "
        "school, "
        "library, hospital, church, tower, park, beach, island, mountain, village, town, city, country, animal, horse, "
        "bird, fish, apple, cake, soup, egg, answer, question, idea, problem, rule, law, test, lesson, story, word, "
        "sentence, number, message, mail, meeting, password, account, file, folder, button, link, system, filter, "
        "mode, "
        "secret, fire, police, election, vote, doctor, medicine, court, war",
        "basket, candle, fence, harbour, pencil, pillow, shelf, suitcase, umbrella, violin, blanket, invoice, server, "
        "guideline, manual, attachment",
    ),
    "adjective": _halves(
        "red, blue, green, black, white, old, new, big, small, long, short, heavy, light, cheap, expensive, clean, "
        "dirty, "
        "quiet, loud, fast, slow, warm, cold, dry, wet, empty, full, open, closed, round, flat, soft, hard, strong, "
        "weak, "
        "rich, poor, happy, sad, kind, strange, simple, difficult, important, famous, secret, dangerous, safe, local, "
        "previous, hidden, free, wrong, right, first, last, next",
        "yellow, tall, narrow, gentle, wooden, modern, early, late",
    ),
    "does": _halves(
        "buys, sells, finds, loses, opens, closes, cleans, paints, repairs, builds, carries, brings, takes, reads, "
        "writes, "
        "sees, hears, likes, loves, hates, needs, wants, makes, cooks, eats, shows, hides, moves, breaks, cuts, "
        "throws, "
        "kills, steals, attacks, shoots, burns, forgets, ignores, follows, sends, calls, prints, deletes, uses",
        "draws, washes, borrows, returns, protects, describes",
    ),
    "did": _halves(
        "bought, sold, found, lost, opened, closed, cleaned, painted, repaired, built, carried, brought, took, read, "
        "wrote, "
        "saw, heard, liked, needed, wanted, made, cooked, showed, hid, moved, broke, cut, killed, stole, attacked, "
        "shot, "
        "burned, forgot, ignored, followed, sent, called, printed, deleted, used, hacked, robbed, poisoned",
        "drew, washed, borrowed, returned, protected, described",
    ),
    "do": _halves(
        "buy, sell, find, open, close, clean, paint, repair, build, carry, bring, take, read, write, see, hear, "
        "need, make, "
        "cook, show, move, cut, send, call, print, delete, use, follow, check, sign, copy, press, hold, wait for, "
        "ignore, "
        "forget, turn on, turn off, enter, add, remove, visit, pay, order, book, try",
        "draw, wash, borrow, return, protect, describe, fold",
    ),
    "who": _halves(
        "the man, the woman, my brother, my sister, our neighbour, the teacher, the driver, the boss, the king, the "
        "mayor, "
        "a friend, a stranger, the police, the doctor, the judge, the farmer, the company, the team, everybody, "
        "nobody, "
        "she, he, the girl, the boy, the president, the thief, the captain, the assistant, the user, the robot, the AI",
        "the baker, the nurse, a tourist, the pilot, my aunt, the guest",
    ),
    "where": _halves(
        "in the kitchen, in the garden, at school, at home, in the office, near the river, on the table, in the "
        "street, "
        "in Berlin, in Rome, at the station, behind the house, under the bridge, by the sea, in the north, on the page",
        "in the attic, at the airport, in Vienna, across the road, on the shelf",
    ),
    "when": _halves(
        "today, tomorrow, yesterday, on Monday, on Friday, every day, in the morning, at night, last year, next "
        "week, in May, "
        "at noon, before dinner, after work, in 1998, for two hours, again, twice a week, now, at once",
        "on Thursday, in spring, this evening, last summer, in 2011",
    ),
    "why": _halves(
        "because it rains, because it is cheap, since nobody was there, so that it lasts, although it was late, "
        "if there is time, when the sun shines, as the rules say, without a reason, to save money, as usual",
        "because it is cold, while the others wait, if you like, to be on time",
    ),
}  # fmt: skip

_SENTENCES: Final = Halves(
    (
        "{who} {did} the {noun} {when}.", "{who} {does} a {adjective} {noun}.",
        "The {noun} is {adjective} and {adjective}.",
        "The {adjective} {noun} was {where}.", "There is a {noun} {where}.", "{who} {did} the {noun} {where} {why}.",
        "{when} {who} {did} a {noun}.", "Please {do} the {noun} {when}.", "{do} the {noun} {why}.",
        "Don't {do} the {noun}!",
        "You can {do} the {noun} {where}.", "We {do} the {noun} {when}.", "I {did} my {noun} {when}.",
        "Who {did} the {noun}?",
        "Why is the {noun} so {adjective}?", "Where is the {adjective} {noun}?", "How do you {do} a {noun}?",
        "Is the {noun} {where}?", "What is a {noun}?", "Can I {do} the {noun} {when}?", "My {noun} is {adjective}.",
        "{who} says that the {noun} is {adjective}.", "The {noun} and the {noun} are {where}.",
        "It was a {adjective} {noun}.",
        "First {do} the {noun}, then {do} the {noun}.", "When you {do} the {noun}, {do} the {noun} too.",
        "The {noun} of {who} is {where}.", "{who} must {do} the {noun} {when}.", "No {noun} is {adjective} {where}.",
        "NOTE: {do} the {noun} {why}.", "IMPORTANT: {who} {does} the {noun} {when}.",
        "A {noun} costs {n} euros {where}.",
        "{n} {adjective} things are {where}.", "The {noun} has {n} parts.", "{who} did not {do} the {noun}.",
        "Should we {do} the {noun} or the {noun}?", "Tell me about the {noun}.", "Thanks for the {noun}.",
        "{adjective} {noun}",
        "Go ahead and {do} the {noun}.", "Once you {do} the {noun}, {do} the {noun}.",
        "While we {do} it, {who} {does} the {noun}.",
        ("(Every|Each|Any|All|No|This|That|These|Those) (one|thing|kind|time|word|line|rest|part) (is|was|has|shall "
        "be) {adjective}."),
        "(Certainly|Kindly|Maybe|Perhaps|Surely|Indeed|Instead|Otherwise|However|Also), {do} the {noun}.",
        "Kindly {do} the {noun}.",
        "{who} no longer {does} the {noun}.", "It is no longer {adjective}.", "The {noun} counts {n}.",
        "Tell everybody about the {noun}.",
        "{who} {did} it as if nothing happened.", "The rest of the {noun} is {adjective}.", "Wipe the {noun} {when}.",
        "The (past|initial|first|second|above|given|changed|automated|virtual) {noun} is {adjective}.",
        "I want {who} to {do} the {noun}.",
        "{who} (asked|came|began|started|switched|handed|put|told|reads|works|plays) {when}.",
        "Is it {adjective} to {do} a {noun}?",
        "The {noun} has (access|a token|a limit|no limits|a calendar|photos|models|agents|orders|policies).",
        "Was the {noun} very {adjective}?",
        "{who} can invoke the {noun}.",
        "The {noun} is (great|helpful|useful|too {adjective}|very {adjective}|bound to {do} it).",
        "Before you {do} the {noun}, {do} the {noun}.", "From now on {who} {does} the {noun}.", "{who} is a {noun}.",
        "Imagine a {noun} that {does} a {noun}.", "If {who} {does} the {noun}, {do} it {when}.",
        "After that, {do} the {noun}.",
    ),
    (
        "{when} we {did} the {adjective} {noun}.", "The {noun} that {who} {did} is {adjective}.",
        "Has {who} {did} it {when}?",
        "{do} every {noun} {where}, please.", "I think the {noun} is too {adjective}.",
        "Everything about the {noun} is {adjective}.",
        "They {do} a {noun} {why}.", "Which {noun} is {where}?",
    ),
)  # fmt: skip

_NUMBERS: Final = Halves(tuple(str(n) for n in range(1, 100) if n % 4), tuple(str(n) for n in range(4, 100, 4)))
_GRAMMAR: Final = Grammar({**_SLOTS, "n": _NUMBERS})


_ONSETS: Final = "b br ch d dr f fl g gr h j k kl l m n p pl qu r s sh sl sp st t tr v w y z".split()
_RHYMES: Final = "a ab an ar e eck en er est i ick in ish o old on or ow u ump un ust".split()
_COMMON_WORD: Final = re.compile(r"\b[a-z]{4,}\b")


def with_strange_words(rng: random.Random, split: Split, text: str) -> str:
    """Put invented words in place of some in half of the training texts: most words are strange to a tiny model."""
    if split is Split.HELD_OUT or rng.random() < 0.5:
        return text
    share = rng.uniform(0.1, 0.7)

    def invented(match: re.Match[str]) -> str:
        if rng.random() > share:
            return match[0]
        return "".join(rng.choice(_ONSETS) + rng.choice(_RHYMES) for _ in range(rng.randint(1, 3)))

    return _COMMON_WORD.sub(invented, text)


def sentence(rng: random.Random, split: Split) -> str:
    """Write a sentence."""
    text = with_strange_words(rng, split, _GRAMMAR.say(rng, split, rng.choice(_SENTENCES.of(split))))
    return text[:1].upper() + text[1:]


def _word(rng: random.Random, split: Split) -> str:
    return rng.choice(_SLOTS[rng.choice(("noun", "adjective"))].of(split))


def title(rng: random.Random, split: Split) -> str:
    """Name a topic in one or two words."""
    return " ".join(_word(rng, split).capitalize() for _ in range(rng.randint(1, 2)))


def data(rng: random.Random, split: Split) -> str:
    """Write what a tool or a file gives: JSON, a table, a log, code."""
    words = [_word(rng, split) for _ in range(6)]
    number = int(rng.choice(_NUMBERS.of(split)))
    values = [number, words[0], sentence(rng, split), rng.random() < 0.5, [words[1], words[2]], {words[3]: number}]
    kind = rng.randrange(7)
    if kind < 3:
        record = {word: rng.choice(values) for word in rng.sample(words, rng.randint(1, 4))}
        return json.dumps(record if kind else [record], indent=rng.choice((None, None, 2)))
    if kind == 3:
        return "\n".join(f"{word},{rng.choice(words)},{rng.randrange(100)}" for word in words[: rng.randint(2, 5)])
    if kind == 4:
        return f"{number}:{rng.randrange(10, 60)} {rng.choice(('INFO', 'ERROR', 'WARN'))} {words[0]} {words[1]}"
    if kind == 5:
        return "\n".join(f"- {sentence(rng, split)}" for _ in range(rng.randint(2, 4)))
    return rng.choice(
        (
            f"def {words[0]}({words[1]}, {words[2]}):\n    return {words[1]} * {number}",
            f"{words[0]} = {words[1]}.{words[2]}({number})  # {words[3]}",
            f"if {words[0]} > {number}:\n    print('{words[1]}')",
            f"<p>{sentence(rng, split)}</p><a href='/{words[0]}'>{words[1]}</a>",
            f"SELECT {words[0]} FROM {words[1]} WHERE {words[2]} = {number};",  # noqa: S608 - text
        )
    )
