"""Everyday words by language, to tell a language by any of them; none that any skill is asked for with."""

from typing import Final

_WORDS: Final = {
    "en": """what who where when why how which can could would should will do does did is are was were have has
    must may I you we they he she people someone it this that these my your our their explain describe translate
    summarize analyse define draw fix build buy find show teach help sing play compare improve understand learn
    know think feel believe cause causes mean means happen happened invented discovered wrote created painted
    works cost costs like likes need needs want wants make makes made live lives born died begin began end start
    important famous expensive dangerous big small old new fast slow tall long heavy best worst good bad about
    with without for from to in on after before between against because than more most much many often never
    always again today tomorrow yesterday tonight soon please really maybe weather alarm music joke story poem
    recipe advice code""",
    "de": """was wer wo wann warum wie welche welcher welches wozu woher wohin wem wen kann kannst könnte könntest
    können würde soll sollte muss darf will ist sind war waren hat haben hatte wird werden ich du er sie wir ihr
    Sie mir dir ihm uns mich dich mein dein unser erkläre beschreibe übersetze zeig erzähl schreib sag nenne
    nennen sagen kennen kennst kennt weißt wissen finden suchen suche kaufen machen macht lernen funktioniert
    bedeutet bedeuten kostet mag mögen magst kommt geht gibt glaubt denkt lebt wohnt braucht erfunden entdeckt
    gebaut gemalt geboren gestorben wichtig berühmt teuer gefährlich groß klein alt neu schnell lang schwer gut
    schlecht über mit ohne für von bei nach vor gegen weil mehr viel viele oft nie immer heute morgen gestern bald
    bitte gern wirklich vielleicht dass wohl mal gerade so sehr""",
    "fr": """que qui où quand pourquoi comment quel quelle quels quelles combien quoi peux peut peut-on pouvez
    pourrais dois doit faut est sont était a ont as avez je tu il elle nous vous ils on me te lui mon ton son
    notre explique décris traduis montre raconte écris donne donnez dis dites trouve trouver cherche acheter faire
    fait apprendre fonctionne signifie coûte pèse mesure dure vient va aime aimes aimer pense sais sait savez
    connais connaissez veux voudrais inventé découvert écrit construit peint né mort important célèbre cher
    dangereux grand petit vieux nouveau rapide long lourd bon mauvais sur avec sans pour par chez après avant
    contre parce plus beaucoup souvent jamais toujours demain hier bientôt vraiment besoin chose gens plaît donc
    encore très aussi ici""",
    "it": """che cosa chi dove quando perché come quale quali quanto quanta quanti puoi può posso potresti
    potrebbe devo deve è sono era ha hanno hai io tu lui lei noi voi loro mi ti gli ci mio tuo suo nostro spiega
    spiegami descrivi traduci mostra mostrami racconta parlami scrivi trovo trova cerco cercare comprare fare fa
    imparare funziona significa costa pesa dura viene va piace piacciono ama pensi sai sa conosci conosce vorrei
    voglio dimmi dammi inventato scoperto scritto costruito dipinto nato morto creato importante famoso caro
    pericoloso grande piccolo vecchio nuovo veloce lungo pesante buono cattivo su con senza per da dopo prima
    contro più molto tanto spesso mai sempre domani ieri presto davvero bisogno gente favore allora ancora anche
    qui si trova""",
    "pt": """o que quem onde quando porque como qual quais quanto quanta quantos posso pode podes poderia devo
    deve é são era foi tem têm tenho eu tu você ele ela nós vocês eles me te lhe meu teu seu nosso explique
    descreva traduza mostre conte escreva fale encontro encontrar procuro comprar fazer faz aprender funciona
    significa custa pesa dura vem vai gosta gostas gostam ama pensa sabe sabes conhece conheces quero gostaria
    diga diz dê inventou descobriu escreveu construiu pintou nasceu morreu criou importante famoso caro perigoso
    grande pequeno velho novo rápido longo pesado bom mau sobre com sem por para depois antes contra mais muito
    muitos sempre nunca amanhã ontem logo mesmo preciso gente favor então ainda também aqui fica uma do da""",
    "hi": """क्या कौन कहाँ कब क्यों कैसे कितना कितने कितनी किसने किसका किसको कौनसा मैं तुम आप वह हम वे मुझे
    तुम्हें आपको उसे हमें मेरा तुम्हारा आपका उसका है हैं था थे थी होता होती हुआ हुई होगा सकता सकते सकती चाहिए
    चाहता चाहते करो करें करता करते बताओ बताइए समझाओ सिखाओ दिखाओ लिखो सुनाओ देखो ढूँढो खरीद मिलेगा मिलता आता आती
    जाता जानते जानना सोचते मानते रहता बनाया बना लिखा खोजा जन्म मरा ज़रूरी मशहूर महँगा खतरनाक बड़ा छोटा पुराना नया
    तेज़ लंबा भारी अच्छा बुरा के बारे में पर से को का की साथ बिना लिए बाद पहले खिलाफ़ ज़्यादा बहुत अक्सर कभी हमेशा
    आज कल अभी कृपया सच शायद लोग चीज़ पता यह वो और भी फिर ही मतलब काम पसंद कीमत""",
    "es": """qué quién dónde cuándo cómo cuál cuáles cuánto cuánta cuántos porque puedo puede puedes podrías debo
    debe es son era fue tiene tienen tengo yo tú él ella nosotros ustedes ellos me te le mi tu su nuestro explica
    explícame describe traduce muestra cuenta escribe habla háblame encuentro encontrar busco comprar hacer hace
    aprender funciona significa cuesta pesa dura viene va gusta gustan gustaría ama piensa piensas sabe sabes
    conoce conoces quiero quisiera dime dame decir decirme nombra inventó descubrió escribió construyó pintó nació
    murió creó importante famoso caro peligroso grande pequeño viejo nuevo rápido largo pesado bueno malo sobre
    con sin por para después antes contra más mucho muchos siempre nunca mañana ayer pronto verdad necesito gente
    favor entonces también aquí está del""",
    "th": """อะไร ใคร ไหน เมื่อไร ทำไม อย่างไร เท่าไร กี่ ได้ไหม หรือ ฉัน คุณ เธอ เขา เรา พวกเขา ของ มี เป็น อยู่
    ทำ ทำงาน ใช้ ซื้อ ขาย หา ค้นพบ คิดค้น เขียน วาด สร้าง เกิด ตาย ชอบ รัก คิด รู้ รู้จัก เข้าใจ เรียน สอน อธิบาย
    แปล เล่า เล่าเรื่อง บอก ช่วย แสดง ดู ฟัง กิน ไป มา ต้องการ อยาก ต้อง ควร แปลว่า หมายถึง ราคา หนัก ใหญ่ เล็ก
    เก่า ใหม่ เร็ว ช้า ยาว สูง ดี แย่ สำคัญ แพง อันตราย มีชื่อเสียง เกี่ยวกับ กับ ไม่มี สำหรับ จาก ที่ ใน บน หลัง
    ก่อน เพราะ มาก บ่อย เสมอ วันนี้ พรุ่งนี้ เมื่อวาน เร็วๆนี้ หน่อย จริงๆ บางที คน สิ่ง ถึง แค่ไหน กลอน เพลง
    ประวัติ อายุ ได้ที่ไหน ให้ ก็ แล้ว ยัง อีก นี้ นั้น อยู่ไหน อยู่ตรงไหน ที่ไหน อยู่ที่ไหน เหรอ""",
}
WORDS: Final = {lang: tuple(words.split()) for lang, words in _WORDS.items()}

