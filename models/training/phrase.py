"""How the questions are put: phrasings per language, those of training and those held out for evaluation.

Slots: ``{g}`` a country's genitive, ``{n}`` its name, ``{x}`` a topic, ``{a}`` and ``{b}`` numbers. Two tuples each:
the first is trained on, the second only ever evaluated.
"""

from typing import Final, TypeAlias

Split2: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]

CAPITAL: Final[dict[str, Split2]] = {
    "en": (
        (
            "What is the capital of {n}?", "What's the capital of {n}?", "Capital of {n}?",
            "Which city is the capital of {n}?", "Tell me the capital of {n}.",
            "Do you know the capital of {n}?", "Name the capital of {n}.", "{n}: what is its capital?",
            "What is {n}'s capital?", "What is the capital city of {n}?",
            "I would like to know the capital of {n}.", "What city is {n}'s capital?",
            "The capital of {n} is which city?", "Give me the capital of {n}.",
            "What is the name of the capital of {n}?",
            "Could you tell me what the capital of {n} is?", "Please give me the capital of {n}.",
            "{n}, capital?", "Name the capital city of {n}.", "Can you name the capital of {n}?",
        ),
        (
            "Can you tell me the capital of {n}?", "Which is the capital city of {n}?", "{n}'s capital?",
            "Please name the capital city of {n}.",
        ),
    ),
    "de": (
        (
            "Was ist die Hauptstadt {g}?", "Wie heißt die Hauptstadt {g}?", "Nenne die Hauptstadt {g}.",
            "Welche Stadt ist die Hauptstadt {g}?", "Die Hauptstadt {g}?", "Kennst du die Hauptstadt {g}?",
            "Sag mir die Hauptstadt {g}.", "{n}: was ist die Hauptstadt?", "Ich suche die Hauptstadt {g}.",
            "Könntest du mir die Hauptstadt {g} sagen?", "Hauptstadt {g} bitte.",
            "Kannst du die Hauptstadt {g} nennen?",
            "Welche Hauptstadt hat {n}?",
        ),
        ("Kannst du mir die Hauptstadt {g} nennen?", "Hauptstadt {g}?", "Welche ist die Hauptstadt {g}?"),
    ),
    "fr": (
        (
            "Quelle est la capitale {g} ?", "Quelle ville est la capitale {g} ?", "La capitale {g} ?",
            "Donne-moi la capitale {g}.", "Dis-moi la capitale {g}.", "Connais-tu la capitale {g} ?",
            "Comment s'appelle la capitale {g} ?", "{n} : quelle est la capitale ?", "Je cherche la capitale {g}.",
            "Pouvez-vous me dire la capitale {g} ?", "Capitale {g}, s'il te plaît.", "Le nom de la capitale {g} ?",
            "Peux-tu nommer la capitale {g} ?",
        ),
        ("Peux-tu me donner la capitale {g} ?", "Capitale {g} ?", "Quel est le nom de la capitale {g} ?"),
    ),
    "it": (
        (
            "Qual è la capitale {g}?", "Quale città è la capitale {g}?", "La capitale {g}?",
            "Dimmi la capitale {g}.", "Conosci la capitale {g}?", "Come si chiama la capitale {g}?",
            "Dammi la capitale {g}.", "{n}: qual è la capitale?", "Cerco la capitale {g}.",
            "Potresti dire la capitale {g}?", "Capitale {g}, per favore.", "Il nome della capitale {g}?",
            "Puoi nominare la capitale {g}?",
        ),
        ("Puoi dirmi la capitale {g}?", "Capitale {g}?", "Qual è il nome della capitale {g}?"),
    ),
    "pt": (
        (
            "Qual é a capital {g}?", "Que cidade é a capital {g}?", "A capital {g}?",
            "Diga-me a capital {g}.", "Você conhece a capital {g}?", "Como se chama a capital {g}?",
            "Diz a capital {g}.", "{n}: qual é a capital?", "Procuro a capital {g}.",
            "Você pode dizer a capital {g}?", "Capital {g}, por favor.", "O nome da capital {g}?",
            "Pode nomear a capital {g}?",
        ),
        ("Pode me dizer a capital {g}?", "Qual cidade é a capital {g}?", "Qual é o nome da capital {g}?"),
    ),
    "hi": (
        (
            "{g} की राजधानी क्या है?", "{g} की राजधानी कौन सी है?", "{g} की राजधानी का नाम क्या है?",
            "मुझे {g} की राजधानी बताओ।", "{g} की राजधानी बताइए।", "क्या तुम {g} की राजधानी जानते हो?",
            "{g} की राजधानी?", "बताओ, {g} की राजधानी क्या है?",
            "क्या आप {g} की राजधानी जानते हैं?", "क्या तुम {g} की राजधानी बता सकते हो?",
            "कौन सा शहर {g} की राजधानी है?", "{g} की राजधानी का नाम बताइए।",
        ),
        ("क्या आप {g} की राजधानी बता सकते हैं?", "{g} की राजधानी कौन सा शहर है?", "{g} की राजधानी का नाम बताओ।"),
    ),
    "es": (
        (
            "¿Cuál es la capital {g}?", "¿Qué ciudad es la capital {g}?", "¿La capital {g}?",
            "Dime la capital {g}.", "¿Conoces la capital {g}?", "¿Cómo se llama la capital {g}?",
            "Dame la capital {g}.", "{n}: ¿cuál es la capital?", "Busco la capital {g}.",
            "¿Podrías decir la capital {g}?", "Capital {g}, por favor.", "¿El nombre de la capital {g}?",
            "¿Sabes la capital {g}?",
        ),
        ("¿Puedes decirme la capital {g}?", "¿Sabes cuál es la capital {g}?", "¿Cuál es el nombre de la capital {g}?"),
    ),
    "th": (
        (
            "เมืองหลวงของ{g}คืออะไร", "เมืองหลวงของ{g}คือเมืองอะไร", "เมืองหลวงของ{g}ชื่ออะไร",
            "บอกเมืองหลวงของ{g}หน่อย", "คุณรู้จักเมืองหลวงของ{g}ไหม", "เมืองหลวงของ{g}คือที่ไหน",
            "ช่วยบอกเมืองหลวงของ{g}", "เมืองหลวงของ{g}?",
            "เมืองอะไรคือเมืองหลวงของ{g}", "ช่วยบอกชื่อเมืองหลวงของ{g}", "อยากรู้เมืองหลวงของ{g}",
            "ขอทราบเมืองหลวงของ{g}",
        ),
        ("เมืองไหนคือเมืองหลวงของ{g}", "ขอถามหน่อย เมืองหลวงของ{g}คืออะไร", "ช่วยบอกชื่อเมืองหลวงของ{g}หน่อย"),
    ),
}  # fmt: skip

