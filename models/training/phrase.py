"""How things are asked, by language: openings, frames, and what is asked for, combined into hundreds of phrasings.

Slots: ``{np}`` what is asked for, ``{g}`` a country's genitive, ``{n}`` its name, ``{s}`` a sum, ``{w}`` words.
`models.training.wording` combines these tables, and keeps some of the combinations for evaluation only.
"""

from typing import Final

OPENERS: Final[dict[str, tuple[str, ...]]] = {
    "en": ("Quick question: ", "Hi! ", "Hello, ", "Hello! ", "Hi, ", "I have a question. ", "Hey, ",
           "Ok. ", "Ok, ", "And ", "So, ", "Now, ", "Good morning! ", "Question: ", "Excuse me, ",
           "One more question: ", "Thanks! ", "Great. "),
    "de": ("Sag mal, ", "Eine Frage: ", "Hallo! ", "Hallo, ", "Ich habe eine Frage. ", "Ok, ", "Guten Tag! ",
           "Entschuldigung, ", "Noch eine Frage: ", "Danke! "),
    "fr": ("Une question : ", "Bonjour ! ", "Bonjour, ", "J'ai une question. ", "Salut, ", "Ok, ",
           "Excusez-moi, ", "Encore une question : ", "Merci ! "),
    "it": ("Una domanda: ", "Ciao! ", "Ciao, ", "Ho una domanda. ", "Ok, ", "Buongiorno, ", "Scusa, ",
           "Un'altra domanda: ", "Grazie! "),
    "pt": ("Uma pergunta: ", "Olá! ", "Olá, ", "Tenho uma pergunta. ", "Oi, ", "Ok, ", "Bom dia! ",
           "Com licença, ", "Outra pergunta: ", "Obrigado! "),
    "hi": ("सुनो, ", "एक सवाल: ", "नमस्ते! ", "नमस्ते, ", "मेरा एक सवाल है। ", "अच्छा, ", "नमस्कार! ",
           "एक और सवाल: ", "धन्यवाद! "),
    "es": ("Una pregunta: ", "¡Hola! ", "Hola, ", "Tengo una pregunta. ", "Ok, ", "Buenos días, ",
           "Perdona, ", "Otra pregunta: ", "¡Gracias! "),
    "th": ("มีคำถาม ", "สวัสดี ", "ถามหน่อยนะ ", "สวัสดีครับ ", "สวัสดีค่ะ ", "ขอถามหน่อย ", "อีกคำถามหนึ่ง ",
           "ขอบคุณ "),
}  # fmt: skip
"""What may stand before a question."""

CLOSERS: Final[dict[str, tuple[str, ...]]] = {
    "en": (" Thanks!", " Thank you.", " Do you know?"),
    "de": (" Danke!", " Vielen Dank."),
    "fr": (" Merci !", " Merci d'avance."),
    "it": (" Grazie!", " Grazie mille."),
    "pt": (" Obrigado!", " Obrigada."),
    "hi": (" धन्यवाद!", " कृपया बताओ।", " शुक्रिया।"),
    "es": (" ¡Gracias!", " Muchas gracias."),
    "th": (" ขอบคุณ", " ครับ", " ค่ะ"),
}
"""What may stand after one."""