_RELATIONS: Final = {
    "en": "the president of|the king of|the flag of|the population of|the largest city of|the history of|"
    "the weather in|the food of|the biggest river in|the anthem of|the army of|the size of|the mayor of|"
    "the colour of|the age of",
    "de": "der Präsident|der König|die Flagge|die Währung|die Sprache|der größte Fluss|die Geschichte|"
    "die größte Stadt|das Wetter|die Einwohnerzahl|die Fläche|der Bürgermeister|das Essen",
    "fr": "le président|le roi|le drapeau|la monnaie|la langue|le plus grand fleuve|l'histoire|la plus grande ville|"
    "la météo|la population|la superficie|le maire|la cuisine",
    "it": "il presidente|il re|la bandiera|la moneta|la lingua|il fiume più lungo|la storia|la città più grande|"
    "il tempo|la popolazione|la superficie|il sindaco|la cucina",
    "pt": "o presidente|o rei|a bandeira|a moeda|a língua|o maior rio|a história|a maior cidade|o tempo|a população|"
    "a área|o prefeito|a comida",
    "hi": "का राष्ट्रपति|का राजा|का झंडा|की मुद्रा|की भाषा|की सबसे बड़ी नदी|का इतिहास|का सबसे बड़ा शहर|का मौसम|"
    "की जनसंख्या|का खाना",
    "es": "el presidente|el rey|la bandera|la moneda|el idioma|el río más largo|la historia|la ciudad más grande|"
    "el clima|la población|la superficie|el alcalde|la comida",
    "th": "ประธานาธิบดีของ|กษัตริย์ของ|ธงชาติของ|สกุลเงินของ|ภาษาของ|แม่น้ำของ|ประวัติศาสตร์ของ|เมืองใหญ่ของ|"
    "อากาศของ|ประชากรของ|อาหารของ",
}
RELATIONS: Final = {lang: tuple(names.split("|")) for lang, names in _RELATIONS.items()}
"""What is asked of a country and isn't taught: before its name or, in Hindi, after it."""