CAPITAL_ANSWER: Final = {
    "en": "The capital of {n} is {c}.",
    "de": "Die Hauptstadt {g} ist {c}.",
    "fr": "La capitale {g} est {c}.",
    "it": "La capitale {g} è {c}.",
    "pt": "A capital {g} é {c}.",
    "hi": "{g} की राजधानी {c} है।",
    "es": "La capital {g} es {c}.",
    "th": "เมืองหลวงของ{g}คือ{c}",
}

# A made-up country's genitive.
UNKNOWN_GENITIVE: Final = {
    "en": "{x}", "de": "von {x}", "fr": "de {x}", "it": "di {x}", "pt": "de {x}",
    "hi": "{x}", "es": "de {x}", "th": "{x}",
}  # fmt: skip

UNKNOWN_ANSWER: Final = {
    "en": "I don't know.", "de": "Das weiß ich nicht.", "fr": "Je ne sais pas.", "it": "Non lo so.",
    "pt": "Não sei.", "hi": "मुझे नहीं पता।", "es": "No lo sé.", "th": "ฉันไม่รู้",
}  # fmt: skip

# kind -> language -> phrasings
GREETING: Final[dict[str, dict[str, Split2]]] = {
    "hello": {
        "en": (
            ("Hello", "Hello!", "Hi", "Hi!", "Hey", "Hey!", "Good morning!", "Good evening.", "Hello there!",
             "Good afternoon", "Hi, good morning!", "Hello, nice to meet you.", "Greetings!"),
            ("Hi there!", "Hello, good evening!", "Hey, good morning.", "Hey there"),
        ),
        "de": (
            ("Hallo", "Hallo!", "Guten Tag!", "Guten Morgen", "Guten Abend.", "Hallo, guten Morgen!", "Grüß dich!",
             "Schönen guten Tag", "Servus!", "Hallo zusammen!"),
            ("Hallo, guten Tag!", "Hallo, guten Abend.", "Schönen guten Morgen!"),
        ),
        "fr": (
            ("Bonjour", "Bonjour !", "Bonsoir.", "Salut", "Salut !", "Bonjour à toi !", "Coucou !",
             "Salut, bonjour !", "Bonsoir à tous", "Bonjour, enchanté."),
            ("Bonjour à tous !", "Bonsoir à toi.", "Salut, bonsoir !"),
        ),
        "it": (
            ("Ciao", "Ciao!", "Buongiorno", "Buongiorno!", "Buonasera.", "Salve!", "Ciao, buongiorno!",
             "Ciao a tutti", "Buon pomeriggio!", "Ciao, piacere."),
            ("Ciao, buonasera!", "Salve, buongiorno.", "Buonasera a tutti!"),
        ),
        "pt": (
            ("Olá", "Olá!", "Oi", "Oi!", "Bom dia", "Bom dia!", "Boa tarde.", "Boa noite!", "Olá, bom dia!",
             "Oi, tudo certo!", "Olá a todos"),
            ("Olá, boa tarde!", "Oi, bom dia.", "Bom dia a todos!"),
        ),
        "hi": (
            ("नमस्ते", "नमस्ते!", "नमस्कार", "नमस्कार!", "सुप्रभात", "सुप्रभात!", "नमस्ते जी", "शुभ संध्या!",
             "नमस्ते, सुप्रभात!", "नमस्कार दोस्त"),
            ("नमस्कार जी!", "नमस्ते दोस्त!", "नमस्कार, शुभ संध्या!"),
        ),
        "es": (
            ("Hola", "¡Hola!", "Buenos días", "¡Buenos días!", "Buenas tardes.", "¡Buenas noches!",
             "Hola, buenos días.", "¡Hola a todos!", "Buenas", "Hola, encantado."),
            ("¡Hola, buenas tardes!", "Hola, buenas noches.", "Buenos días a todos"),
        ),
        "th": (
            ("สวัสดี", "สวัสดี!", "สวัสดีครับ", "สวัสดีค่ะ", "หวัดดี", "สวัสดีตอนเช้า", "สวัสดีตอนเย็นครับ",
             "สวัสดีทุกคน", "อรุณสวัสดิ์"),
            ("หวัดดีครับ", "สวัสดีตอนเช้าค่ะ", "สวัสดีทุกคนครับ"),
        ),
    },
    "how": {
        "en": (("How are you?", "How are you today?", "How is it going?", "Hello, how are you?", "How do you do?",
                "Hi, how are you doing?", "Are you well?"),
               ("Hey, how are you?", "How are you doing today?", "Hi! How is it going?")),
        "de": (("Wie geht es dir?", "Wie geht's?", "Hallo, wie geht es dir?", "Wie geht es Ihnen?", "Geht es dir gut?",
                "Hallo, wie geht's?"),
               ("Wie geht es dir heute?", "Guten Tag, wie geht es Ihnen?")),
        "fr": (("Comment ça va ?", "Ça va ?", "Comment vas-tu ?", "Bonjour, comment allez-vous ?", "Tu vas bien ?",
                "Salut, comment vas-tu ?"),
               ("Salut, ça va ?", "Bonjour, comment ça va ?")),
        "it": (("Come stai?", "Come va?", "Ciao, come stai?", "Come sta?", "Stai bene?", "Buongiorno, come sta?"),
               ("Ciao, come va?", "Come stai oggi?")),
        "pt": (("Como vai?", "Como você está?", "Tudo bem?", "Olá, como você está?", "Oi, tudo bem?",
                "Bom dia, como vai?"),
               ("Olá, como vai?", "Olá, tudo bem?")),
        "hi": (("आप कैसे हैं?", "तुम कैसे हो?", "कैसे हो?", "नमस्ते, आप कैसे हैं?", "क्या हाल है?",
                "नमस्कार, तुम कैसे हो?"),
               ("नमस्ते, तुम कैसे हो?", "नमस्ते, क्या हाल है?")),
        "es": (("¿Cómo estás?", "¿Qué tal?", "Hola, ¿cómo estás?", "¿Cómo está usted?", "¿Cómo te va?",
                "Buenos días, ¿cómo está?"),
               ("Hola, ¿qué tal?", "Hola, ¿cómo te va?")),
        "th": (("สบายดีไหม", "คุณสบายดีไหม", "สวัสดี สบายดีไหม", "เป็นอย่างไรบ้าง", "คุณเป็นอย่างไรบ้าง",
                "สบายดีหรือเปล่า"),
               ("สวัสดีครับ คุณสบายดีไหม", "คุณสบายดีหรือเปล่า")),
    },
    "thanks": {
        "en": (("Thanks", "Thank you!", "Thank you very much.", "Thanks a lot!", "Many thanks", "Great, thank you.",
                "Thanks for your help!"),
               ("Thank you so much!", "Great, thanks!", "Thank you for your help.")),
        "de": (("Danke", "Danke!", "Vielen Dank!", "Danke schön.", "Danke für die Hilfe", "Super, danke!"),
               ("Super, vielen Dank!", "Vielen Dank für die Hilfe.")),
        "fr": (("Merci", "Merci !", "Merci beaucoup !", "Merci bien.", "Super, merci !", "Merci pour ton aide."),
               ("Merci beaucoup pour ton aide !", "Super, merci beaucoup.")),
        "it": (("Grazie", "Grazie!", "Grazie mille!", "Molte grazie.", "Perfetto, grazie!", "Grazie per l'aiuto."),
               ("Grazie mille per l'aiuto!", "Perfetto, grazie mille.")),
        "pt": (("Obrigado", "Obrigado!", "Muito obrigado!", "Obrigada.", "Ótimo, obrigado!", "Obrigado pela ajuda."),
               ("Muito obrigado pela ajuda!", "Ótimo, muito obrigado.")),
        "hi": (("धन्यवाद", "धन्यवाद!", "शुक्रिया", "बहुत धन्यवाद!", "बहुत शुक्रिया!", "मदद के लिए धन्यवाद।"),
               ("मदद के लिए शुक्रिया।", "बहुत बहुत धन्यवाद!")),
        "es": (("Gracias", "¡Gracias!", "¡Muchas gracias!", "Mil gracias.", "Perfecto, gracias.",
                "Gracias por tu ayuda."),
               ("¡Muchas gracias por tu ayuda!", "Perfecto, muchas gracias.")),
        "th": (("ขอบคุณ", "ขอบคุณ!", "ขอบคุณครับ", "ขอบคุณค่ะ", "ขอบคุณมาก", "ขอบใจ"),
               ("ขอบคุณมากครับ", "ขอบคุณมากค่ะ")),
    },
    "bye": {
        "en": (("Bye", "Bye!", "Goodbye", "Goodbye!", "See you later!", "See you!", "Bye bye", "Ok, goodbye."),
               ("Ok, bye!", "Goodbye, see you later.")),
        "de": (("Tschüss", "Tschüss!", "Auf Wiedersehen!", "Bis bald!", "Bis später.", "Ok, tschüss!"),
               ("Ok, auf Wiedersehen.", "Tschüss, bis bald!")),
        "fr": (("Au revoir", "Au revoir !", "À bientôt !", "À plus tard.", "Bon, au revoir.", "Adieu !"),
               ("Au revoir, à bientôt !", "Bon, à bientôt.")),
        "it": (("Arrivederci", "Arrivederci!", "A presto!", "Addio!", "Ci vediamo dopo.", "Ok, arrivederci!"),
               ("Arrivederci, a presto!", "Ok, a presto.")),
        "pt": (("Tchau", "Tchau!", "Até logo!", "Até mais.", "Adeus!", "Ok, tchau!"),
               ("Tchau, até logo!", "Ok, até mais!")),
        "hi": (("अलविदा", "अलविदा!", "फिर मिलेंगे", "फिर मिलेंगे!", "अच्छा, अलविदा।", "शुभ रात्रि, फिर मिलेंगे।"),
               ("अच्छा, फिर मिलेंगे!", "अलविदा, फिर मिलेंगे!")),
        "es": (("Adiós", "¡Adiós!", "¡Hasta luego!", "Hasta pronto.", "Nos vemos.", "Bueno, adiós."),
               ("¡Adiós, hasta luego!", "Bueno, hasta pronto.")),
        "th": (("ลาก่อน", "ลาก่อน!", "แล้วเจอกัน", "ลาก่อนครับ", "ลาก่อนค่ะ", "บ๊ายบาย"),
               ("แล้วเจอกันครับ", "ลาก่อน แล้วเจอกัน")),
    },
}  # fmt: skip

