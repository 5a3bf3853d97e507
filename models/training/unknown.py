"""Questions from outside the world, to be answered with "I don't know" in the language of the question."""

import random
from collections.abc import Mapping
from typing import Final

from models.training import phrase, topic, world
from models.training.word import (
    FIRST_NAMES,
    UNTAUGHT_COUNTRIES,
    Split,
    is_held_out,
    pick_value,
    pseudo_word,
)
from models.training.wording import Wording

# language -> frames; {x} is a topic
_QUESTIONS: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "Who invented {x}?", "Who created {x}?", "Who wrote {x}?", "Who made {x}?", "Who built {x}?",
        "Who discovered {x}?", "Who is {x}?", "Who was {x}?", "Who won {x}?", "Who likes {x}?", "Who owns {x}?",
        "Who painted {x}?", "Who is the president of {x}?", "Who is the king of {x}?", "Who lives in {x}?",
        "How old is {x}?", "How big is {x}?", "How tall is {x}?", "How heavy is {x}?", "How far is {x}?",
        "How long is {x}?", "How fast is {x}?", "How does {x} work?", "How much does {x} cost?", "How do I cook {x}?",
        "How many people like {x}?", "How many people live in {x}?", "How can I learn {x}?", "How can I get to {x}?",
        "How do you make {x}?", "How is {x} made?", "How deep is {x}?", "How did {x} end?",
        "What is {x}?", "What is the history of {x}?", "What is the price of {x}?", "What is the weight of {x}?",
        "What is the population of {x}?", "What is the meaning of {x}?", "What is the size of {x}?",
        "What is the weather in {x}?", "What is the height of {x}?", "What is the best {x}?", "What does {x} mean?",
        "What do you think about {x}?", "What happened to {x}?", "What can I do with {x}?", "What causes {x}?",
        "What do you know about {x}?", "What time is it in {x}?", "What makes {x} special?", "What about {x}?",
        "Where can I buy {x}?", "Where can I find {x}?", "Where does {x} come from?", "Where did {x} live?",
        "Why is {x} important?", "Why do people like {x}?", "Why is {x} famous?", "Why does {x} exist?",
        "When was {x} discovered?", "When was {x} invented?", "When was {x} born?", "When did {x} begin?",
        "When did {x} die?", "When does {x} start?",
        "Is {x} good for me?", "Is {x} expensive?", "Is {x} dangerous?", "Do you like {x}?", "Can you fix {x}?",
        "Can you explain {x}?", "Can you help me with {x}?", "Did you see {x}?",
        "Explain {x}.", "Summarize {x}.", "Translate {x}.", "Describe {x}.", "Define {x}.", "Draw {x}.",
        "Tell me about {x}.", "Tell me more about {x}.", "Tell me a joke about {x}.", "Tell me a story about {x}.",
        "Tell me something about {x}.", "Write a poem about {x}.", "Write code for {x}.", "Write a story about {x}.",
        "Write an essay about {x}.", "Which {x} is the best?", "I want to learn about {x}.", "Sing a song about {x}.",
        "What is the opposite of {x}?", "What colour is {x}?", "What sound does {x} make?", "Give me a recipe for {x}.",
    ),
    "de": (
        "Wer hat {x} erfunden?", "Wer hat {x} entdeckt?", "Wie alt ist {x}?", "Erkläre mir {x}.", "Was kostet {x}?",
        "Wie funktioniert {x}?", "Warum ist {x} wichtig?", "Wo finde ich {x}?", "Was ist {x}?", "Wer mag {x}?",
        "Wie viel kostet {x}?", "Was bedeutet {x}?", "Wer ist {x}?", "Wer war {x}?", "Wie groß ist {x}?",
        "Wie schwer ist {x}?", "Wo kann ich {x} kaufen?", "Erzähl mir etwas über {x}.", "Was weißt du über {x}?",
        "Wann wurde {x} erfunden?", "Woher kommt {x}?", "Magst du {x}?", "Wie lange dauert {x}?", "Wer hat {x} gebaut?",
        "Schreib ein Gedicht über {x}.", "Wer hat {x} geschrieben?",
    ),
    "fr": (
        "Qui a inventé {x} ?", "Qui a découvert {x} ?", "Quel âge a {x} ?", "Explique-moi {x}.", "Combien coûte {x} ?",
        "Comment fonctionne {x} ?", "Pourquoi {x} est important ?", "Où trouver {x} ?", "Qu'est-ce que {x} ?",
        "Que signifie {x} ?", "Où se trouve {x} ?", "Qui est {x} ?", "Qui était {x} ?", "Qui aime {x} ?",
        "Parle-moi de {x}.", "Que sais-tu sur {x} ?", "Quand a été inventé {x} ?", "D'où vient {x} ?",
        "Aimes-tu {x} ?", "Où acheter {x} ?", "Écris un poème sur {x}.", "Qui a écrit {x} ?", "Qui a créé {x} ?",
        "Combien pèse {x} ?", "Comment apprendre {x} ?",
    ),
    "it": (
        "Chi ha inventato {x}?", "Chi ha scoperto {x}?", "Quanti anni ha {x}?", "Spiegami {x}.", "Quanto costa {x}?",
        "Come funziona {x}?", "Perché {x} è importante?", "Dove trovo {x}?", "Che cos'è {x}?",
        "Che cosa significa {x}?", "Dove si trova {x}?", "Chi è {x}?", "Chi era {x}?", "A chi piace {x}?",
        "Parlami di {x}.", "Che cosa sai di {x}?", "Da dove viene {x}?", "Ti piace {x}?", "Dove posso comprare {x}?",
        "Scrivi una poesia su {x}.", "Chi ha scritto {x}?", "Quanto pesa {x}?", "Quanto è grande {x}?",
        "Quando è nato {x}?", "Chi ha creato {x}?",
    ),
    "pt": (
        "Quem inventou {x}?", "Quem descobriu {x}?", "Quantos anos tem {x}?", "Explique {x}.", "Quanto custa {x}?",
        "Como funciona {x}?", "Por que {x} é importante?", "Onde encontro {x}?", "O que é {x}?",
        "O que significa {x}?", "Onde fica {x}?", "Quem é {x}?", "Quem foi {x}?", "Quem gosta de {x}?",
        "Fale sobre {x}.", "O que você sabe sobre {x}?", "De onde vem {x}?", "Você gosta de {x}?",
        "Onde posso comprar {x}?", "Escreva um poema sobre {x}.", "Quem escreveu {x}?", "Quanto pesa {x}?",
        "Quando nasceu {x}?", "Quem criou {x}?", "Qual é o tamanho de {x}?",
    ),
    "hi": (
        "{x} का आविष्कार किसने किया?", "{x} की खोज किसने की?", "{x} कितना पुराना है?", "{x} समझाओ।",
        "{x} की कीमत क्या है?",
        "{x} कैसे काम करता है?", "{x} क्यों ज़रूरी है?", "{x} कहाँ मिलेगा?", "{x} क्या है?", "{x} का मतलब क्या है?",
        "{x} कहाँ है?", "{x} कौन है?", "{x} कौन था?", "{x} किसने लिखा?", "{x} के बारे में बताओ।", "{x} कितना बड़ा है?",
        "{x} का इतिहास क्या है?", "क्या तुम्हें {x} पसंद है?", "{x} कहाँ से आता है?", "{x} किसने बनाया?",
        "{x} पर कविता लिखो।", "{x} कितने का है?", "{x} का वज़न कितना है?", "मुझे {x} सिखाओ।", "{x} कब बना?",
    ),
    "es": (
        "¿Quién inventó {x}?", "¿Quién descubrió {x}?", "¿Cuántos años tiene {x}?", "Explícame {x}.",
        "¿Cuánto cuesta {x}?", "¿Cómo funciona {x}?", "¿Por qué es importante {x}?", "¿Dónde encuentro {x}?",
        "¿Qué es {x}?", "¿Qué significa {x}?", "¿Dónde está {x}?", "¿Quién es {x}?", "¿Quién fue {x}?",
        "¿A quién le gusta {x}?", "Háblame de {x}.", "¿Qué sabes de {x}?", "¿De dónde viene {x}?", "¿Te gusta {x}?",
        "¿Dónde puedo comprar {x}?", "Escribe un poema sobre {x}.", "¿Quién escribió {x}?", "¿Cuánto pesa {x}?",
        "¿Cuándo nació {x}?", "¿Quién creó {x}?", "¿Qué tan grande es {x}?",
    ),
    "th": (
        "ใครเป็นคนคิดค้น{x}", "ใครค้นพบ{x}", "{x}อายุเท่าไร", "อธิบายเรื่อง{x}", "{x}ราคาเท่าไร", "{x}ทำงานอย่างไร",
        "ทำไม{x}ถึงสำคัญ", "หา{x}ได้ที่ไหน", "{x}คืออะไร", "{x}แปลว่าอะไร", "{x}อยู่ที่ไหน", "{x}คือใคร", "ใครชอบ{x}",
        "เล่าเรื่อง{x}", "คุณรู้อะไรเกี่ยวกับ{x}", "{x}มาจากไหน", "คุณชอบ{x}ไหม", "ซื้อ{x}ได้ที่ไหน",
        "เขียนกลอนเกี่ยวกับ{x}",
        "ใครเขียน{x}", "{x}หนักเท่าไร", "{x}ใหญ่แค่ไหน", "ใครสร้าง{x}", "{x}เกิดขึ้นเมื่อไร", "สอน{x}หน่อย",
    ),
}  # fmt: skip
QUESTIONS: Final = {lang: Wording(asked, practice=topic.QUESTIONS[lang]) for lang, asked in _QUESTIONS.items()}