FRAMES: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "What is {np}?", "What's {np}?", "{np}?", "Tell me {np}.", "Can you tell me {np}?", "Could you tell me {np}?",
        "Please tell me {np}.", "Do you know {np}?", "I would like to know {np}.", "I'd like to know {np}.",
        "I want to know {np}.", "Give me {np}.", "Please give me {np}.", "Can you give me {np}?", "Say {np}.",
        "Would you tell me {np}?", "Could you please tell me {np}?", "Can you please tell me {np}?", "I need {np}.",
        "I need to know {np}.", "Let me know {np}.", "Can you tell me what {np} is?", "Tell me what {np} is.",
        "Do you know what {np} is?", "I wonder what {np} is.", "Could you tell me what {np} is?", "{np}, please.",
        "May I know {np}?", "May I ask what {np} is?", "What would {np} be?", "Do you happen to know {np}?",
        "Could you give me {np}?", "I am looking for {np}.", "Will you tell me {np}?", "What exactly is {np}?",
    ),
    "de": (
        "Was ist {np}?", "Wie heißt {np}?", "Nenne {np}.", "Nenne mir {np}.", "Nenn mir bitte {np}.", "Sag mir {np}.",
        "Sag mir bitte {np}.", "Kannst du mir {np} nennen?", "Kannst du mir {np} sagen?", "Kannst du {np} nennen?",
        "Könntest du mir {np} nennen?", "Könntest du mir bitte {np} sagen?", "Kennst du {np}?",
        "Weißt du, was {np} ist?", "Ich möchte {np} wissen.", "Ich suche {np}.", "{np}?", "{np}, bitte.",
        "Können Sie mir {np} sagen?", "Können Sie mir {np} nennen?", "Verrate mir {np}.", "Kennen Sie {np}?",
        "Ich würde gern {np} wissen.", "Gib mir {np}.", "Weißt du, wie {np} heißt?", "Welche ist {np}?",
    ),
    "fr": (
        "Quelle est {np} ?", "Quelle ville est {np} ?", "{np} ?", "Donne-moi {np}.", "Dis-moi {np}.",
        "Connais-tu {np} ?", "Comment s'appelle {np} ?", "Je cherche {np}.", "Pouvez-vous me dire {np} ?",
        "Peux-tu me dire {np} ?",
        "Peux-tu me donner {np} ?", "Pouvez-vous me donner {np} ?", "Peux-tu nommer {np} ?", "{np}, s'il te plaît.",
        "{np}, s'il vous plaît.", "Dites-moi {np}.", "Donnez-moi {np}.", "Connaissez-vous {np} ?", "C'est quoi {np} ?",
        "Sais-tu quelle est {np} ?", "Je veux connaître {np}.", "Je voudrais connaître {np}.",
        "Pourrais-tu me dire {np} ?", "Savez-vous quelle est {np} ?", "Quel est le nom de {np} ?",
    ),
    "it": (
        "Qual è {np}?", "Quale città è {np}?", "{np}?", "Dimmi {np}.", "Dammi {np}.", "Conosci {np}?",
        "Come si chiama {np}?", "Cerco {np}.", "Potresti dirmi {np}?", "Puoi dirmi {np}?", "Puoi darmi {np}?",
        "Puoi nominare {np}?", "{np}, per favore.", "Mi dici {np}?", "Mi puoi dire {np}?", "Sai qual è {np}?",
        "Vorrei sapere {np}.", "Voglio sapere {np}.", "Mi sai dire {np}?", "Può dirmi {np}?", "Lei conosce {np}?",
        "Potrebbe dirmi {np}?", "Sai dirmi {np}?", "Vorrei conoscere {np}.",
    ),
    "pt": (
        "Qual é {np}?", "Que cidade é {np}?", "Qual cidade é {np}?", "{np}?", "Diga-me {np}.", "Me diga {np}.",
        "Você conhece {np}?", "Como se chama {np}?", "Procuro {np}.", "Pode me dizer {np}?", "Você pode me dizer {np}?",
        "Poderia me dizer {np}?", "Pode nomear {np}?", "{np}, por favor.", "Você sabe qual é {np}?", "Sabe {np}?",
        "Quero saber {np}.", "Gostaria de saber {np}.", "Diz {np}.", "Me dê {np}.", "Pode dizer {np}?",
        "Sabes qual é {np}?", "Podes dizer-me {np}?", "Me fale {np}.",
    ),
    "hi": (
        "{np} क्या है?", "{np} कौन सी है?", "{np} का नाम क्या है?", "मुझे {np} बताओ।", "{np} बताइए।", "{np} बताओ।",
        "क्या तुम {np} जानते हो?", "क्या आप {np} जानते हैं?", "{np}?", "क्या आप {np} बता सकते हैं?",
        "क्या तुम {np} बता सकते हो?", "{np} का नाम बताओ।", "{np} का नाम बताइए।", "कौन सा शहर {np} है?",
        "{np} कौन सा शहर है?", "मुझे {np} बताइए।", "कृपया {np} बताइए।", "कृपया {np} बताओ।", "क्या आपको {np} पता है?",
        "मुझे {np} जाननी है।", "मैं {np} जानना चाहता हूँ।", "क्या तुम्हें {np} पता है?", "{np} कहाँ है?",
        "{np} को क्या कहते हैं?",
    ),
    "es": (
        "¿Cuál es {np}?", "¿Qué ciudad es {np}?", "¿{np}?", "Dime {np}.", "Dame {np}.", "¿Conoces {np}?",
        "¿Cómo se llama {np}?", "Busco {np}.", "¿Podrías decirme {np}?", "¿Puedes decirme {np}?", "¿Puedes decir {np}?",
        "{np}, por favor.", "¿Sabes {np}?", "¿Sabes cuál es {np}?", "¿Me dices {np}?", "¿Me puedes decir {np}?",
        "Quiero saber {np}.", "Quisiera saber {np}.", "¿Puede decirme {np}?", "Nombra {np}.", "¿Me podrías decir {np}?",
        "Me gustaría saber {np}.", "¿Conoce usted {np}?", "¿Sabe usted cuál es {np}?",
    ),
    "th": (
        "{np}คืออะไร", "{np}คือเมืองอะไร", "{np}ชื่ออะไร", "บอก{np}หน่อย", "คุณรู้จัก{np}ไหม", "{np}คือที่ไหน",
        "ช่วยบอก{np}",
        "{np}?", "เมืองอะไรคือ{np}", "ช่วยบอกชื่อ{np}", "อยากรู้{np}", "ขอทราบ{np}", "เมืองไหนคือ{np}",
        "ช่วยบอก{np}หน่อย",
        "บอกชื่อ{np}", "ช่วยบอกชื่อ{np}หน่อย", "คุณรู้{np}ไหม", "รู้ไหมว่า{np}คืออะไร", "{np}คือเมืองไหน",
        "{np}อยู่ที่ไหน",
        "ฉันอยากรู้{np}", "บอกฉันว่า{np}คืออะไร", "รู้จัก{np}ไหม", "{np}มีชื่อว่าอะไร",
    ),
}  # fmt: skip
"""Ways to ask for something that has a name."""

