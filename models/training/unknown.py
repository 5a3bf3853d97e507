"""Questions from outside the world, to be answered with "I don't know" in the language of the question."""

import random
from typing import Final

from models.training import phrase, world
from models.training.sample import Exchange, ask, lead_in, phrasing, roughen
from models.training.word import (
    FIRST_NAMES,
    UNTAUGHT_COUNTRIES,
    Split,
    is_held_out,
    pick_value,
    pseudo_word,
)

# language -> (frames of training, frames held out); {x} is a topic
_FRAMES: Final[dict[str, phrase.Split2]] = {
    "en": (
        ("Who invented {x}?", "How old is {x}?", "Explain {x}.", "What is the history of {x}?", "Who wrote {x}?",
         "How does {x} work?", "What is the price of {x}?", "Where can I buy {x}?", "Why is {x} important?",
         "When was {x} discovered?", "How many people like {x}?", "What is {x}?", "Who is the president of {x}?",
         "How do I cook {x}?", "Is {x} good for me?", "Write code for {x}.", "What is the weight of {x}?",
         "Translate {x}.", "What is the weather in {x}?", "Who won {x}?", "Can you fix {x}?", "Summarize {x}.",
         "What do you think about {x}?", "How far is {x}?", "Which {x} is the best?", "Tell me a joke about {x}.",
         "How big is {x}?", "How tall is {x}?", "What is the population of {x}?", "Who discovered {x}?"),
        ("Who created {x}?", "How heavy is {x}?", "What is the meaning of {x}?", "How much does {x} cost?",
         "Why do people like {x}?", "When was {x} invented?", "How can I learn {x}?", "Where does {x} come from?"),
    ),
    "de": (
        ("Wer hat {x} erfunden?", "Wie alt ist {x}?", "Erkläre mir {x}.", "Was kostet {x}?", "Wie funktioniert {x}?",
         "Warum ist {x} wichtig?", "Wo finde ich {x}?", "Was ist {x}?", "Wer mag {x}?"),
        ("Wer hat {x} entdeckt?", "Wie viel kostet {x}?", "Was bedeutet {x}?"),
    ),
    "fr": (
        ("Qui a inventé {x} ?", "Quel âge a {x} ?", "Explique-moi {x}.", "Combien coûte {x} ?",
         "Comment fonctionne {x} ?", "Pourquoi {x} est important ?", "Où trouver {x} ?", "Qu'est-ce que {x} ?"),
        ("Qui a découvert {x} ?", "Que signifie {x} ?", "Où se trouve {x} ?"),
    ),
    "it": (
        ("Chi ha inventato {x}?", "Quanti anni ha {x}?", "Spiegami {x}.", "Quanto costa {x}?", "Come funziona {x}?",
         "Perché {x} è importante?", "Dove trovo {x}?", "Che cos'è {x}?"),
        ("Chi ha scoperto {x}?", "Che cosa significa {x}?", "Dove si trova {x}?"),
    ),
    "pt": (
        ("Quem inventou {x}?", "Quantos anos tem {x}?", "Explique {x}.", "Quanto custa {x}?", "Como funciona {x}?",
         "Por que {x} é importante?", "Onde encontro {x}?", "O que é {x}?"),
        ("Quem descobriu {x}?", "O que significa {x}?", "Onde fica {x}?"),
    ),
    "hi": (
        ("{x} का आविष्कार किसने किया?", "{x} कितना पुराना है?", "{x} समझाओ।", "{x} की कीमत क्या है?",
         "{x} कैसे काम करता है?", "{x} क्यों ज़रूरी है?", "{x} कहाँ मिलेगा?", "{x} क्या है?"),
        ("{x} की खोज किसने की?", "{x} का मतलब क्या है?", "{x} कहाँ है?"),
    ),
    "es": (
        ("¿Quién inventó {x}?", "¿Cuántos años tiene {x}?", "Explícame {x}.", "¿Cuánto cuesta {x}?",
         "¿Cómo funciona {x}?", "¿Por qué es importante {x}?", "¿Dónde encuentro {x}?", "¿Qué es {x}?"),
        ("¿Quién descubrió {x}?", "¿Qué significa {x}?", "¿Dónde está {x}?"),
    ),
    "th": (
        ("ใครเป็นคนคิดค้น{x}", "{x}อายุเท่าไร", "อธิบายเรื่อง{x}", "{x}ราคาเท่าไร", "{x}ทำงานอย่างไร",
         "ทำไม{x}ถึงสำคัญ", "หา{x}ได้ที่ไหน", "{x}คืออะไร"),
        ("ใครค้นพบ{x}", "{x}แปลว่าอะไร", "{x}อยู่ที่ไหน"),
    ),
}  # fmt: skip