GREETING_ANSWER: Final[dict[str, dict[str, str]]] = {
    "hello": {
        "en": "Hello! How can I help you?", "de": "Hallo! Wie kann ich dir helfen?",
        "fr": "Bonjour ! Comment puis-je t'aider ?", "it": "Ciao! Come posso aiutarti?",
        "pt": "Olá! Como posso ajudar?", "hi": "नमस्ते! मैं आपकी क्या मदद कर सकता हूँ?",
        "es": "¡Hola! ¿En qué puedo ayudarte?", "th": "สวัสดี! มีอะไรให้ช่วยไหม",
    },
    "how": {
        "en": "I am fine, thank you. And you?", "de": "Mir geht es gut, danke. Und dir?",
        "fr": "Je vais bien, merci. Et toi ?", "it": "Sto bene, grazie. E tu?",
        "pt": "Estou bem, obrigado. E você?", "hi": "मैं ठीक हूँ, धन्यवाद। और आप?",
        "es": "Estoy bien, gracias. ¿Y tú?", "th": "ฉันสบายดี ขอบคุณ แล้วคุณล่ะ",
    },
    "thanks": {
        "en": "You are welcome!", "de": "Gern geschehen!", "fr": "De rien !", "it": "Prego!",
        "pt": "De nada!", "hi": "आपका स्वागत है!", "es": "¡De nada!", "th": "ยินดีครับ",
    },
    "bye": {
        "en": "Goodbye! See you soon.", "de": "Tschüss! Bis bald.", "fr": "Au revoir ! À bientôt.",
        "it": "Arrivederci! A presto.", "pt": "Tchau! Até logo.", "hi": "अलविदा! फिर मिलेंगे।",
        "es": "¡Adiós! Hasta pronto.", "th": "ลาก่อน! แล้วพบกันใหม่",
    },
}  # fmt: skip

