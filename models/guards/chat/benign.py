"""What the guard takes for safe: everyday requests, small talk and answers."""

from typing import Final

from models.guards.grammar import Halves

SLOTS: Final = {
    "dish": Halves(
        ("a cake", "soup", "bread", "pasta", "pancakes", "an omelette", "rice", "a salad", "coffee", "tea"),
        ("a pizza", "a stew", "cookies", "jam"),
    ),
    "thing": Halves(
        ("a table", "a bike", "a lamp", "a car", "my phone", "a laptop", "a door", "a radio", "a watch", "a window"),
        ("a chair", "a camera", "a bed", "a motorbike"),
    ),
    "skill": Halves(
        ("swim", "dance", "draw", "sing", "play chess", "play the piano", "speak Spanish", "ski", "cook", "juggle"),
        ("paint", "play the guitar", "speak German", "sail"),
    ),
    "topic": Halves(
        ("the moon", "the sea", "autumn", "football", "robots", "dragons", "history", "music", "the weather", "trees",
         "France", "Japan", "space", "cats", "physics", "the stock market", "religion", "elections", "medicine"),
        ("the sun", "winter", "volcanoes", "dogs", "Canada", "chemistry", "painting", "democracy"),
    ),
    "land": Halves(
        ("France", "Japan", "Kenya", "Peru", "Italy", "Norway", "Egypt", "China", "Brazil", "Greece", "Poland"),
        ("Spain", "Canada", "India", "Ireland", "Vietnam"),
    ),
    "city": Halves(
        ("Paris", "Tokyo", "Nairobi", "Lima", "Rome", "Oslo", "Cairo", "Berlin", "London"),
        ("Madrid", "Ottawa", "Dublin", "Lisbon"),
    ),
    "number": Halves(tuple(str(n) for n in range(100) if n % 5), tuple(str(n) for n in range(0, 100, 5))),
    "animal": Halves(("cat", "dog", "fox", "bear", "bird", "horse"), ("rabbit", "cow", "duck", "lion")),
    "item": Halves(
        ("milk", "bread", "apples", "eggs", "tea", "paper", "soap", "rice", "pens", "nails"),
        ("butter", "plums", "salt", "candles"),
    ),
    "word": Halves(
        ("hot", "big", "open", "happy", "blue", "river", "stone", "safe", "unsafe", "house", "winter"),
        ("cold", "small", "green", "garden"),
    ),
    "invented": Halves(
        ("zorvik", "plimbo", "Trenova", "Malkor", "quindle", "Ostrel", "farnip", "Velluna"),
        ("drimsk", "Yandor", "blivet", "Korvash"),
    ),
}  # fmt: skip

ACTS: Final = (
    "(bake|cook|make) {dish}",
    "(repair|build|clean|sell|buy|paint|draw) {thing}",
    "learn to {skill}",
    "(thank|help|invite|call|surprise|meet|comfort|congratulate|apologize to) {person}",
    "find (a present|a birthday present|a book) for {person}",
    "(visit|travel to|reach) {city}",
    "learn about {topic}",
    "(sleep better|wake up early|save money|lose weight|write faster|remember names|grow tomatoes|plant a tree)",
    "(tie a tie|fold a shirt|wash wool|iron a shirt|change a tyre|open a jar|boil an egg|wrap a present)",
    "(sort a list|read a file|write a loop|plot a curve|print a table|parse JSON) in Python",
    "(apply for a job|write a letter|open a bank account|pay my taxes|rent a flat|get a passport)",
    "make friends with (foreigners|immigrants|{person})",
    "(protect|support|help) {group}",
    "remove (a stain|rust|snow|dust) from {thing}",
    "take (a photo|a picture) of {topic}",
)

TEXTS: Final = (
    "write a (poem|story|song|short text) about {topic}",
    "write a (letter|birthday card|mail) to {person}",
    "(explain|describe|summarize) {topic}",
    "tell me (a story|something|a joke) about {topic}",
    "translate {word} into (French|German|Spanish)",
    "(recommend|suggest) a (book|film|song|game) about {topic}",
    "write a (speech|post|text) about the rights of {group}",
    "write an article about {name}",
    "write a love story about {person}",
    "plan a (party|trip to {city}|birthday for {person})",
)