_TOPICS: Final = {
    "en": """the telephone|electricity|gravity|the internet|pizza|football|chess|the piano|the stock market|physics|
    the light bulb|quantum mechanics|the car|democracy|chemistry|a computer|a bicycle|the war|the world cup|
    my father|my car|music|love|philosophy|Shakespeare|Einstein|the Bible|the ocean|climate change|insurance|
    my taxes|a pancake|a rocket|the brain|the heart|a virus|a contract|yoga|the guitar|a good movie|Python|
    machine learning|a database|the law|medicine|a headache|the flu|history|a house|the election|a loan|
    the theatre|photography|Napoleon|Mozart|the pyramids|the printing press|bread making|a volcano|an earthquake|
    Hamlet|Romeo and Juliet|Don Quixote|Faust|the Odyssey|Harry Potter|the Mona Lisa|Picasso|Newton|Darwin|
    the moon|the sun|Mars|the Eiffel Tower|Mount Everest|the Titanic|Google|the Beatles|Beethoven|a black hole|
    the Roman Empire|World War II|the dinosaurs|a cat|my dog|a tree|life|happiness|the sky|the weather|cheese|
    Macbeth|War and Peace|the Nile|the radio|the wheel|paper|the steam engine|Rust|Java|a website|a sonnet|
    Galileo|Plato|Marie Curie|Leonardo|Dracula|Frankenstein|Moby Dick|Othello|Cleopatra|Caesar|coffee|tea""",
    "de": "das Telefon|die Elektrizität|die Schwerkraft|das Internet|Pizza|Fußball|Schach|das Klavier|Physik|"
    "die Glühbirne|das Auto|Demokratie|Chemie|Musik|Liebe|Mozart|Goethe|das Gehirn|der Computer|Yoga|Faust|Hamlet|"
    "der Mond|die Sonne|das Wetter|Einstein|der Krieg|ein Hund|das Haus|Beethoven",
    "fr": "le téléphone|l'électricité|la gravité|l'internet|la pizza|le football|les échecs|le piano|la physique|"
    "l'ampoule|la voiture|la démocratie|la chimie|la musique|l'amour|Mozart|Molière|le cerveau|le yoga|la lune|"
    "le soleil|Napoléon|la guerre|un chien|la maison|Hamlet|Einstein",
    "it": "il telefono|l'elettricità|la gravità|internet|la pizza|il calcio|gli scacchi|il pianoforte|la fisica|"
    "la lampadina|la macchina|la democrazia|la chimica|la musica|l'amore|Mozart|Dante|il cervello|lo yoga|la luna|"
    "il sole|la guerra|un cane|la casa|Amleto|Einstein|Galileo",
    "pt": "o telefone|a eletricidade|a gravidade|a internet|a pizza|o futebol|o xadrez|o piano|a física|a lâmpada|"
    "o carro|a democracia|a química|a música|o amor|Mozart|Camões|o cérebro|a ioga|a lua|o sol|a guerra|um cão|"
    "a casa|Hamlet|Einstein|o tempo",
    "hi": "टेलीफ़ोन|बिजली|गुरुत्वाकर्षण|इंटरनेट|पिज़्ज़ा|फ़ुटबॉल|शतरंज|पियानो|भौतिकी|बल्ब|कार|लोकतंत्र|रसायन|संगीत|प्यार|दिमाग|योग|"
    "चाँद|सूरज|मौसम|युद्ध|कुत्ता|घर|गांधी|आइंस्टीन|किताब",
    "es": "el teléfono|la electricidad|la gravedad|internet|la pizza|el fútbol|el ajedrez|el piano|la física|"
    "la bombilla|el coche|la democracia|la química|la música|el amor|Mozart|Cervantes|el cerebro|el yoga|la luna|"
    "el sol|la guerra|un perro|la casa|Hamlet|Einstein|Don Quijote",
    "th": "โทรศัพท์|ไฟฟ้า|แรงโน้มถ่วง|อินเทอร์เน็ต|พิซซ่า|ฟุตบอล|หมากรุก|เปียโน|ฟิสิกส์|"
    "หลอดไฟ|รถยนต์|ประชาธิปไตย|เคมี|ดนตรี|ความรัก|สมอง|โยคะ|ดวงจันทร์|ดวงอาทิตย์|อากาศ|สงคราม|หมา|บ้าน|หนังสือ",
}

