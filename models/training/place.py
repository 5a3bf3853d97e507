"""Places that are not taught: countries of the rest of the world by their names in each language, and made-up ones."""

import random
from typing import Final

from models.training import world
from models.training.word import UNTAUGHT_COUNTRIES, is_held_out, pseudo_word, spliced_word

_UNTAUGHT: Final = {
    "de": """Dänemark Belgien Ungarn Kuba Argentinien Kolumbien Australien Rumänien Bulgarien Kroatien Island
    Marokko Türkei Nigeria Israel Pakistan Nepal Serbien Estland Lettland Litauen Slowenien Indonesien Malaysia
    Venezuela Bolivien Tunesien Jordanien Syrien Libyen Singapur Kamerun Schweiz Ukraine Mongolei Iran Afghanistan
    Albanien Algerien Angola Armenien Bangladesch Bahrain Bhutan Chile Ecuador Fidschi Georgien Ghana Guatemala
    Haiti Honduras Irak Jamaika Jemen Kambodscha Kasachstan Katar Kuwait Laos Libanon Luxemburg Madagaskar Mali
    Malta Moldau Monaco Mosambik Namibia Neuseeland Nicaragua Niederlande Niger Oman Panama Paraguay Philippinen
    Ruanda Sambia Senegal Simbabwe Slowakei Somalia Sudan Südafrika Südkorea Tansania Tschad Tschechien Uganda
    Uruguay Usbekistan Zypern""",
    "fr": """Danemark Belgique Hongrie Argentine Colombie Australie Roumanie Bulgarie Croatie Islande Maroc Turquie
    Israël Pakistan Népal Serbie Estonie Lettonie Lituanie Slovénie Indonésie Malaisie Bolivie Tunisie Jordanie
    Syrie Libye Singapour Cameroun Suisse Ukraine Mongolie Algérie Chili Sénégal Équateur Afghanistan Albanie
    Angola Arménie Azerbaïdjan Bahreïn Bangladesh Bhoutan Biélorussie Botswana Cambodge Chypre Congo Corée Cuba
    Éthiopie Fidji Gabon Géorgie Ghana Guatemala Haïti Honduras Irak Iran Jamaïque Kazakhstan Koweït Laos Liban
    Luxembourg Madagascar Mali Malte Moldavie Monaco Mozambique Namibie Nicaragua Niger Nigeria Oman Ouganda Panama
    Paraguay Philippines Qatar Rwanda Slovaquie Somalie Soudan Tanzanie Tchad Togo Uruguay Venezuela Yémen Zambie""",
    "it": """Danimarca Belgio Ungheria Argentina Colombia Australia Bulgaria Croazia Islanda Marocco Turchia
    Israele Nepal Serbia Estonia Lettonia Lituania Slovenia Indonesia Malesia Bolivia Tunisia Giordania Siria Libia
    Camerun Svizzera Ucraina Mongolia Algeria Cile Cuba Etiopia Lussemburgo Pakistan Afghanistan Albania Angola
    Armenia Bangladesh Bhutan Bielorussia Botswana Cambogia Ciad Cipro Congo Corea Ecuador Figi Filippine Gabon
    Georgia Ghana Giamaica Guatemala Haiti Honduras Irak Iran Kazakistan Kuwait Laos Libano Madagascar Mali Malta
    Moldavia Monaco Mozambico Namibia Nicaragua Niger Nigeria Oman Panama Paraguay Qatar Romania Ruanda Senegal
    Singapore Slovacchia Somalia Sudan Tanzania Togo Uganda Uruguay Uzbekistan Venezuela Yemen Zambia""",
    "pt": """Dinamarca Bélgica Hungria Argentina Colômbia Austrália Romênia Bulgária Croácia Islândia Marrocos
    Turquia Israel Paquistão Nepal Sérvia Estônia Letônia Lituânia Indonésia Malásia Bolívia Tunísia Jordânia Síria
    Líbia Camarões Suíça Ucrânia Mongólia Argélia Chile Cuba Angola Moçambique Uruguai Afeganistão Albânia Armênia
    Bangladesh Butão Bielorrússia Botsuana Camboja Catar Cazaquistão Chade Chipre Cingapura Congo Coreia Equador
    Eslováquia Eslovênia Etiópia Fiji Filipinas Gabão Gana Geórgia Guatemala Haiti Honduras Iêmen Irã Iraque
    Jamaica Kuwait Laos Líbano Luxemburgo Madagascar Mali Malta Moldávia Mônaco Namíbia Nicarágua Níger Nigéria Omã
    Panamá Paraguai Ruanda Senegal Somália Sudão Tanzânia Togo Uganda Uzbequistão Venezuela Zâmbia""",
    "hi": """नेपाल चिली क्यूबा घाना बेल्जियम डेनमार्क इक्वाडोर इथियोपिया हैती हंगरी ईरान इराक जमैका जॉर्डन लाओस
    लेबनान लीबिया मलेशिया माली मोरक्को नाइजीरिया ओमान पाकिस्तान पनामा रोमानिया रवांडा सेनेगल सर्बिया सिंगापुर
    सोमालिया सूडान सीरिया तुर्की युगांडा यूक्रेन यमन अर्जेंटीना कोलंबिया बांग्लादेश कंबोडिया श्रीलंका अल्जीरिया
    मंगोलिया भूटान अफ़ग़ानिस्तान अल्बानिया अंगोला अज़रबैजान आइसलैंड आर्मेनिया इज़राइल इंडोनेशिया उज़्बेकिस्तान
    उरुग्वे ऑस्ट्रेलिया एस्टोनिया कज़ाख़स्तान क़तर कांगो किर्गिज़स्तान कुवैत कैमरून कोरिया क्रोएशिया ग्वाटेमाला
    गैबॉन गिनी चाड चेकिया जॉर्जिया ज़ाम्बिया ज़िम्बाब्वे टोगो ट्यूनीशिया डोमिनिका तंज़ानिया ताइवान तुर्कमेनिस्तान
    नामीबिया नाइजर निकारागुआ नीदरलैंड न्यूज़ीलैंड पराग्वे फ़िजी फ़िलीपींस बहरीन बहामास बारबाडोस बुरुंडी बुल्गारिया
    बेनिन बेलारूस बोत्सवाना बोलीविया ब्रुनेई मलावी मालदीव माल्टा मेडागास्कर मोनाको मोज़ाम्बिक मोल्दोवा म्यांमार
    लक्ज़मबर्ग लातविया लाइबेरिया लिथुआनिया वेनेज़ुएला साइप्रस समोआ सूरीनाम स्लोवाकिया स्लोवेनिया स्विट्ज़रलैंड
    होंडुरास""",
    "es": """Dinamarca Bélgica Hungría Argentina Colombia Australia Rumania Bulgaria Croacia Islandia Marruecos
    Turquía Israel Pakistán Nepal Serbia Estonia Letonia Lituania Eslovenia Indonesia Malasia Bolivia Túnez
    Jordania Siria Libia Camerún Suiza Ucrania Mongolia Argelia Chile Cuba Uruguay Venezuela Afganistán Albania
    Angola Armenia Baréin Bangladés Bután Bielorrusia Botsuana Camboya Catar Chad Chipre Congo Corea Ecuador
    Eslovaquia Etiopía Fiyi Filipinas Gabón Georgia Ghana Guatemala Haití Honduras Irak Irán Jamaica Kazajistán
    Kuwait Laos Líbano Luxemburgo Madagascar Malí Malta Moldavia Mónaco Mozambique Namibia Nicaragua Níger Nigeria
    Omán Panamá Paraguay Ruanda Senegal Singapur Somalia Sudán Tanzania Togo Uganda Uzbekistán Yemen Zambia""",
    "th": """เนปาล ชิลี คิวบา กานา เบลเยียม เดนมาร์ก ฟิจิ ฮังการี อินโดนีเซีย อิหร่าน อิรัก อิสราเอล จาเมกา จอร์แดน
    ลาว มาเลเซีย โมร็อกโก ไนจีเรีย โอมาน ปากีสถาน ปานามา กาตาร์ โรมาเนีย สิงคโปร์ ซีเรีย ตุรกี ยูเครน เยเมน
    อาร์เจนตินา โคลอมเบีย ออสเตรเลีย กัมพูชา พม่า ฟิลิปปินส์ เกาหลีใต้ มองโกเลีย สวิตเซอร์แลนด์ เนเธอร์แลนด์
    อัฟกานิสถาน แอลเบเนีย แองโกลา อาร์เมเนีย อาเซอร์ไบจาน บาห์เรน บังกลาเทศ เบลารุส ภูฏาน โบลิเวีย บอตสวานา บรูไน
    บัลแกเรีย แคเมอรูน ชาด คองโก โครเอเชีย ไซปรัส เช็กเกีย เอกวาดอร์ เอสโตเนีย เอธิโอเปีย กาบอง จอร์เจีย กัวเตมาลา
    กินี เฮติ ฮอนดูรัส ไอซ์แลนด์ คาซัคสถาน คูเวต ลัตเวีย เลบานอน ไลบีเรีย ลิเบีย ลิทัวเนีย ลักเซมเบิร์ก มาดากัสการ์
    มาลาวี มัลดีฟส์ มาลี มอลตา มอลโดวา โมนาโก โมซัมบิก นามิเบีย นิวซีแลนด์ นิการากัว ไนเจอร์ ปารากวัย รวันดา ซามัว
    เซเนกัล เซอร์เบีย สโลวาเกีย สโลวีเนีย โซมาเลีย ซูดาน ไต้หวัน แทนซาเนีย โตโก ตูนิเซีย ยูกันดา อุรุกวัย
    อุซเบกิสถาน เวเนซุเอลา แซมเบีย ซิมบับเว ศรีลังกา แอลจีเรีย""",
}
UNTAUGHT: Final = {"en": UNTAUGHT_COUNTRIES, **{lang: tuple(names.split()) for lang, names in _UNTAUGHT.items()}}

