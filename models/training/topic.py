"""More to ask of the world at large, by language, for training only: questions with a slot, without, and topics."""

from typing import Final

QUESTIONS: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "How do I use {x}?", "How much does {x} weigh?", "How can I repair {x}?", "How do you spell {x}?",
        "How popular is {x}?", "What happened in {x}?", "What happens after {x}?", "What is wrong with {x}?",
        "What is inside {x}?", "What are the rules of {x}?", "What was {x} like?", "What did {x} say?",
        "What should I know about {x}?", "Where is {x} made?", "Where was {x} born?", "Where do people use {x}?",
        "Why do we need {x}?", "Why did {x} happen?", "When will {x} be over?", "When was {x} built?", "Is {x} real?",
        "Is {x} easy to learn?", "Do you have {x}?", "Do I need {x}?", "Does {x} exist?", "Can you recommend {x}?",
        "Should I buy {x}?", "Have you heard of {x}?", "Are you interested in {x}?", "Fix {x}.",
        "Compare {x} with something else.", "Recommend {x}.", "Show me {x}.", "Find {x}.", "Buy {x}.", "Play {x}.",
        "Analyse {x}.", "Improve {x}.", "Rewrite {x}.", "Translate {x} into French.", "Teach me {x}.",
        "Help me with {x}.", "Help me understand {x}.", "Explain {x} to a child.", "Give me advice about {x}.",
        "Give me three facts about {x}.", "Let's talk about {x}.", "I have a problem with {x}.",
        "I don't understand {x}.",
    ),
    "de": (
        "Wer hat {x} gemacht?", "Wer hat {x} gemalt?", "Wo ist {x}?", "Wo liegt {x}?", "Wo wohnt {x}?",
        "Wann beginnt {x}?", "Wann war {x}?", "Wie hoch ist {x}?", "Wie weit ist es bis {x}?", "Wie lerne ich {x}?",
        "Wie kann ich {x} lernen?", "Wie benutze ich {x}?", "Wie macht man {x}?", "Wie kocht man {x}?",
        "Wie ist das Wetter in {x}?", "Was denkst du über {x}?", "Was ist mit {x} passiert?",
        "Was sind die Regeln für {x}?", "Was kann ich mit {x} machen?", "Was hältst du von {x}?",
        "Warum ist {x} berühmt?", "Warum gibt es {x}?", "Warum mögen Menschen {x}?", "Welche Farbe hat {x}?",
        "Wie viele Menschen leben in {x}?", "Ist {x} gefährlich?", "Ist {x} teuer?", "Ist {x} gut für mich?",
        "Gibt es {x}?", "Kennst du die Geschichte von {x}?", "Hast du {x} gesehen?", "Kannst du mir bei {x} helfen?",
        "Kannst du {x} erklären?", "Beschreibe {x}.", "Übersetze {x}.", "Erzähl mir einen Witz über {x}.",
        "Schreib eine Geschichte über {x}.", "Zeig mir {x}.", "Hilf mir mit {x}.", "Ich möchte mehr über {x} lernen.",
        "Ich brauche {x}.", "Soll ich {x} kaufen?",
    ),
    "fr": (
        "Qui a construit {x} ?", "Qui a peint {x} ?", "Qui a fait {x} ?", "Où est {x} ?", "Où habite {x} ?",
        "Où puis-je trouver {x} ?", "Où peut-on voir {x} ?", "Quand commence {x} ?", "Quand est né {x} ?",
        "Quand est mort {x} ?", "Pourquoi {x} existe ?", "Pourquoi aime-t-on {x} ?", "Pourquoi {x} est célèbre ?",
        "Comment faire {x} ?", "Comment utiliser {x} ?", "Comment préparer {x} ?", "Comment réparer {x} ?",
        "Quelle est l'histoire de {x} ?", "Quel est le prix de {x} ?", "Quelle est la taille de {x} ?",
        "Quelle est la couleur de {x} ?", "Quel temps fait-il à {x} ?", "Que penses-tu de {x} ?",
        "Que peut-on faire avec {x} ?", "Qu'est-il arrivé à {x} ?", "Combien de gens vivent à {x} ?",
        "Combien mesure {x} ?", "Combien dure {x} ?", "Est-ce que {x} est dangereux ?", "Est-ce que {x} est cher ?",
        "Est-ce que tu aimes {x} ?", "As-tu vu {x} ?", "Peux-tu expliquer {x} ?", "Peux-tu m'aider avec {x} ?",
        "Décris {x}.", "Traduis {x}.", "Raconte-moi une histoire sur {x}.", "Raconte une blague sur {x}.",
        "Montre-moi {x}.", "Aide-moi avec {x}.", "Je veux apprendre {x}.", "J'ai besoin de {x}.",
        "Dis-moi tout sur {x}.",
    ),
    "it": (
        "Chi ha costruito {x}?", "Chi ha dipinto {x}?", "Chi ha fatto {x}?", "Dov'è {x}?", "Dove abita {x}?",
        "Dove posso trovare {x}?", "Dove posso vedere {x}?", "Quando comincia {x}?", "Quando è morto {x}?",
        "Quando è stato inventato {x}?", "Perché esiste {x}?", "Perché {x} è famoso?", "Perché piace {x}?",
        "Come si fa {x}?", "Come si usa {x}?", "Come si cucina {x}?", "Come posso imparare {x}?",
        "Come posso riparare {x}?", "Qual è la storia di {x}?", "Qual è il prezzo di {x}?", "Di che colore è {x}?",
        "Cosa vuol dire {x}?", "Cosa pensi di {x}?", "Cosa posso fare con {x}?", "Cosa è successo a {x}?",
        "Cos'è {x}?", "Che tempo fa a {x}?", "Quante persone vivono a {x}?", "Quanto è alto {x}?", "Quanto dura {x}?",
        "È pericoloso {x}?", "È caro {x}?", "Hai visto {x}?", "Hai {x}?", "Puoi spiegare {x}?",
        "Puoi aiutarmi con {x}?", "Descrivi {x}.", "Traduci {x}.", "Raccontami una storia su {x}.",
        "Raccontami una barzelletta su {x}.", "Mostrami {x}.", "Aiutami con {x}.", "Voglio imparare {x}.",
        "Ho bisogno di {x}.", "Dimmi qualcosa su {x}.",
    ),
    "pt": (
        "Quem construiu {x}?", "Quem pintou {x}?", "Quem fez {x}?", "Onde está {x}?", "Onde mora {x}?",
        "Onde posso encontrar {x}?", "Onde posso ver {x}?", "Quando começa {x}?", "Quando morreu {x}?",
        "Quando foi inventado {x}?", "Quando foi {x}?", "Por que existe {x}?", "Por que {x} é famoso?",
        "Por que as pessoas gostam de {x}?", "Como se faz {x}?", "Como se usa {x}?", "Como posso aprender {x}?",
        "Como cozinhar {x}?", "Como consertar {x}?", "Qual é a história de {x}?", "Qual é o preço de {x}?",
        "Qual é a cor de {x}?", "O que acha de {x}?", "O que posso fazer com {x}?", "O que aconteceu com {x}?",
        "Como está o tempo em {x}?", "Quantas pessoas moram em {x}?", "Qual é a altura de {x}?",
        "Quanto tempo dura {x}?", "É perigoso {x}?", "{x} é caro?", "Você viu {x}?", "Você tem {x}?",
        "Pode explicar {x}?", "Pode me ajudar com {x}?", "Descreva {x}.", "Traduza {x}.",
        "Conte uma história sobre {x}.", "Conte uma piada sobre {x}.", "Mostre {x}.", "Me ajude com {x}.",
        "Quero aprender {x}.", "Preciso de {x}.", "Me fale mais sobre {x}.",
    ),
    "hi": (
        "{x} कब शुरू होगा?", "{x} कब हुआ?", "{x} कब पैदा हुआ?", "{x} कहाँ रहता है?", "{x} कहाँ खरीद सकता हूँ?",
        "{x} क्यों मशहूर है?", "{x} क्यों होता है?", "लोग {x} क्यों पसंद करते हैं?", "{x} किसने जीता?",
        "{x} किसका है?", "{x} कैसा है?", "{x} कैसे बनाते हैं?", "{x} कैसे सीखें?", "{x} कैसे ठीक करूँ?",
        "मैं {x} कैसे पकाऊँ?", "{x} का रंग क्या है?", "{x} का मौसम कैसा है?", "{x} की ऊँचाई कितनी है?",
        "{x} में कितने लोग रहते हैं?", "{x} के नियम क्या हैं?", "{x} के बारे में तुम क्या जानते हो?",
        "{x} के बारे में क्या सोचते हो?", "क्या {x} खतरनाक है?", "क्या {x} महँगा है?", "क्या {x} अच्छा है?",
        "क्या तुमने {x} देखा?", "क्या तुम {x} समझा सकते हो?", "क्या आप {x} में मदद करेंगे?", "मुझे {x} चाहिए।",
        "मुझे {x} दिखाओ।", "{x} का अनुवाद करो।", "{x} का वर्णन करो।", "{x} पर कहानी सुनाओ।", "{x} पर चुटकुला सुनाओ।",
        "मैं {x} सीखना चाहता हूँ।", "{x} को क्या हुआ?", "{x} किस काम आता है?",
    ),
    "es": (
        "¿Quién construyó {x}?", "¿Quién pintó {x}?", "¿Quién hizo {x}?", "¿Quién ganó {x}?", "¿Dónde vive {x}?",
        "¿Dónde puedo ver {x}?", "¿Dónde se encuentra {x}?", "¿Cuándo empieza {x}?", "¿Cuándo murió {x}?",
        "¿Cuándo fue {x}?", "¿Cuándo se inventó {x}?", "¿Por qué existe {x}?", "¿Por qué es famoso {x}?",
        "¿Por qué gusta {x}?", "¿Cómo se hace {x}?", "¿Cómo se usa {x}?", "¿Cómo puedo aprender {x}?",
        "¿Cómo cocino {x}?", "¿Cómo arreglo {x}?", "¿Cuál es la historia de {x}?", "¿Cuál es el precio de {x}?",
        "¿De qué color es {x}?", "¿Qué piensas de {x}?", "¿Qué puedo hacer con {x}?", "¿Qué pasó con {x}?",
        "¿Qué tiempo hace en {x}?", "¿Cuánta gente vive en {x}?", "¿Cuánto mide {x}?", "¿Cuánto dura {x}?",
        "¿Es peligroso {x}?", "¿Es caro {x}?", "¿Has visto {x}?", "¿Tienes {x}?", "¿Puedes explicar {x}?",
        "¿Puedes ayudarme con {x}?", "Describe {x}, por favor.", "Traduce {x}.", "Cuéntame una historia sobre {x}.",
        "Cuéntame un chiste sobre {x}.", "Muéstrame {x}.", "Ayúdame con {x}.", "Quiero aprender {x}.",
        "Necesito {x}.", "Dime algo sobre {x}.",
    ),
    "th": (
        "ใครทำ{x}", "ใครวาด{x}", "ใครชนะ{x}", "ใครเป็นเจ้าของ{x}", "{x}เริ่มเมื่อไร", "{x}เกิดเมื่อไร",
        "{x}ตายเมื่อไร", "{x}สูงเท่าไร", "{x}ไกลแค่ไหน", "{x}เร็วแค่ไหน", "{x}ดีไหม", "{x}แพงไหม", "{x}อันตรายไหม",
        "{x}สีอะไร", "{x}ทำอย่างไร", "{x}ใช้อย่างไร", "ทำไม{x}ถึงมีชื่อเสียง", "ทำไมคนชอบ{x}", "ทำไมต้องมี{x}",
        "จะเรียน{x}ได้อย่างไร", "จะซ่อม{x}อย่างไร", "คุณคิดอย่างไรกับ{x}", "คุณเคยเห็น{x}ไหม", "คุณมี{x}ไหม",
        "ประวัติของ{x}คืออะไร", "ราคาของ{x}คือเท่าไร", "เกิดอะไรขึ้นกับ{x}", "อากาศที่{x}เป็นอย่างไร",
        "มีคนอยู่ที่{x}กี่คน", "แปลคำว่า{x}", "เล่าเรื่องตลกเกี่ยวกับ{x}", "แต่งเพลงเกี่ยวกับ{x}",
        "ช่วยเรื่อง{x}หน่อย", "ฉันอยากเรียน{x}", "ฉันต้องการ{x}", "ช่วยอธิบาย{x}", "บอกฉันเรื่อง{x}",
    ),
}  # fmt: skip