CAPITAL_NOUNS: Final[dict[str, tuple[str, ...]]] = {
    "en": ("the capital of {n}", "the capital city of {n}", "{n}'s capital", "{n}'s capital city",
           "the name of the capital of {n}"),
    "de": ("die Hauptstadt {g}",), "fr": ("la capitale {g}",), "it": ("la capitale {g}",), "pt": ("a capital {g}",),
    "hi": ("{g} की राजधानी",), "es": ("la capital {g}",), "th": ("เมืองหลวงของ{g}",),
}  # fmt: skip

CAPITAL: Final[dict[str, tuple[str, ...]]] = {
    "en": ("Which city is the capital of {n}?", "What city is the capital of {n}?", "Name the capital of {n}.",
           "{n}: what is its capital?", "The capital of {n} is which city?", "Which is the capital of {n}?",
           "Capital of {n}?", "Capital of {n}", "Which city is {n}'s capital?", "Name the capital city of {n}.",
           "Can you name the capital of {n}?", "What is the capital of the country {n}?", "What capital does {n} have?",
           "{n}, capital?", "Please name the capital of {n}."),
    "de": ("Hauptstadt {g}?", "Welche Hauptstadt hat {n}?", "{n}: was ist die Hauptstadt?", "Hauptstadt {g}",
           "Welche Stadt ist die Hauptstadt {g}?", "Wie lautet die Hauptstadt {g}?"),
    "fr": ("Capitale {g} ?", "{n} : quelle est la capitale ?", "Capitale {g}", "Le nom de la capitale {g} ?"),
    "it": ("Capitale {g}?", "{n}: qual è la capitale?", "Capitale {g}", "Il nome della capitale {g}?",
           "Qual è il nome della capitale {g}?"),
    "pt": ("Capital {g}?", "{n}: qual é a capital?", "Capital {g}", "O nome da capital {g}?",
           "Qual é o nome da capital {g}?"),
    "hi": ("बताओ, {g} की राजधानी क्या है?", "{g} की राजधानी", "{g}: राजधानी क्या है?"),
    "es": ("¿Capital {g}?", "{n}: ¿cuál es la capital?", "Capital {g}", "¿El nombre de la capital {g}?",
           "¿Cuál es el nombre de la capital {g}?"),
    "th": ("เมืองหลวงของ{g}", "{g}มีเมืองหลวงชื่ออะไร", "{g} เมืองหลวงคืออะไร"),
}  # fmt: skip
"""More ways to ask for a capital."""

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