_TOPICS: Final = {
    "en": """the telephone|electricity|gravity|the internet|pizza|football|chess|the piano|the stock market|physics|
    the light bulb|quantum mechanics|the car|democracy|chemistry|a computer|a bicycle|the war|the world cup|
    my father|my car|music|love|philosophy|Shakespeare|Einstein|the Bible|the ocean|climate change|insurance|
    my taxes|a pancake|a rocket|the brain|the heart|a virus|a contract|yoga|the guitar|a good movie|Python|
    machine learning|a database|the law|medicine|a headache|the flu|history|a house|the election|a loan|
    the theatre|photography|Napoleon|Mozart|the pyramids|the printing press|bread making|a volcano|an earthquake""",
    "de": "das Telefon|die Elektrizität|die Schwerkraft|das Internet|Pizza|Fußball|Schach|das Klavier|Physik|"
    "die Glühbirne|das Auto|Demokratie|Chemie|Musik|Liebe|Mozart|Goethe|das Gehirn|der Computer|Yoga",
    "fr": "le téléphone|l'électricité|la gravité|l'internet|la pizza|le football|les échecs|le piano|la physique|"
    "l'ampoule|la voiture|la démocratie|la chimie|la musique|l'amour|Mozart|Molière|le cerveau|le yoga",
    "it": "il telefono|l'elettricità|la gravità|internet|la pizza|il calcio|gli scacchi|il pianoforte|la fisica|"
    "la lampadina|la macchina|la democrazia|la chimica|la musica|l'amore|Mozart|Dante|il cervello|lo yoga",
    "pt": "o telefone|a eletricidade|a gravidade|a internet|a pizza|o futebol|o xadrez|o piano|a física|a lâmpada|"
    "o carro|a democracia|a química|a música|o amor|Mozart|Camões|o cérebro|a ioga",
    "hi": "टेलीफ़ोन|बिजली|गुरुत्वाकर्षण|इंटरनेट|पिज़्ज़ा|फ़ुटबॉल|शतरंज|पियानो|भौतिकी|बल्ब|कार|लोकतंत्र|रसायन|संगीत|प्यार|दिमाग|योग",
    "es": "el teléfono|la electricidad|la gravedad|internet|la pizza|el fútbol|el ajedrez|el piano|la física|"
    "la bombilla|el coche|la democracia|la química|la música|el amor|Mozart|Cervantes|el cerebro|el yoga",
    "th": "โทรศัพท์|ไฟฟ้า|แรงโน้มถ่วง|อินเทอร์เน็ต|พิซซ่า|ฟุตบอล|หมากรุก|เปียโน|ฟิสิกส์|"
    "หลอดไฟ|รถยนต์|ประชาธิปไตย|เคมี|ดนตรี|ความรัก|สมอง|โยคะ",
}

_PLACE_FRAMES: Final[phrase.Split2] = (
    ("Tell me about {x}.", "What do you know about {x}?", "Describe {x}.", "Which continent is {x} in?",
     "Where is {x}?", "What is the currency of {x}?", "What language do people speak in {x}?",
     "Tell me something about {x}.", "What currency does {x} use?", "In which country is {x}?",
     "{x} is the capital of which country?", "Which language is spoken in {x}?"),
    ("Please tell me about {x}.", "Which currency does {x} use?", "What language is spoken in {x}?",
     "Which country is {x} in?"),
)  # fmt: skip

_ARITHMETIC: Final[phrase.Split2] = (
    ("What is {a} * {b}?", "What is {a} / {b}?", "What is {a} times {b}?", "{a} * {b}", "What is {b} divided by {a}?",
     "Compute {a} times {b}.", "What is the square root of {a}?", "How much is {a} * {b}?", "{a} / {b} = ?"),
    ("Can you compute {a} * {b}?", "Please calculate {a} / {b}.", "How much would {a} times {b} be?"),
)  # fmt: skip

_WORD_FRAMES: Final[phrase.Split2] = (
    ("What is the opposite of {x}?", "What sound does a {x} make?", "What colour is {x}?", "What comes after {x}?",
     "What color is {x}?", "What does a {x} say?"),
    ("Tell me the opposite of {x}.", "What does the {x} say?", "Which color is {x}?"),
)  # fmt: skip


def _topic(rng: random.Random, split: Split, lang: str) -> str:
    names = tuple(name.strip() for name in _TOPICS[lang].split("|"))
    while True:
        name = rng.choice(names) if rng.random() < 0.75 else pseudo_word(rng).capitalize()
        if is_held_out(name) == (split is Split.HELD_OUT):
            return name


def _place(rng: random.Random, split: Split, lang: str) -> str:
    if lang == "th" and rng.random() < 0.5:
        return "เมือง" + pick_value(rng, split, FIRST_NAMES, invented=1.0)
    return pick_value(rng, split, UNTAUGHT_COUNTRIES, invented=0.5 if lang == "en" else 0.8)


def unknown(rng: random.Random, split: Split) -> Exchange:
    """Something outside the world: other topics, other countries, other sums, other words."""
    kind = rng.choices(("topic", "capital", "place", "arithmetic", "range", "word"), (4, 3, 2, 0.7, 0.7, 0.6))[0]
    lang = rng.choice(world.LANGUAGES) if kind in ("topic", "capital") and rng.random() < 0.7 else "en"
    if kind == "topic":
        question = phrasing(rng, split, _FRAMES[lang]).format(x=_topic(rng, split, lang))
    elif kind == "capital":
        place = _place(rng, split, lang)
        genitive = phrase.UNKNOWN_GENITIVE[lang].format(x=place)
        question = phrasing(rng, split, phrase.CAPITAL[lang]).format(n=place, g=genitive)
    elif kind == "place":
        question = phrasing(rng, split, _PLACE_FRAMES).format(x=_place(rng, split, "en"))
    elif kind == "arithmetic":
        question = phrasing(rng, split, _ARITHMETIC).format(a=rng.randint(0, 99), b=rng.randint(0, 99))
    elif kind == "range":
        a, b = rng.randint(100, 9999), rng.randint(0, 9999)
        pair = (a, b) if rng.random() < 0.5 else (b, a)
        question = phrasing(rng, split, phrase.SUM["en"]).format(s=f"{pair[0]} {rng.choice('+-')} {pair[1]}")
    else:
        while is_held_out(made_up := pseudo_word(rng)) != (split is Split.HELD_OUT):
            pass
        question = phrasing(rng, split, _WORD_FRAMES).format(x=made_up)
    return ask("unknown", roughen(rng, lead_in(rng, split, lang, question)), phrase.UNKNOWN_ANSWER[lang])