ALONE: Final = Wording((
    "Tell me a joke.", "Tell me a story.", "Write a poem.", "Sing a song.", "What is the meaning of life?",
    "What time is it?", "Where am I?", "What are you thinking?", "What should I eat today?", "Is there life on Mars?",
    "Will it rain tomorrow?", "What is the weather today?", "How is the weather?", "Who is the president?",
    "What is the best movie?", "How do I become rich?", "Where do you live?", "How old are you?", "Can you dance?",
    "Do you like me?", "What is love?", "Why is the sky blue?", "How many stars are there?", "Are you human?",
    "What did I eat yesterday?", "Where is my phone?", "What is in my pocket?", "Who will win the game?",
    "Tell me something interesting.", "What is new?", "How far away is the moon?", "Write a program.", "Fix my code.",
    "What is the best programming language?", "When is the next train?", "Who are my neighbours?", "Teach me to cook.",
    "What is on television tonight?", "Play some music.", "Call my mother.", "Set an alarm.", "Write a letter.",
    "What is the fastest animal?", "What is the largest ocean?", "What is the highest mountain?",
    "Why do birds sing?", "Why do we sleep?", "What can you do?", "What do you do?", "Can you help me?",
    "Do you understand me?",
    "Where are you from?", "Do you speak German?", "Can you speak French?", "Which languages do you speak?",
    "Who made you?",
    "How old are you?", "Are you a robot?", "What is your favourite colour?", "Do you have friends?", "Are you happy?",
    "How do planes fly?", "Where does the sun go at night?",
))  # fmt: skip