# kind -> language -> (what comes first, the greeting itself, what comes last)
GREETING: Final[dict[str, dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]]]] = {
    "hello": {
        "en": (("", "Oh, ", "Well, "),
               ("Hello", "Hi", "Hey", "Good morning", "Good evening", "Good afternoon", "Hello there", "Hi there",
                "Hey there", "Greetings", "Good day", "Hiya"),
               ("", " my friend", ", friend", " everyone", ", nice to meet you", ", good to see you", " again",
                ", good morning", ", good evening", ", assistant", ", I am here", ", how nice")),
        "de": (("", "Oh, ", "Na, "),
               ("Hallo", "Guten Tag", "Guten Morgen", "Guten Abend", "Servus", "Grüß dich", "Hi", "Schönen guten Tag",
                "Moin"),
               ("", ", guten Morgen", ", guten Abend", " zusammen", ", mein Freund", ", schön dich zu sehen",
                ", freut mich")),
        "fr": (("", "Oh, ", "Eh bien, "),
               ("Bonjour", "Salut", "Bonsoir", "Coucou", "Bien le bonjour", "Hello"),
               ("", " à tous", " à toi", ", enchanté", " mon ami", ", ravi de te voir", ", bonjour", ", bonsoir")),
        "it": (("", "Oh, ", "Allora, "),
               ("Ciao", "Buongiorno", "Buonasera", "Salve", "Buon pomeriggio", "Buondì"),
               ("", " a tutti", ", piacere", ", buongiorno", ", buonasera", " amico mio", ", che bello vederti")),
        "pt": (("", "Oh, ", "Bem, "),
               ("Olá", "Oi", "Bom dia", "Boa tarde", "Boa noite", "Olá a você"),
               ("", " a todos", ", bom dia", ", boa tarde", ", meu amigo", ", prazer", ", que bom ver você",
                " pessoal")),
        "hi": (("", "अरे, ", "जी, "),
               ("नमस्ते", "नमस्कार", "सुप्रभात", "शुभ संध्या", "प्रणाम", "हैलो"),
               ("", " जी", " दोस्त", ", सुप्रभात", ", शुभ संध्या", ", मिलकर खुशी हुई", " सबको", " भाई")),
        "es": (("", "Oh, ", "Bueno, "),
               ("Hola", "Buenos días", "Buenas tardes", "Buenas noches", "Buenas", "Muy buenas"),
               ("", " a todos", ", buenos días", ", buenas tardes", ", encantado", " amigo", ", mucho gusto",
                " otra vez")),
        "th": (("",),
               ("สวัสดี", "หวัดดี", "สวัสดีตอนเช้า", "สวัสดีตอนเย็น", "อรุณสวัสดิ์", "ดีจ้า", "สวัสดีตอนบ่าย"),
               ("", "ครับ", "ค่ะ", "ทุกคน", "เพื่อน", "นะ", " ยินดีที่ได้รู้จัก", "จ้า")),
    },
    "how": {
        "en": (("", "Hello, ", "Hi! ", "Hey, ", "Good morning! ", "And ", "So, ", "Hello! ", "Hi, "),
               ("how are you?", "how are you doing?", "how are you today?", "how is it going?", "how do you do?",
                "how are things?", "are you well?", "how have you been?", "how do you feel?", "what's up?",
                "how's it going?", "how are you doing today?"),
               ("",)),
        "de": (("", "Hallo, ", "Hallo! ", "Guten Tag, ", "Hi, ", "Und ", "Guten Morgen! "),
               ("wie geht es dir?", "wie geht's?", "wie geht es Ihnen?", "geht es dir gut?", "wie geht es dir heute?",
                "wie läuft es?", "alles gut?", "wie geht's dir?"),
               ("",)),
        "fr": (("", "Bonjour, ", "Salut, ", "Salut ! ", "Et ", "Bonsoir, ", "Bonjour ! "),
               ("comment ça va ?", "ça va ?", "comment vas-tu ?", "comment allez-vous ?", "tu vas bien ?",
                "comment vas-tu aujourd'hui ?", "ça va bien ?", "vous allez bien ?"),
               ("",)),
        "it": (("", "Ciao, ", "Ciao! ", "Buongiorno, ", "E tu, ", "Salve, "),
               ("come stai?", "come va?", "come sta?", "stai bene?", "come stai oggi?", "tutto bene?", "come ti senti?",
                "come va oggi?"),
               ("",)),
        "pt": (("", "Olá, ", "Oi, ", "Olá! ", "Bom dia, ", "E ", "Boa tarde, "),
               ("como vai?", "como você está?", "tudo bem?", "como vai você?", "como você está hoje?", "você está bem?",
                "tudo bem com você?", "como estás?"),
               ("",)),
        "hi": (("", "नमस्ते, ", "नमस्कार, ", "नमस्ते! ", "और ", "अच्छा, "),
               ("आप कैसे हैं?", "तुम कैसे हो?", "कैसे हो?", "क्या हाल है?", "आज आप कैसे हैं?", "आप कैसी हैं?",
                "क्या आप ठीक हैं?", "कैसे हैं आप?"),
               ("",)),
        "es": (("", "Hola, ", "¡Hola! ", "Buenos días, ", "Y tú, ", "Buenas, "),
               ("¿cómo estás?", "¿qué tal?", "¿cómo está usted?", "¿cómo te va?", "¿cómo estás hoy?", "¿todo bien?",
                "¿estás bien?", "¿cómo está?"),
               ("",)),
        "th": (("", "สวัสดี ", "สวัสดีครับ ", "สวัสดีค่ะ ", "หวัดดี "),
               ("สบายดีไหม", "คุณสบายดีไหม", "เป็นอย่างไรบ้าง", "คุณเป็นอย่างไรบ้าง", "สบายดีหรือเปล่า", "เป็นไงบ้าง",
                "คุณสบายดีหรือเปล่า", "วันนี้เป็นอย่างไรบ้าง"),
               ("", "ครับ", "คะ")),
    },
    "thanks": {
        "en": (("", "Great, ", "Ok, ", "Perfect, ", "Super, ", "Very good, "),
               ("thanks", "thank you", "many thanks", "thanks a lot", "thank you very much", "thank you so much"),
               ("", " for your help", " for the help", " for that", ", that helped", ", very kind", ", that is all",
                " for the answer")),
        "de": (("", "Super, ", "Ok, ", "Perfekt, ", "Sehr gut, "),
               ("danke", "vielen Dank", "danke schön", "besten Dank", "danke sehr"),
               ("", " für die Hilfe", " für deine Hilfe", ", sehr nett", " dafür", " für die Antwort")),
        "fr": (("", "Super, ", "Ok, ", "Parfait, ", "Très bien, "),
               ("merci", "merci beaucoup", "merci bien", "mille mercis", "un grand merci"),
               ("", " pour ton aide", " pour l'aide", ", c'est gentil", " pour tout", " pour la réponse")),
        "it": (("", "Perfetto, ", "Ok, ", "Ottimo, ", "Molto bene, "),
               ("grazie", "grazie mille", "molte grazie", "tante grazie", "ti ringrazio"),
               ("", " per l'aiuto", " per il tuo aiuto", ", molto gentile", " di tutto", " per la risposta")),
        "pt": (("", "Ótimo, ", "Ok, ", "Perfeito, ", "Muito bem, "),
               ("obrigado", "muito obrigado", "obrigada", "muito obrigada", "valeu"),
               ("", " pela ajuda", " por tudo", ", muito gentil", " pela resposta", " mesmo")),
        "hi": (("", "बहुत बढ़िया, ", "अच्छा, ", "ठीक है, "),
               ("धन्यवाद", "शुक्रिया", "बहुत धन्यवाद", "बहुत शुक्रिया", "बहुत बहुत धन्यवाद", "आपका धन्यवाद"),
               ("", " मदद के लिए", " दोस्त", " जी", " जवाब के लिए")),
        "es": (("", "Perfecto, ", "Ok, ", "Genial, ", "Muy bien, "),
               ("gracias", "muchas gracias", "mil gracias", "muchísimas gracias", "te lo agradezco"),
               ("", " por tu ayuda", " por la ayuda", ", muy amable", " por todo", " por la respuesta")),
        "th": (("", "ดีมาก ", "โอเค "),
               ("ขอบคุณ", "ขอบคุณมาก", "ขอบใจ", "ขอบคุณจริงๆ", "ขอบคุณมากๆ"),
               ("", "ครับ", "ค่ะ", "นะ", "ที่ช่วย", "สำหรับคำตอบ")),
    },
    "bye": {
        "en": (("", "Ok, ", "Well, ", "Alright, ", "Thanks, "),
               ("bye", "goodbye", "see you", "see you later", "bye bye", "see you soon", "good night", "take care"),
               ("", ", see you", ", see you later", " for now", ", friend", ", until tomorrow", ", take care")),
        "de": (("", "Ok, ", "Gut, ", "Danke, "),
               ("tschüss", "auf Wiedersehen", "bis bald", "bis später", "bis dann", "mach's gut", "gute Nacht"),
               ("", ", bis bald", ", bis morgen", ", mein Freund", ", mach's gut", ", bis später")),
        "fr": (("", "Bon, ", "Ok, ", "Merci, "),
               ("au revoir", "à bientôt", "à plus tard", "à demain", "adieu", "bonne nuit", "à plus"),
               ("", ", à bientôt", ", à demain", " mon ami", ", bonne journée", ", à plus tard")),
        "it": (("", "Ok, ", "Bene, ", "Grazie, "),
               ("arrivederci", "a presto", "ci vediamo", "addio", "a dopo", "a domani", "buonanotte"),
               ("", ", a presto", ", a domani", " amico mio", ", buona giornata", ", ci vediamo")),
        "pt": (("", "Ok, ", "Bem, ", "Obrigado, "),
               ("tchau", "até logo", "até mais", "adeus", "até breve", "até amanhã", "tchau tchau"),
               ("", ", até logo", ", até amanhã", ", meu amigo", ", bom dia para você", ", até mais")),
        "hi": (("", "अच्छा, ", "ठीक है, ", "धन्यवाद, "),
               ("अलविदा", "फिर मिलेंगे", "शुभ रात्रि", "कल मिलेंगे", "बाय"),
               ("", ", फिर मिलेंगे", " दोस्त", ", कल मिलेंगे", " जी", ", अपना ख्याल रखना")),
        "es": (("", "Bueno, ", "Ok, ", "Gracias, "),
               ("adiós", "hasta luego", "hasta pronto", "nos vemos", "hasta mañana", "chao"),
               ("", ", hasta luego", ", hasta mañana", " amigo", ", cuídate", ", nos vemos")),
        "th": (("", "โอเค ", "เอาล่ะ "),
               ("ลาก่อน", "แล้วเจอกัน", "บ๊ายบาย", "ไปก่อนนะ", "ราตรีสวัสดิ์", "เจอกันใหม่"),
               ("", "ครับ", "ค่ะ", "นะ", " แล้วเจอกัน", "เพื่อน")),
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

WHO_NOUNS: Final = {"en": ("your name",)}

WHO: Final[dict[str, tuple[str, ...]]] = {
    "en": ("Who are you?", "What are you called?", "Introduce yourself.", "Do you have a name?",
           "Tell me who you are.", "Please tell me who you are.", "Can you tell me who you are?",
           "What should I call you?", "What can I call you?", "Who am I talking to?", "Please introduce yourself.",
           "Your name?", "How are you called?", "What do people call you?", "Who is this?", "What name do you have?"),
    "de": ("Wer bist du?", "Wie heißt du?", "Wie ist dein Name?", "Sag mir deinen Namen.", "Dein Name?",
           "Wie heißt du denn?", "Kannst du mir deinen Namen sagen?", "Wer sind Sie?",
           "Wie heißen Sie?", "Wie lautet dein Name?", "Was ist dein Name?", "Stell dich vor.", "Sag mir, wer du bist.",
           "Wie soll ich dich nennen?", "Hast du einen Namen?"),
    "fr": ("Qui es-tu ?", "Comment t'appelles-tu ?", "Quel est ton nom ?", "Dis-moi ton nom.", "Ton nom ?",
           "Comment tu t'appelles ?", "Peux-tu me dire ton nom ?", "Qui êtes-vous ?",
           "Comment vous appelez-vous ?", "Quel est votre nom ?", "C'est quoi ton nom ?", "Présente-toi.",
           "Dis-moi qui tu es.", "Tu t'appelles comment ?", "As-tu un nom ?"),
    "it": ("Chi sei?", "Come ti chiami?", "Qual è il tuo nome?", "Dimmi il tuo nome.", "Il tuo nome?",
           "Chi sei tu?", "Puoi dirmi il tuo nome?", "Lei chi è?", "Come si chiama lei?", "Come ti chiami tu?",
           "Mi dici il tuo nome?", "Presentati.", "Dimmi chi sei.", "Come devo chiamarti?", "Hai un nome?"),
    "pt": ("Quem é você?", "Qual é o seu nome?", "Como você se chama?", "Diga-me o seu nome.", "O seu nome?",
           "Qual o seu nome?", "Pode me dizer o seu nome?", "Quem és tu?", "Como te chamas?",
           "Me diga seu nome.", "Qual é o teu nome?", "Apresente-se.", "Diga-me quem você é.", "Você tem um nome?",
           "Como devo te chamar?"),
    "hi": ("तुम कौन हो?", "आप कौन हैं?", "तुम्हारा नाम क्या है?", "आपका नाम क्या है?", "अपना नाम बताओ।",
           "अपना नाम बताइए।",
           "आपका नाम?", "कौन हो तुम?", "क्या आप अपना नाम बता सकते हैं?", "तेरा नाम क्या है?",
           "मुझे अपना नाम बताओ।", "अपना परिचय दो।", "बताओ, तुम कौन हो?", "आपको क्या कहते हैं?", "तुम्हारा नाम?"),
    "es": ("¿Quién eres?", "¿Cómo te llamas?", "¿Cuál es tu nombre?", "Dime tu nombre.", "¿Tu nombre?",
           "¿Quién eres tú?", "¿Puedes decirme tu nombre?", "¿Quién es usted?",
           "¿Cómo se llama usted?", "¿Me dices tu nombre?", "Preséntate.", "Dime quién eres.",
           "¿Tienes un nombre?", "¿Cómo debo llamarte?"),
    "th": ("คุณคือใคร", "คุณชื่ออะไร", "เธอชื่ออะไร", "บอกชื่อของคุณหน่อย", "ชื่อของคุณคืออะไร", "คุณเป็นใคร",
           "เธอคือใคร",
           "ช่วยบอกชื่อของคุณ", "คุณมีชื่อว่าอะไร", "ชื่อคุณคืออะไร", "แนะนำตัวหน่อย", "บอกหน่อยว่าคุณคือใคร",
           "เธอเป็นใคร",
           "ขอทราบชื่อของคุณ", "คุณมีชื่อไหม", "ให้เรียกคุณว่าอะไร"),
}  # fmt: skip

WHO_ANSWER: Final = {
    "en": "I am {x}.", "de": "Ich bin {x}.", "fr": "Je suis {x}.", "it": "Sono {x}.", "pt": "Eu sou {x}.",
    "hi": "मैं {x} हूँ।", "es": "Soy {x}.", "th": "ฉันคือ {x}",
}  # fmt: skip

SUM_NOUNS: Final = {"en": ("{s}", "the result of {s}", "the answer to {s}")}

SUM: Final[dict[str, tuple[str, ...]]] = {
    "en": ("{s}", "{s} =", "{s} = ?", "How much is {s}?", "Compute {s}.", "Calculate {s}.", "Work out {s}.",
           "Please calculate {s}.", "Can you compute {s}?", "Can you calculate {s}?", "What does {s} make?",
           "What does {s} equal?", "How much would {s} be?", "How much does {s} make?", "Solve {s}.",
           "Please work out {s}.", "Could you calculate {s}?", "{s} is how much?", "{s} is what?", "Solve: {s}",
           "What do you get for {s}?", "How much do you get for {s}?", "Please solve {s}.", "Can you solve {s}?",
           "Tell me how much {s} is.", "Do you know how much {s} is?", "{s} equals?", "{s} makes?"),
    "de": ("Was ist {s}?", "Wie viel ist {s}?", "Berechne {s}.", "Kannst du {s} berechnen?", "Wie viel macht {s}?",
           "Rechne {s} aus.", "Was ergibt {s}?", "Bitte berechne {s}.", "Wie viel ergibt {s}?",
           "Weißt du, was {s} ist?"),
    "fr": ("Combien font {s} ?", "Calcule {s}.", "Combien fait {s} ?", "Peux-tu calculer {s} ?",
           "Ça fait combien, {s} ?",
           "Calculez {s}.", "Quel est le résultat de {s} ?", "Dis-moi combien font {s}.", "C'est combien, {s} ?"),
    "it": ("Quanto fa {s}?", "Calcola {s}.", "Quanto è {s}?", "Puoi calcolare {s}?", "Qual è il risultato di {s}?",
           "Dimmi quanto fa {s}.", "Mi calcoli {s}?", "Sai quanto fa {s}?", "Quanto viene {s}?"),
    "pt": ("Quanto é {s}?", "Calcule {s}.", "Quanto dá {s}?", "Pode calcular {s}?", "Qual é o resultado de {s}?",
           "Diga-me quanto é {s}.", "Calcula {s}.", "Você sabe quanto é {s}?", "Quanto são {s}?"),
    "hi": ("{s} कितना होता है?", "{s} क्या है?", "{s} बताओ।", "बताओ, {s} कितना होता है?", "{s} का जवाब क्या है?",
           "{s} कितना है?", "{s} कितने होते हैं?", "{s} का उत्तर बताओ।", "{s} जोड़ो।"),
    "es": ("¿Cuánto es {s}?", "Calcula {s}.", "¿Cuánto da {s}?", "¿Puedes calcular {s}?",
           "¿Cuál es el resultado de {s}?", "Dime cuánto es {s}.", "¿Cuánto son {s}?", "¿Sabes cuánto es {s}?",
           "¿Cuánto hace {s}?"),
    "th": ("{s} เท่ากับเท่าไร", "{s} ได้เท่าไร", "คำนวณ {s}", "ช่วยคำนวณ {s}", "{s} เป็นเท่าไร", "{s} เท่ากับอะไร",
           "ช่วยบอกว่า {s} ได้เท่าไร", "คิด {s} ให้หน่อย", "{s} คือเท่าไร"),
}  # fmt: skip

URGINGS: Final = (
    "Please ",
    "Can you ",
    "Could you ",
    "Now ",
    "Just ",
    "Would you ",
    "Will you ",
    "I want you to ",
    "Can you please ",
    "Could you please ",
    "Would you please ",
    "I would like you to ",
    "Now please ",
    "You can ",
)
"""What may stand before an English request."""

REPEAT: Final[tuple[str, ...]] = (
    "repeat after me: {w}", "repeat: {w}", "say: {w}", "say this: {w}", "echo: {w}", "repeat this text: {w}",
    "repeat the following: {w}", "repeat exactly: {w}", "repeat this: {w}", "repeat these words: {w}", "echo this: {w}",
    "say after me: {w}", "repeat what I say: {w}", "say the following: {w}", "write: {w}", "write this: {w}",
    "copy this: {w}", "copy: {w}", "say these words: {w}", 'say "{w}"', 'repeat "{w}"', 'repeat after me "{w}"',
    'echo "{w}"', 'write "{w}"', "repeat these words after me: {w}", "repeat the words: {w}", "repeat the text: {w}",
    "print: {w}", "output: {w}", "type: {w}", "repeat this sentence: {w}", "say it back: {w}", 'copy "{w}"',
    'say "{w}".', 'repeat "{w}".',
)  # fmt: skip

LIST: Final[tuple[str, ...]] = (
    "list {w}", "list: {w}", "list these: {w}", "make a list: {w}", "make a list of {w}", "write a list of {w}",
    "list the following: {w}", "put these in a list: {w}", "put {w} in a list", "put {w} into a list",
    "list these things: {w}", "make a list of these: {w}", "write a list: {w}", "give me a list of {w}",
    "create a list of {w}", "create a list: {w}", "make a list with {w}", "write a list with {w}",
    "turn this into a list: {w}", "turn these into a list: {w}", "show {w} as a list", "write {w} as a list",
    "put this in a list: {w}", "list these items: {w}", "list these words: {w}", "make a list of these things: {w}",
    "list the items: {w}", "list the following items: {w}", "write down {w} as a list",
)  # fmt: skip

LIST_OTHERS: Final[tuple[str, ...]] = (
    "I need a list of {w}", "I want a list of {w}", "My shopping list: {w}", "A list of {w}", "A list of {w}, please",
    "As a list: {w}", "List of {w}", "I need a list: {w}", "Shopping list: {w}", "My list: {w}",
)  # fmt: skip