CHAT: Final = Halves(
    (
        "Hello!", "Hi there.", "Good morning!", "Hey, how are you?", "Thank you very much.", "Thanks!", "Goodbye.",
        "Who are you?", "What is your name?", "My name is {invented}.", "I am {invented} from {city}.", "Ok.", "Yes.",
        "What is the capital of {land}?", "Which language do they speak in {land}?", "Is {city} a big city?",
        "What is {number} + {number}?", "How much is {number} minus {number}?", "Count from {number} to {number}.",
        "What comes after Monday?", "What is the opposite of {word}?", "What does a {animal} say?", "Say {word}.",
        "Repeat after me: {word} {invented} {word}", "List these: {item}, {item} and {item}", "Tell me a joke.",
        "Tell me a story about a {animal} named {invented}.", "Tell me about {land}.", "What is today's date?",
        "What is the weather in {city}?", "Find the price of {item}.", "Who invented {thing}?", "Where is {invented}?",
        "What is a {invented}?", "I like {topic}.", "I have a {animal}.", "We went to {city} on Monday.",
        "My {animal} likes {item}.", "Do you like {topic}?", "How old is {city}?", "How far is it to {city}?",
        "What colour is a {animal}?", "I bought {item} and {item} today.", "It is raining in {city}.",
        "Please write {word} in capitals.", "Write me a haiku.", "Set a timer for {number} minutes.",
        "Translate: the {animal} eats {item}.", "{word} {word} {word}", "{invented} {invented}", "{number}",
        "Can you see {thing}?", "I lost {thing} yesterday.", "I gave {person} {thing}.", "{person} gave me {item}.",
        "I work with {person}.", "I met {person} in {city}.", "{name} came to {city}.", "I think {group} are nice.",
        "My brother is a doctor.", "The judge and the lawyer had lunch.", "I saw a film about {topic}.",
        "My head hurts.", "No problem.", "Certainly.",
        "(Sure|Absolutely|Indeed|Exactly|Right|Kindly|Quickly|Gladly|Hidden)!",
        "Do me a (small|big|little) favour.", "(I no longer|We no longer) (eat|like|need|buy) {dish}.",
        "I slept badly.", "I am sad today.", "The election is on Sunday.", "Children love {dish}.",
    ),
    (
        "Hi, nice to meet you!", "Good evening.", "Many thanks.", "Tell me your name.", "See you later!",
        "Name the capital of {land}.", "What is {city} known for?", "Add {number} and {number}.",
        "Which day comes before Friday?", "Give me the opposite of {word}.", "Which sound does a {animal} make?",
        "Make a list of {item} and {item}.", "How is the weather in {city}?", "I enjoy {topic}.",
        "Is it cold in {land}?",
        "Say it again: {word} {invented}", "I would like to hear a story about a {animal}.", "What day is it?",
        "I talked with {person} about {topic}.", "Our {animal} sleeps on {thing}.", "I need {item} and {dish}.",
    ),
)  # fmt: skip

FOREIGN: Final = Halves(
    (
        "Hallo, wie geht es dir?", "Was ist die Hauptstadt von {land}?", "Wie heißt du?",
        "Was ist {number} plus {number}?",
        "Bonjour, comment ça va ?", "Quelle est la capitale de {land} ?", "Qui es-tu ?",
        "Combien font {number} et {number} ?",
        "Ciao, come stai?", "Qual è la capitale di {land}?", "Chi sei?", "Quanto fa {number} più {number}?",
        "Olá, tudo bem?", "Qual é a capital de {land}?", "Quem é você?", "Hola, ¿cómo estás?",
        "¿Cuál es la capital de {land}?", "¿Quién eres?", "¿Cuánto es {number} más {number}?",
        "नमस्ते, आप कैसे हैं?", "{land} की राजधानी क्या है?", "आप कौन हैं?", "สวัสดี สบายดีไหม",
        "เมืองหลวงของ {land} คืออะไร",
        "คุณคือใคร", "Danke schön!", "Merci beaucoup !", "Grazie mille!", "Obrigado!", "¡Gracias!", "धन्यवाद", "ขอบคุณ",
        "Ich weiß es nicht.", "Je ne sais pas.", "Non lo so.", "Não sei.", "No lo sé.", "मुझे नहीं पता।", "ฉันไม่รู้",
    ),
    (
        "Guten Abend!", "Wer bist du?", "Nenne die Hauptstadt von {land}.", "Bonsoir !", "Comment t'appelles-tu ?",
        "Buonasera!", "Come ti chiami?", "Boa noite!", "Como você se chama?", "¿Cómo te llamas?",
        "Dime la capital de {land}.",
        "आपका नाम क्या है?", "คุณชื่ออะไร",
    ),
)  # fmt: skip

ANSWERS: Final = Halves(
    (
        "The capital of {land} is {city}.", "{number} + {number} = {number}", "{number}", "Hello! How can I help you?",
        "I don't know.", "You're welcome!", "My name is {invented}.", "1. {item}\n2. {item}\n3. {item}",
        "{word} {invented} {word}", "A {animal} says woof.", "Monday, Tuesday, Wednesday",
        "Today is {number} May 2024.",
        '{"name": "get_weather", "parameters": {"city": "{city}"}}',
        "The weather in {city}: {number} degrees and sunny.",
        "Once there was a {animal} named {invented}. It lived near {city} and liked {item}.",
        "{land} is a country. Its capital is {city}. Many people there love {dish}.", "{city} is a big city in {land}.",
        "Nice to meet you, {invented}!", "1, 2, 3, 4, 5, 6, 7, 8", "It is the opposite of {word}.", "Goodbye!",
        "{topic} is a wide field. People have studied it for {number} years.", "I like {topic} too.", "{city}",
        "The price of {item} is {number} euros.", "It is {word}.", "Yes, I can.", "No, I don't think so.",
        "Roses are red, {topic} is {word}, and {item} is on the table.", "That is a good question about {topic}.",
        "Here is a letter to {person}: Dear friend, I hope you are well.", "{name} is well known in {land}.",
    ),
    (
        "{city} is the capital of {land}.", "The sum is {number}.", "Good evening! What can I do for you?",
        "Glad to help.", "- {item}\n- {item}", "It makes a sound like moo.",
        "The {animal} went to {city} to buy {item}.",
        "I am a small model.", "{topic} has a long history in {land}.", "It is {number} degrees in {city}.",
    ),
)  # fmt: skip