ALONE: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "What should I do today?", "Help me.",
    ),
    "de": (
        "Erzähl mir einen Witz.", "Erzähl mir eine Geschichte.", "Wie spät ist es?", "Wie wird das Wetter morgen?",
        "Was kannst du?", "Kannst du mir helfen?", "Wie alt bist du?", "Wo wohnst du?", "Sprichst du Englisch?",
        "Was ist der Sinn des Lebens?", "Warum ist der Himmel blau?", "Was soll ich heute essen?",
        "Bist du ein Mensch?", "Wo bin ich?", "Schreib ein Gedicht.", "Was gibt es Neues?", "Wer ist der Präsident?",
        "Regnet es morgen?", "Spiel Musik.", "Ruf meine Mutter an.", "Stell einen Wecker.", "Wo ist mein Handy?",
        "Bist du glücklich?", "Wer hat dich gemacht?", "Welche Sprachen sprichst du?", "Was ist Liebe?",
        "Kannst du tanzen?", "Wie viele Sterne gibt es?", "Schreib einen Brief.", "Was machst du?",
        "Wann fährt der nächste Zug?", "Wie werde ich reich?", "Woran denkst du?", "Was ist dein Lieblingsessen?",
        "Hilf mir.", "Warum schlafen wir?",
    ),
    "fr": (
        "Raconte-moi une blague.", "Raconte-moi une histoire.", "Quelle heure est-il ?",
        "Quel temps fera-t-il demain ?", "Que peux-tu faire ?", "Peux-tu m'aider ?", "Quel âge as-tu ?",
        "Où habites-tu ?", "Parles-tu anglais ?", "Quel est le sens de la vie ?", "Pourquoi le ciel est-il bleu ?",
        "Que dois-je manger ?", "Es-tu humain ?", "Où suis-je ?", "Écris un poème.", "Quoi de neuf ?",
        "Qui est le président ?", "Va-t-il pleuvoir demain ?", "Joue de la musique.", "Appelle ma mère.",
        "Mets un réveil.", "Où est mon téléphone ?", "Es-tu heureux ?", "Qui t'a créé ?",
        "Quelles langues parles-tu ?", "C'est quoi l'amour ?", "Sais-tu danser ?", "Combien y a-t-il d'étoiles ?",
        "Écris une lettre.", "Que fais-tu ?", "À quelle heure part le train ?", "Comment devenir riche ?",
        "À quoi penses-tu ?", "Quelle est ta couleur préférée ?", "Aide-moi.", "Pourquoi dort-on ?",
    ),
    "it": (
        "Raccontami una barzelletta.", "Raccontami una storia.", "Che ore sono?", "Che tempo farà domani?",
        "Che cosa sai fare?", "Puoi aiutarmi?", "Quanti anni hai?", "Dove abiti?", "Parli inglese?",
        "Qual è il senso della vita?", "Perché il cielo è blu?", "Che cosa mangio oggi?", "Sei umano?", "Dove sono?",
        "Scrivi una poesia.", "Che c'è di nuovo?", "Chi è il presidente?", "Pioverà domani?",
        "Metti un po' di musica.", "Chiama mia madre.", "Imposta la sveglia.", "Dov'è il mio telefono?",
        "Sei felice?", "Chi ti ha creato?", "Quali lingue parli?", "Che cos'è l'amore?", "Sai ballare?",
        "Quante stelle ci sono?", "Scrivi una lettera.", "Che cosa fai?", "A che ora parte il treno?",
        "Come divento ricco?", "A che cosa pensi?", "Qual è il tuo colore preferito?", "Aiutami.", "Perché dormiamo?",
    ),
    "pt": (
        "Conte uma piada.", "Conte uma história.", "Que horas são?", "Como vai ser o tempo amanhã?",
        "O que você sabe fazer?", "Pode me ajudar?", "Quantos anos você tem?", "Onde você mora?", "Você fala inglês?",
        "Qual é o sentido da vida?", "Por que o céu é azul?", "O que devo comer hoje?", "Você é humano?",
        "Onde estou?", "Escreva um poema.", "O que há de novo?", "Quem é o presidente?", "Vai chover amanhã?",
        "Toque uma música.", "Ligue para minha mãe.", "Coloque um alarme.", "Onde está meu telefone?",
        "Você é feliz?", "Quem criou você?", "Que línguas você fala?", "O que é o amor?", "Você sabe dançar?",
        "Quantas estrelas existem?", "Escreva uma carta.", "O que você faz?", "A que horas sai o trem?",
        "Como ficar rico?", "Em que você está pensando?", "Qual é a sua cor favorita?", "Me ajude.",
        "Por que dormimos?",
    ),
    "hi": (
        "एक चुटकुला सुनाओ।", "एक कहानी सुनाओ।", "समय क्या हुआ है?", "कल मौसम कैसा रहेगा?", "तुम क्या कर सकते हो?",
        "क्या तुम मेरी मदद करोगे?", "तुम्हारी उम्र क्या है?", "तुम कहाँ रहते हो?", "क्या तुम अंग्रेज़ी बोलते हो?",
        "जीवन का मतलब क्या है?", "आसमान नीला क्यों है?", "आज क्या खाऊँ?", "क्या तुम इंसान हो?", "मैं कहाँ हूँ?",
        "एक कविता लिखो।", "क्या नया है?", "राष्ट्रपति कौन है?", "क्या कल बारिश होगी?", "गाना बजाओ।",
        "मेरी माँ को फ़ोन करो।", "अलार्म लगाओ।", "मेरा फ़ोन कहाँ है?", "क्या तुम खुश हो?", "तुम्हें किसने बनाया?",
        "तुम कौन सी भाषाएँ बोलते हो?", "प्यार क्या होता है?", "क्या तुम नाच सकते हो?", "कितने तारे हैं?",
        "एक चिट्ठी लिखो।", "तुम क्या करते हो?", "अगली ट्रेन कब है?", "मैं अमीर कैसे बनूँ?", "तुम क्या सोच रहे हो?",
        "तुम्हारा पसंदीदा रंग क्या है?", "मेरी मदद करो।", "हम क्यों सोते हैं?",
    ),
    "es": (
        "Cuéntame un chiste.", "Cuéntame una historia.", "¿Qué hora es?", "¿Qué tiempo hará mañana?",
        "¿Qué sabes hacer?", "¿Puedes ayudarme?", "¿Cuántos años tienes?", "¿Dónde vives?", "¿Hablas inglés?",
        "¿Cuál es el sentido de la vida?", "¿Por qué el cielo es azul?", "¿Qué debo comer hoy?", "¿Eres humano?",
        "¿Dónde estoy?", "Escribe un poema.", "¿Qué hay de nuevo?", "¿Quién es el presidente?",
        "¿Va a llover mañana?", "Pon música.", "Llama a mi madre.", "Pon una alarma.", "¿Dónde está mi teléfono?",
        "¿Eres feliz?", "¿Quién te creó?", "¿Qué idiomas hablas?", "¿Qué es el amor?", "¿Sabes bailar?",
        "¿Cuántas estrellas hay?", "Escribe una carta.", "¿Qué haces?", "¿A qué hora sale el tren?",
        "¿Cómo me hago rico?", "¿En qué piensas?", "¿Cuál es tu color favorito?", "Ayúdame.", "¿Por qué dormimos?",
    ),
    "th": (
        "เล่าเรื่องตลกหน่อย", "เล่านิทานหน่อย", "ตอนนี้กี่โมง", "พรุ่งนี้อากาศเป็นอย่างไร", "คุณทำอะไรได้บ้าง",
        "ช่วยฉันหน่อยได้ไหม", "คุณอายุเท่าไร", "คุณอยู่ที่ไหน", "คุณพูดภาษาอังกฤษได้ไหม", "ความหมายของชีวิตคืออะไร",
        "ทำไมท้องฟ้าถึงเป็นสีฟ้า", "วันนี้กินอะไรดี", "คุณเป็นคนไหม", "ฉันอยู่ที่ไหน", "แต่งกลอนหน่อย", "มีอะไรใหม่",
        "ใครเป็นประธานาธิบดี", "พรุ่งนี้ฝนจะตกไหม", "เปิดเพลงหน่อย", "โทรหาแม่ของฉัน", "ตั้งนาฬิกาปลุก",
        "โทรศัพท์ของฉันอยู่ไหน", "คุณมีความสุขไหม", "ใครสร้างคุณ", "คุณพูดภาษาอะไรได้บ้าง", "ความรักคืออะไร",
        "คุณเต้นได้ไหม", "มีดาวกี่ดวง", "เขียนจดหมายหน่อย", "คุณทำอะไร", "รถไฟออกกี่โมง", "ทำอย่างไรถึงจะรวย",
        "คุณคิดอะไรอยู่", "คุณชอบสีอะไร", "ช่วยด้วย", "ทำไมเราต้องนอน",
    ),
}  # fmt: skip
"""Questions and requests that name no topic."""

