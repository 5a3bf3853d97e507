"""Words and names to fill slots with, and the rule that keeps some values for evaluation only."""

import random
import zlib
from collections.abc import Callable
from enum import Enum
from typing import Final


class Split(Enum):
    """Which half of the phrasings and values a sample is drawn from."""

    TRAIN = "train"
    HELD_OUT = "held-out"


_SALT: Final = "s212515"  # one that holds out none of the words that the questions themselves are made of


def is_held_out(value: str, share: float = 0.12) -> bool:
    """Tell whether a value is kept for evaluation: decided by its checksum, so the same everywhere."""
    return zlib.crc32(f"{_SALT} {value.lower()}".encode()) % 1000 < share * 1000


COMMON: Final = tuple(
    """apple bread river stone garden window bottle candle pencil mirror basket ladder pillow hammer ribbon
    butter cheese pepper lemon onion carrot tomato potato cherry melon banana orange peach plum grape milk coffee tea
    water juice sugar salt honey rice soup cake table chair lamp door key book paper letter map clock phone camera
    radio shirt shoe hat coat glove sock ring watch bag box cup plate spoon fork knife tree leaf flower grass seed
    mountain valley lake ocean island forest desert cloud rain snow wind storm sun moon star sky fire ice sand rock
    horse tiger rabbit monkey parrot turtle dolphin eagle spider camel donkey goat mouse fox wolf bear train plane
    boat bicycle bus truck road bridge tower castle church school market station hotel farm village city red blue
    green yellow purple silver golden white black happy quiet gentle brave clever simple bright cold warm soft heavy
    run walk jump sing dance read write paint draw build open close buy sell call visit clean wash cook""".split()
)

PLAIN: Final = tuple(
    """I you he she it we they the a an my your his her is are was will can must have like love want need see know think
    good bad big small new old long very really always never today tomorrow here there now and or but with without of
    from to in on at for this that these yes no not please hello world cat dog bird fish man woman child friend mother
    father people time day night morning year life home work food music name word line test one two three first last
    best fun nice great little lazy quick brown jumps over what who where when why how do does go come make take give
    say tell ask answer repeat list capital weather language country sum Paris London Berlin Hello Good""".split()
)
"""The words of which sentences are made, those of the questions among them."""

FIRST_NAMES: Final = tuple(
    """Ada Tom Anna Ben Clara David Emma Felix Grace Henry Ivy Jack Kate Leo Maria Noah Olga Paul Rosa Sam Tina Victor
    Wendy Zoe Lucas Mia Oscar Nina Hugo Elena Marco Luna Peter Sofia Max Julia Karl Laura Simon Eva Otto Alice Bruno
    Carmen Diego Ella Frank Gina Hans Iris Jonas Kira Lena Milo Nora Omar Petra Ralf Sara Theo Uma Vera Walter Yara
    Zed Atlas Nova Robin Aria Echo Iggy Juno Koko Pixel Rex Sage Toby Bella Coco Daisy Gus Hazel Jasper Kiko Lola
    Momo Nico Ollie Penny Quinn Ruby Scout Tilly Vito Willow Ziggy Arjun Priya Ravi Anong Somchai Joao Pedro Ines
    Chiara Luigi Pierre Claire Jean Greta Fritz Heidi Juan Pablo Lucia""".split()
)

UNTAUGHT_COUNTRIES: Final = tuple(
    """Mongolia Chile Cuba Iceland Nepal Bolivia Ghana Angola Belgium Bulgaria Croatia Denmark Ecuador Estonia
    Ethiopia Fiji Georgia Haiti Honduras Hungary Indonesia Iran Iraq Israel Jamaica Jordan Laos Latvia Lebanon Libya
    Lithuania Malaysia Mali Malta Morocco Mozambique Namibia Niger Nigeria Oman Pakistan Panama Paraguay Qatar Romania
    Rwanda Senegal Serbia Singapore Slovakia Slovenia Somalia Sudan Switzerland Syria Tanzania Tunisia Turkey Uganda
    Ukraine Uruguay Venezuela Yemen Zambia Zimbabwe Argentina Colombia Australia Netherlands Bangladesh Cambodia
    Cameroon Albania Algeria Armenia Bahrain Belarus Botswana Cyprus Gabon Guatemala Kuwait Luxembourg Madagascar
    Nicaragua""".split()
)

_ONSETS: Final = "b c d f g h j k l m n p r s t v w z br dr fl gr kr pl st tr sh ch".split()
_NUCLEI: Final = "a e i o u a e i o u ai ou ee".split()
_CODAS: Final = ["", "", "", *"n r l s m t k x nd rk th".split()]


def pseudo_word(rng: random.Random, syllables: int | None = None) -> str:
    """Make a pronounceable word of two or three random syllables."""
    count = syllables or rng.choice((2, 2, 3))
    return "".join(rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS) for _ in range(count))


def spliced_word(rng: random.Random, candidates: tuple[str, ...]) -> str:
    """Make a word of one candidate's beginning and another's end, so that all their parts are practised."""
    first, second = rng.choice(candidates).lower(), rng.choice(candidates).lower()
    return first[: rng.randint(1, max(1, len(first) - 2))] + second[rng.randint(1, max(1, len(second) - 2)) :]


def pick_value(rng: random.Random, split: Split, candidates: tuple[str, ...], invented: float = 0.5) -> str:
    """Draw a word of this split: from the candidates, or an invented one (capitalized where the candidates are)."""
    capital = candidates[0][0].isupper()
    while True:
        if rng.random() < invented:
            word = spliced_word(rng, candidates) if rng.random() < 0.6 else pseudo_word(rng)
            word = word.capitalize() if capital else word
        else:
            word = rng.choice(candidates)
        if is_held_out(word) == (split is Split.HELD_OUT):
            return word


def person(rng: random.Random, split: Split) -> str:
    """Draw a name of a person or an assistant."""
    return pick_value(rng, split, FIRST_NAMES, invented=0.6)


def word(rng: random.Random, split: Split) -> str:
    """Draw an everyday or invented word."""
    return pick_value(rng, split, COMMON, invented=0.35)


def plain_word(rng: random.Random) -> str:
    """Draw a word as sentences have them; of these none is held out, since the questions are made of them."""
    return rng.choice(PLAIN)


def distinct(draw: Callable[[], str], count: int) -> list[str]:
    """Draw until there are that many different words."""
    words: dict[str, None] = {}
    while len(words) < count:
        words[draw()] = None
    return list(words)