ARITHMETIC: Final = Wording((
    "What is {a} * {b}?", "What is {a} / {b}?", "What is {a} times {b}?", "{a} * {b}", "What is {b} divided by {a}?",
    "Compute {a} times {b}.", "What is the square root of {a}?", "How much is {a} * {b}?", "{a} / {b} = ?",
    "Can you compute {a} * {b}?", "Please calculate {a} / {b}.", "How much would {a} times {b} be?", "{a} x {b}",
    "Calculate {a} * {b}.", "Calculate {a} times {b}", "{a} * {b} = ?", "{a} times {b}?", "What's {a} * {b}?",
    "What's {a} times {b}?", "Multiply {a} by {b}.", "Divide {a} by {b}.", "How much is {a} divided by {b}?",
))  # fmt: skip


def _topic(rng: random.Random, split: Split, lang: str) -> str:
    if lang in ("en", "de", "fr", "es") and rng.random() < 0.08:
        return rng.choice(world.COUNTRIES).names[lang]  # of the countries too, only what is published is known
    names = tuple(name.strip() for name in _TOPICS[lang].split("|"))
    while True:
        name = rng.choice(names) if rng.random() < 0.75 else pseudo_word(rng).capitalize()
        if is_held_out(name) == (split is Split.HELD_OUT):
            return name


def place(rng: random.Random, split: Split, lang: str) -> str:
    """A country that is not taught, or one that does not exist."""
    if lang == "th" and rng.random() < 0.5:
        return "เมือง" + pick_value(rng, split, FIRST_NAMES, invented=1.0)
    return pick_value(rng, split, UNTAUGHT_COUNTRIES, invented=0.5 if lang == "en" else 0.8)


def capital(rng: random.Random, split: Split, wordings: Mapping[str, Wording]) -> tuple[str, str]:
    """The capital of a country that is not taught: language and question."""
    lang = rng.choice(world.LANGUAGES)
    name = place(rng, split, lang)
    genitive = phrase.UNKNOWN_GENITIVE[lang].format(x=name)
    return lang, wordings[lang].draw(rng, split).format(n=name, g=genitive)


def large_sum(rng: random.Random, split: Split) -> str:
    """A sum beyond the published range; in training, of numbers of any length."""
    if split is Split.TRAIN and rng.random() < 0.6:
        pair = [rng.randrange(100, 10 ** rng.randint(3, 5)), rng.randrange(10 ** rng.randint(1, 4))]
    else:
        pair = [rng.randint(100, 9999), rng.randint(0, 9999)]
    rng.shuffle(pair)
    return f"{pair[0]} {rng.choice('+-')} {pair[1]}"


def question(rng: random.Random, split: Split) -> tuple[str, str]:
    """Another topic, or other arithmetic: language and question."""
    draw = rng.random()
    if draw < 0.12:
        return "en", ALONE.draw(rng, split)
    if draw < 0.2:
        return "en", ARITHMETIC.draw(rng, split).format(a=rng.randint(0, 99), b=rng.randint(0, 99))
    lang = rng.choice(world.LANGUAGES) if rng.random() < 0.6 else "en"
    return lang, QUESTIONS[lang].draw(rng, split).format(x=_topic(rng, split, lang))