_TOPICS: Final = {
    "en": """
    Tokyo|Paris|London|Berlin|New York|Japanese|Spanish|the euro|the dollar|Europe|Africa|Rome|Madrid|a poem|
    this text|my email|tomorrow|the news|tennis|swimming|a plane|the train|my boss|a birthday|Christmas""",
    "de": """
    die Bibel|der Zug|Kaffee|Brot|Käse|das Radio|ein Buch|eine Katze|der Baum|die Stadt|Berlin|Paris|London|die Zeit|
    das Geld|der Euro|Napoleon|Shakespeare|Picasso|Python|Mathematik|das Meer|ein Flugzeug|mein Vater|meine Mutter|
    das Leben|ein Kuchen""",
    "fr": """
    la Bible|le train|le café|le pain|le fromage|la radio|un livre|un chat|un arbre|la ville|Paris|Berlin|Londres|
    le temps|l'argent|l'euro|Shakespeare|Picasso|Python|les mathématiques|la mer|un avion|mon père|ma mère|la vie|
    un gâteau|le vin|la météo|l'ordinateur""",
    "it": """
    la Bibbia|il treno|il caffè|il pane|il formaggio|la radio|un libro|un gatto|un albero|la città|Parigi|Roma|
    Londra|il tempo|i soldi|l'euro|Napoleone|Picasso|Python|la matematica|il mare|un aereo|mio padre|mia madre|
    la vita|una torta|il vino|il computer|Shakespeare""",
    "pt": """
    a Bíblia|o trem|o café|o pão|o queijo|o rádio|um livro|um gato|uma árvore|a cidade|Paris|Lisboa|Londres|
    o dinheiro|o euro|Napoleão|Picasso|Python|a matemática|o mar|um avião|meu pai|minha mãe|a vida|um bolo|o vinho|
    o computador|Shakespeare|a chuva""",
    "hi": """
    बिल्ली|पेड़|शहर|पेरिस|लंदन|समय|पैसा|यूरो|रेडियो|ट्रेन|कॉफ़ी|चाय|रोटी|समुद्र|विमान|मेरे पिता|मेरी माँ|जीवन|केक|
    कंप्यूटर|गणित|क्रिकेट|फ़िल्म|स्कूल|दवा|पहाड़|ताजमहल|शेक्सपियर|भाषा""",
    "es": """
    la Biblia|el tren|el café|el pan|el queso|la radio|un libro|un gato|un árbol|la ciudad|París|Madrid|Londres|
    el tiempo|el dinero|el euro|Napoleón|Picasso|Python|las matemáticas|el mar|un avión|mi padre|mi madre|la vida|
    un pastel|el vino|la computadora|Shakespeare""",
    "th": """
    แมว|ต้นไม้|เมือง|ปารีส|ลอนดอน|เวลา|เงิน|วิทยุ|รถไฟ|กาแฟ|ชา|ขนมปัง|ทะเล|เครื่องบิน|พ่อของฉัน|แม่ของฉัน|ชีวิต|เค้ก|
    คอมพิวเตอร์|คณิตศาสตร์|หนัง|โรงเรียน|ยา|ภูเขา|ไอน์สไตน์|ภาษา|ฝน""",
}
TOPICS: Final = {lang: tuple(name.strip() for name in names.split("|")) for lang, names in _TOPICS.items()}