_TAUGHT: Final = {lang: tuple(country.names[lang] for country in world.COUNTRIES) for lang in world.LANGUAGES}
_KNOWN: Final = frozenset(name.lower() for names in _TAUGHT.values() for name in names)

# What comes first, then the vowel, then the end of a syllable.
_SYLLABLES: Final = {
    "hi": ("क ख ग घ च छ ज ट ड त द न प फ ब भ म य र ल व श स ह क्र ग्र प्र ब्र त्र".split(),
           ["", "ा", "ि", "ी", "ु", "ू", "े", "ै", "ो", "ौ", "ा", "े"], ["", "", "", "न", "र", "ल", "स", "म", "ंग", "क"]),
    "th": ("ก ข ค จ ช ด ต ท น บ ป พ ฟ ม ย ร ล ว ส ห อ".split(),
           ["เ-", "โ-", "แ-", "ไ-", "-า", "-ี", "-ู", "-อ", "-ิ", "-า"], ["", "", "น", "ง", "ม", "ย", "ล", "ก"]),
}  # fmt: skip


def pseudo_name(rng: random.Random, lang: str) -> str:
    """Make a name of two or three random syllables, in the script of the language now and then."""
    if lang not in _SYLLABLES or rng.random() < 0.3:
        return pseudo_word(rng).capitalize()
    first, vowels, last = _SYLLABLES[lang]
    name = ""
    for _ in range(rng.choice((2, 2, 3))):
        onset, vowel = rng.choice(first), rng.choice(vowels)
        name += (vowel.replace("-", onset) if "-" in vowel else onset + vowel) + rng.choice(last)
    return name


def practice_place(rng: random.Random, lang: str) -> str:
    """A training place: a country that is not taught, one that is almost a taught one's name, or a made-up one."""
    while True:
        draw = rng.random()
        if draw < 0.5:
            name = rng.choice(UNTAUGHT[lang])
        elif draw < 0.7:
            name = spliced_word(rng, _TAUGHT[lang] if rng.random() < 0.4 else _TAUGHT[lang] + UNTAUGHT[lang])
        else:
            name = pseudo_name(rng, lang)
        name = name[:1].upper() + name[1:]
        if len(name) > 1 and name.lower() not in _KNOWN and not is_held_out(name):
            return name