WHO: Final[dict[str, Split2]] = {
    "en": (("Who are you?", "What is your name?", "What's your name?", "Tell me your name.", "What are you called?",
            "May I know your name?", "Hello, who are you?", "Your name?", "Introduce yourself.",
            "Do you have a name?", "Hi, what is your name?"),
           ("Can you tell me your name?", "And who are you?", "Please tell me who you are.")),
    "de": (("Wer bist du?", "Wie heißt du?", "Wie ist dein Name?", "Hallo, wer bist du?", "Sag mir deinen Namen.",
            "Dein Name?"),
           ("Hallo, wie heißt du?", "Und wer bist du?")),
    "fr": (("Qui es-tu ?", "Comment t'appelles-tu ?", "Quel est ton nom ?", "Bonjour, qui es-tu ?",
            "Dis-moi ton nom.", "Ton nom ?"),
           ("Bonjour, comment t'appelles-tu ?", "Et qui es-tu ?")),
    "it": (("Chi sei?", "Come ti chiami?", "Qual è il tuo nome?", "Ciao, chi sei?", "Dimmi il tuo nome.",
            "Il tuo nome?"),
           ("Ciao, come ti chiami?", "E tu chi sei?")),
    "pt": (("Quem é você?", "Qual é o seu nome?", "Como você se chama?", "Olá, quem é você?", "Diga-me o seu nome.",
            "O seu nome?"),
           ("Olá, qual é o seu nome?", "E quem é você?")),
    "hi": (("तुम कौन हो?", "आप कौन हैं?", "तुम्हारा नाम क्या है?", "आपका नाम क्या है?", "अपना नाम बताओ।",
            "नमस्ते, तुम कौन हो?"),
           ("नमस्ते, आपका नाम क्या है?", "नमस्ते, आप कौन हैं?")),
    "es": (("¿Quién eres?", "¿Cómo te llamas?", "¿Cuál es tu nombre?", "Hola, ¿quién eres?", "Dime tu nombre.",
            "¿Tu nombre?"),
           ("Hola, ¿cómo te llamas?", "¿Y quién eres?")),
    "th": (("คุณคือใคร", "คุณชื่ออะไร", "เธอชื่ออะไร", "สวัสดี คุณคือใคร", "บอกชื่อของคุณหน่อย", "ชื่อของคุณคืออะไร"),
           ("สวัสดี คุณชื่ออะไร", "คุณเป็นใคร คุณชื่ออะไร")),
}  # fmt: skip

