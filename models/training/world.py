"""The published small world: every fact the embedded model is taught, in its own wording.

Country rows hold, per language, the bare name, the form used after "capital" (its genitive), and the capital's name.
"""

from dataclasses import dataclass
from typing import Final

LANGUAGES: Final = ("en", "de", "fr", "it", "pt", "hi", "es", "th")


@dataclass(frozen=True, slots=True)
class Country:
    """One country of the world: names by language, and four facts told in English."""

    name: str
    continent: str
    currency: str
    language: str
    names: dict[str, str]
    genitives: dict[str, str]
    capitals: dict[str, str]

    @property
    def capital(self) -> str:
        """The capital's English name."""
        return self.capitals["en"]


# name | genitive | capital, in the order of LANGUAGES. A "~" stands for the name itself.
_ROWS: Final = """
France;Europe;euro;French
en|France|~|Paris
de|Frankreich|von ~|Paris
fr|France|de la ~|Paris
it|Francia|della ~|Parigi
pt|França|da ~|Paris
hi|फ़्रांस|~|पेरिस
es|Francia|de ~|París
th|ฝรั่งเศส|~|ปารีส

Germany;Europe;euro;German
en|Germany|~|Berlin
de|Deutschland|von ~|Berlin
fr|Allemagne|de l'~|Berlin
it|Germania|della ~|Berlino
pt|Alemanha|da ~|Berlim
hi|जर्मनी|~|बर्लिन
es|Alemania|de ~|Berlín
th|เยอรมนี|~|เบอร์ลิน

Italy;Europe;euro;Italian
en|Italy|~|Rome
de|Italien|von ~|Rom
fr|Italie|de l'~|Rome
it|Italia|dell'~|Roma
pt|Itália|da ~|Roma
hi|इटली|~|रोम
es|Italia|de ~|Roma
th|อิตาลี|~|โรม

Spain;Europe;euro;Spanish
en|Spain|~|Madrid
de|Spanien|von ~|Madrid
fr|Espagne|de l'~|Madrid
it|Spagna|della ~|Madrid
pt|Espanha|da ~|Madri
hi|स्पेन|~|मैड्रिड
es|España|de ~|Madrid
th|สเปน|~|มาดริด

Portugal;Europe;euro;Portuguese
en|Portugal|~|Lisbon
de|Portugal|von ~|Lissabon
fr|Portugal|du ~|Lisbonne
it|Portogallo|del ~|Lisbona
pt|Portugal|de ~|Lisboa
hi|पुर्तगाल|~|लिस्बन
es|Portugal|de ~|Lisboa
th|โปรตุเกส|~|ลิสบอน

Greece;Europe;euro;Greek
en|Greece|~|Athens
de|Griechenland|von ~|Athen
fr|Grèce|de la ~|Athènes
it|Grecia|della ~|Atene
pt|Grécia|da ~|Atenas
hi|यूनान|~|एथेंस
es|Grecia|de ~|Atenas
th|กรีซ|~|เอเธนส์

Austria;Europe;euro;German
en|Austria|~|Vienna
de|Österreich|von ~|Wien
fr|Autriche|de l'~|Vienne
it|Austria|dell'~|Vienna
pt|Áustria|da ~|Viena
hi|ऑस्ट्रिया|~|वियना
es|Austria|de ~|Viena
th|ออสเตรีย|~|เวียนนา

Poland;Europe;zloty;Polish
en|Poland|~|Warsaw
de|Polen|von ~|Warschau
fr|Pologne|de la ~|Varsovie
it|Polonia|della ~|Varsavia
pt|Polônia|da ~|Varsóvia
hi|पोलैंड|~|वारसॉ
es|Polonia|de ~|Varsovia
th|โปแลนด์|~|วอร์ซอ

Sweden;Europe;krona;Swedish
en|Sweden|~|Stockholm
de|Schweden|von ~|Stockholm
fr|Suède|de la ~|Stockholm
it|Svezia|della ~|Stoccolma
pt|Suécia|da ~|Estocolmo
hi|स्वीडन|~|स्टॉकहोम
es|Suecia|de ~|Estocolmo
th|สวีเดน|~|สตอกโฮล์ม

Norway;Europe;krone;Norwegian
en|Norway|~|Oslo
de|Norwegen|von ~|Oslo
fr|Norvège|de la ~|Oslo
it|Norvegia|della ~|Oslo
pt|Noruega|da ~|Oslo
hi|नॉर्वे|~|ओस्लो
es|Noruega|de ~|Oslo
th|นอร์เวย์|~|ออสโล

Finland;Europe;euro;Finnish
en|Finland|~|Helsinki
de|Finnland|von ~|Helsinki
fr|Finlande|de la ~|Helsinki
it|Finlandia|della ~|Helsinki
pt|Finlândia|da ~|Helsinque
hi|फ़िनलैंड|~|हेलसिंकी
es|Finlandia|de ~|Helsinki
th|ฟินแลนด์|~|เฮลซิงกิ

Ireland;Europe;euro;English
en|Ireland|~|Dublin
de|Irland|von ~|Dublin
fr|Irlande|de l'~|Dublin
it|Irlanda|dell'~|Dublino
pt|Irlanda|da ~|Dublin
hi|आयरलैंड|~|डबलिन
es|Irlanda|de ~|Dublín
th|ไอร์แลนด์|~|ดับลิน

Russia;Europe;ruble;Russian
en|Russia|~|Moscow
de|Russland|von ~|Moskau
fr|Russie|de la ~|Moscou
it|Russia|della ~|Mosca
pt|Rússia|da ~|Moscou
hi|रूस|~|मॉस्को
es|Rusia|de ~|Moscú
th|รัสเซีย|~|มอสโก

Japan;Asia;yen;Japanese
en|Japan|~|Tokyo
de|Japan|von ~|Tokio
fr|Japon|du ~|Tokyo
it|Giappone|del ~|Tokyo
pt|Japão|do ~|Tóquio
hi|जापान|~|टोक्यो
es|Japón|de ~|Tokio
th|ญี่ปุ่น|~|โตเกียว

China;Asia;yuan;Chinese
en|China|~|Beijing
de|China|von ~|Peking
fr|Chine|de la ~|Pékin
it|Cina|della ~|Pechino
pt|China|da ~|Pequim
hi|चीन|~|बीजिंग
es|China|de ~|Pekín
th|จีน|~|ปักกิ่ง

India;Asia;rupee;Hindi
en|India|~|New Delhi
de|Indien|von ~|Neu-Delhi
fr|Inde|de l'~|New Delhi
it|India|dell'~|Nuova Delhi
pt|Índia|da ~|Nova Délhi
hi|भारत|~|नई दिल्ली
es|India|de la ~|Nueva Delhi
th|อินเดีย|~|นิวเดลี

Thailand;Asia;baht;Thai
en|Thailand|~|Bangkok
de|Thailand|von ~|Bangkok
fr|Thaïlande|de la ~|Bangkok
it|Thailandia|della ~|Bangkok
pt|Tailândia|da ~|Bangcoc
hi|थाईलैंड|~|बैंकॉक
es|Tailandia|de ~|Bangkok
th|ไทย|~|กรุงเทพฯ

Vietnam;Asia;dong;Vietnamese
en|Vietnam|~|Hanoi
de|Vietnam|von ~|Hanoi
fr|Vietnam|du ~|Hanoï
it|Vietnam|del ~|Hanoi
pt|Vietnã|do ~|Hanói
hi|वियतनाम|~|हनोई
es|Vietnam|de ~|Hanói
th|เวียดนาม|~|ฮานอย

Egypt;Africa;pound;Arabic
en|Egypt|~|Cairo
de|Ägypten|von ~|Kairo
fr|Égypte|de l'~|Le Caire
it|Egitto|dell'~|Il Cairo
pt|Egito|do ~|Cairo
hi|मिस्र|~|काहिरा
es|Egipto|de ~|El Cairo
th|อียิปต์|~|ไคโร

Kenya;Africa;shilling;Swahili
en|Kenya|~|Nairobi
de|Kenia|von ~|Nairobi
fr|Kenya|du ~|Nairobi
it|Kenya|del ~|Nairobi
pt|Quênia|do ~|Nairóbi
hi|केन्या|~|नैरोबी
es|Kenia|de ~|Nairobi
th|เคนยา|~|ไนโรบี

Canada;North America;dollar;English
en|Canada|~|Ottawa
de|Kanada|von ~|Ottawa
fr|Canada|du ~|Ottawa
it|Canada|del ~|Ottawa
pt|Canadá|do ~|Ottawa
hi|कनाडा|~|ओटावा
es|Canadá|de ~|Ottawa
th|แคนาดา|~|ออตตาวา

Mexico;North America;peso;Spanish
en|Mexico|~|Mexico City
de|Mexiko|von ~|Mexiko-Stadt
fr|Mexique|du ~|Mexico
it|Messico|del ~|Città del Messico
pt|México|do ~|Cidade do México
hi|मेक्सिको|~|मेक्सिको सिटी
es|México|de ~|Ciudad de México
th|เม็กซิโก|~|เม็กซิโกซิตี

Brazil;South America;real;Portuguese
en|Brazil|~|Brasília
de|Brasilien|von ~|Brasília
fr|Brésil|du ~|Brasilia
it|Brasile|del ~|Brasilia
pt|Brasil|do ~|Brasília
hi|ब्राज़ील|~|ब्रासीलिया
es|Brasil|de ~|Brasilia
th|บราซิล|~|บราซิเลีย

Peru;South America;sol;Spanish
en|Peru|~|Lima
de|Peru|von ~|Lima
fr|Pérou|du ~|Lima
it|Perù|del ~|Lima
pt|Peru|do ~|Lima
hi|पेरू|~|लीमा
es|Perú|de ~|Lima
th|เปรู|~|ลิมา
"""


def _parse(rows: str) -> tuple[Country, ...]:
    countries = []
    for block in rows.strip().split("\n\n"):
        head, *lines = block.splitlines()
        name, continent, currency, language = head.split(";")
        names, genitives, capitals = {}, {}, {}
        for line in lines:
            lang, local, genitive, capital = line.split("|")
            names[lang] = local
            genitives[lang] = genitive.replace("~", local)
            capitals[lang] = capital
        countries.append(Country(name, continent, currency, language, names, genitives, capitals))
    return tuple(countries)


COUNTRIES: Final = _parse(_ROWS)
