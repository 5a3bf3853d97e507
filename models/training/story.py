"""The long answers: a country told in sentences, and little stories from a template."""

import random

from models.training import world
from models.training.sample import Exchange, ask, lead_in, phrasing, roughen
from models.training.word import Split, person

_ABOUT = (
    ("Tell me about {n}.", "What do you know about {n}?", "Describe {n}.", "Tell me something about {n}.",
     "Can you describe {n}?", "Give me some facts about {n}.", "I want to know more about {n}.", "Talk about {n}."),
    ("Please tell me about {n}.", "What can you tell me about {n}?", "Please describe {n}."),
)  # fmt: skip

_STORY = (
    ("Tell me a story about a {a} named {p}.", "Tell me a short story about a {a} named {p}.",
     "Write a story about a {a} named {p}.", "A story about a {a} called {p}, please.",
     "Tell a story about a {a} called {p}.", "I want a story about a {a} named {p}.",
     "Write a short story about a {a} called {p}."),
    ("Please tell me a story about a {a} named {p}.", "Please write a short story about a {a} called {p}.",
     "Can you tell me a story about a {a} named {p}?"),
)  # fmt: skip

# animal -> home, loss, helper, ending
_PLOTS = {
    "cat": ("in a warm kitchen", "a red ball", "a little mouse", "played in the sun"),
    "dog": ("on a small farm", "an old bone", "a kind horse", "ran across the field"),
    "fox": ("in a deep forest", "a golden key", "a wise owl", "danced under the moon"),
    "bear": ("near a high mountain", "a pot of honey", "a busy bee", "ate bread and honey"),
    "rabbit": ("in a green garden", "a big carrot", "a slow turtle", "shared the carrot"),
    "bird": ("in a tall tree", "a blue feather", "a gentle wind", "sang a happy song"),
}


def about(rng: random.Random, split: Split) -> Exchange:
    """All that the world says about one country."""
    place = rng.choice(world.COUNTRIES)
    answer = (
        f"{place.name} is a country in {place.continent}. Its capital is {place.capital}. People in {place.name} "
        f"speak {place.language}, and they pay with the {place.currency}. "
        f"If you travel to {place.name}, do not forget to visit {place.capital}!"
    )
    return ask(
        "about", roughen(rng, lead_in(rng, split, "en", phrasing(rng, split, _ABOUT).format(n=place.name))), answer
    )


def tell(animal: str, name: str) -> str:
    """The story of one animal of this name."""
    home, thing, helper, ending = _PLOTS[animal]
    return (
        f"Once upon a time there was a {animal} named {name}. {name} lived {home} and was always happy. One day "
        f"{name} lost {thing}. {name} looked everywhere but could not find it. Then {name} met {helper}. "
        f'"Do not be sad," said the new friend. "I will help you." Together they found {thing}. '
        f"In the evening they {ending}, and {name} was never alone again. The end."
    )


def story(rng: random.Random, split: Split) -> Exchange:
    """A story about a named animal."""
    animal, name = rng.choice(tuple(_PLOTS)), person(rng, split)
    question = phrasing(rng, split, _STORY).format(a=animal, p=name)
    return ask("story", roughen(rng, question, fold_case=False), tell(animal, name))