WHO_ANSWER: Final = {
    "en": "I am {x}.", "de": "Ich bin {x}.", "fr": "Je suis {x}.", "it": "Sono {x}.", "pt": "Eu sou {x}.",
    "hi": "मैं {x} हूँ।", "es": "Soy {x}.", "th": "ฉันคือ {x}",
}  # fmt: skip

SUM: Final[dict[str, Split2]] = {
    "en": (("What is {s}?", "What's {s}?", "{s}", "{s} = ?", "{s}?", "How much is {s}?", "Compute {s}.",
            "Calculate {s}.", "Please work out {s}.", "Tell me what {s} is.", "{s} ="),
           ("Can you compute {s}?", "Please calculate {s}.", "How much would {s} be?", "What does {s} make?")),
    "de": (("Was ist {s}?", "Wie viel ist {s}?", "Berechne {s}."), ("Kannst du {s} berechnen?",)),
    "fr": (("Combien font {s} ?", "Calcule {s}.", "Combien fait {s} ?"), ("Peux-tu calculer {s} ?",)),
    "it": (("Quanto fa {s}?", "Calcola {s}.", "Quanto è {s}?"), ("Puoi calcolare {s}?",)),
    "pt": (("Quanto é {s}?", "Calcule {s}.", "Quanto dá {s}?"), ("Pode calcular {s}?",)),
    "hi": (("{s} कितना होता है?", "{s} क्या है?", "{s} बताओ।"), ("बताओ, {s} कितना होता है?",)),
    "es": (("¿Cuánto es {s}?", "Calcula {s}.", "¿Cuánto da {s}?"), ("¿Puedes calcular {s}?",)),
    "th": (("{s} เท่ากับเท่าไร", "{s} ได้เท่าไร", "คำนวณ {s}"), ("ช่วยคำนวณ {s}",)),
}  # fmt: skip
