"""Writes tests/fixtures/tokens/smollm2.jsonl: 1,000 lines {"text", "ids"} with
the ids that llama.cpp gives for the text.

    python tests/reference/llamacpp_tokens.py --model SmolLM2.gguf [--out FILE]

No BOS is added, and parse_special is false: "<|im_start|>" in a text is cut
like any other text. That is intended: a customer's text never becomes a
control token.

Some bytes have no token in SmolLM2 (0x04, 0x06, 0x13, 0x14, 0x16, 0x1d and
the first bytes of planes that are not assigned). llama.cpp drops them, and
joins nothing across the gap.
"""
# ruff: noqa: E501, RUF001

import argparse
import json
import os
import random

from llama_cpp import Llama

LINES = 1000

# fmt: off
SUBJECTS = """the driver|my neighbour|a small team|our landlord|nobody|the second edition|this lens
the harbour|Marta|the old bridge|every customer|the committee|his sister|that engine
the baker on Mill Lane|Dr. Okafor|the night train|a stray cat|the warranty|your colleague"""
VERBS = """could not find|has repaired|will probably miss|never liked|opened|measured twice
wrote about|is selling|kept complaining about|had forgotten|quietly replaced|returned"""
OBJECTS = """the spare key|a broken compass|two crates of apples|the last chapter|an invoice
the blue folder|most of the evidence|a very good soup|the timetable|their own advice
nothing at all|the upstairs window|a pair of gloves|his grandmother's clock"""
TAILS = """.|!|?|, because it was raining.|; we waited anyway.| before noon.| (again).|...
, she said.| - or so I'm told.|: a mistake.|, didn't they?| and that was that.|"""
CONTRACTIONS = """I'm I've I'd I'll you're we've they'll she'd it's isn't don't can't won't
shouldn't've y'all'd o'clock 'tis 'twas rock'n'roll dogs' James's the '90s"""

CODE = [
    "fn main() { println!(\"{}\", 1 + 1); }",
    "for i in range(10):\n    total += i ** 2",
    "def f(x: int) -> int:\n\treturn x  # twice",
    "if (a && b || !c) { return; }",
    "SELECT id, name FROM users WHERE age >= 18 ORDER BY name;",
    "#include <stdio.h>\nint main(void) { return 0; }\n",
    "let v: Vec<u8> = vec![0x00, 0xFF, 0b1010, 1_000];",
    "const x = async () => await fetch(`/api/${id}?q=1`);",
    "<div class=\"row\"><p>Hi &amp; bye</p></div>",
    "{\"name\": \"lamp\", \"price\": 12.50, \"tags\": [\"a\", null, true]}",
    "git log --oneline -n 5 | grep -v 'merge' > out.txt 2>&1",
    "x = a[i:j:-1]; y = {**a, 'k': [*b]}",
    "std::unordered_map<std::string, int> m{};",
    "@decorator\nclass A(B):\n    pass",
    "$ sudo apt-get install -y build-essential",
    "C:\\Users\\guest\\Documents\\file (1).txt",
    "/usr/local/lib/python3/site-packages/__init__.py",
    "regex: ^\\s*([A-Z][a-z]+)\\s+(\\d{2,4})$",
    "int *p = &a[0]; p->next = NULL; /* end */",
    "print(f\"{value:>10.3f}\")",
    "import numpy as np\n\n\nnp.zeros((3, 4))",
    "<!-- comment --><br/>",
    "while true; do echo $((i++)); done",
    "func (s *Server) Close() error { return nil }",
    "a == b ? c : d;  // why?",
    "\\begin{equation} E = mc^2 \\end{equation}",
    "| col | val |\n|-----|----:|\n| a   | 1.0 |",
    "- [ ] todo\n- [x] done\n  1. one\n  2. two",
    "key: value\nlist:\n  - 1\n  - 2\n",
    "0xDEADBEEF ^ 0777 << 3 != ~0u",
]

SCRIPTS = [
    "Le garçon a mangé une crêpe à Noël.", "Où est l'hôtel ? C'est là-bas, s'il vous plaît.",
    "Straße, Größe und Übermut; das weiß ich nicht.", "El niño comió piñas en Málaga, ¿verdad?",
    "São Paulo não é a capital do Brasil.", "Zażółć gęślą jaźń.", "Příliš žluťoučký kůň.",
    "Årsmøtet på Ærø varte i åtte timer.", "İstanbul'da ışıklar söndü.", "Tiếng Việt rất khó đọc.",
    "Ő és ű, magyarul így írjuk.", "Þetta er gott veður á Íslandi.", "Għandi ħafna xogħol.",
    "Καλημέρα, τι κάνεις σήμερα;", "Η θάλασσα είναι ήρεμη.", "ΑΒΓΔΕ ωψχφυ",
    "Сегодня хорошая погода.", "Где находится вокзал?", "Україна, її міста й села.",
    "Ово је српски језик.", "Аз не разбирам това.", "ЁЖИК ёжик",
    "مرحبا، كيف حالك اليوم؟", "القطار متأخر ساعتين.", "این کتاب خیلی خوب است.", "یہ اردو ہے۔",
    "العَرَبِيَّة", "שלום, מה שלומך?", "הספר על השולחן.", "בְּרֵאשִׁית",
    "नमस्ते, आप कैसे हैं?", "मुझे हिन्दी आती है।", "বাংলা ভাষা সুন্দর।", "தமிழ் மொழி", "తెలుగు భాష",
    "ಕನ್ನಡ", "മലയാളം", "ગુજરાતી", "ਪੰਜਾਬੀ", "සිංහල",
    "สวัสดีครับ วันนี้อากาศดี", "ราคาเท่าไหร่", "ລາວ", "ភាសាខ្មែរ", "မြန်မာဘာသာ", "བོད་སྐད།",
    "今天天气很好。", "我想买一张去上海的火车票。", "漢字與简体字", "你好,世界!",
    "今日はいい天気ですね。", "カタカナとひらがな", "東京へ行きたい!", "ﾊﾝｶｸ ｶﾀｶﾅ",
    "안녕하세요, 반갑습니다.", "서울은 큰 도시입니다.", "한글과 漢字",
    "ქართული ენა", "Հայերեն լեզու", "አማርኛ ቋንቋ", "Монгол хэл", "ᠮᠣᠩᠭᠣᠯ", "ᏣᎳᎩ", "ᐃᓄᒃᑎᑐᑦ",
    "𝒽𝑒𝓁𝓁𝑜 𝕨𝕠𝕣𝕝𝕕", "𐍈𐌰𐌿𐍂", "𓀀𓁐", "ǅ ǈ ǋ", "ﬁ ﬂ ﬃ", "ªº", "ʰʷ ˈstrɛs", "ℵ ℝ ℕ", "Ⓐⓑ",
]

EMOJI = [
    "🙂", "😀😃😄", "👍🏽", "👩‍💻", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "❤️", "❤", "☎️", "1️⃣", "#️⃣", "👩🏿‍🚀", "🧑🏻‍🤝‍🧑🏾",
    "so happy 😂😂😂!!!", "love it ❤️❤️", "🎉 party at 8 🎉", "ok👌🏼thanks", "🤷‍♀️ no idea", "🫠🫡", "🪿",
    "☀️☁️☂️", "→ ← ↑ ↓", "✓ ✗ ★ ☆", "♠♥♦♣", "© ® ™", "§ ¶ † ‡", "• · ◦ ▪", "─│┌┐└┘", "█▓▒░",
]

MARKS = [
    "e\u0301te\u0301", "n\u0303", "a\u0308o\u0308u\u0308", "Z\u0351\u036b\u0343a\u0340l\u0353g\u034ao",
    "\u0301", " \u0301", "a \u0308", "q\u0307\u0323", "q\u0323\u0307", "\u1100\u1161\u11a8",
    "\u0e01\u0e33", "\u0915\u094d\u0937", "x\u20d7", "5\u0332", "a\u20e3", "ä vs a\u0308",
]

NUMBERS = [
    "٠١٢٣٤٥٦٧٨٩", "۱۲۳۴", "१२३", "০১২", "๑๒๓", "１２３４５", "１２.５０", "x² + y³", "10⁻⁶ m", "H₂O",
    "½ cup", "1½", "¼ ¾ ⅓ ⅔ ⅛", "Ⅳ Ⅻ ⅷ", "Chapter Ⅱ", "①②③", "⑴ ⒈ ㊀", "一二三", "〇", "〡〢〣",
    "𝟘𝟙𝟚", "𝟏𝟐", "𐄇", "𐏑", "፩፪", "௧௨", "₁₂₃", "⁰¹²", "৴", "༳", "㈠", "㉈", "🄁", "𒐀", "a²b³",
    " ²", " ½", "  ٣", "٣٫١٤", "no.３ of １０", "№ 5", "5‰", "٪50", "ⅯⅭⅯ", "1²2³",
]

QUOTES = [
    "I’m sure it’s fine, isn’t it?", "don’t won’t can’t", "“Quoted” ‘single’ „low“ «guillemets»",
    "IT'S NOT WHAT I'D SAY, THEY'LL SEE", "DON'T", "I'M", "WE'VE", "YOU'RE", "it'S", "we'Ve", "'s", "'S",
    "'t", "'re", "'ve", "'ll", "'d", "'m", "'mm", "'sa", " 's", "''s", "'s's", "a's'd", "1's", "2'd",
    "é's", "'é", "’s", "ʼs", "`s", "l'l", "'l l", "'R", "'r", "'v", "'l", "x'll", "x 'll", "rock ’n’ roll",
    "they'd've", "'", "''", "'''", "' '", "'\n's", "'tis the season", "\"it's\"", "(it's)", "it's.",
]

PUNCTUATION = [
    "...", "…", "!!!", "?!?!", "---", "–—―", "***", "___", "===", "+++", "~~~~", "////", "\\\\\\", "((()))",
    "[[]]", "{{}}", "<<<>>>", "&&||", "%%", "@@", "##", "$$$", "^^", "``````", "\"\"\"", ",,,", ";;", "::",
    "!@#$%^&*()_+-=[]{}|;':\",./<>?", "......................................", " !", " ?", " ...", "- -",
    ". . .", "a-b", "a - b", "a--b", "a_b_c", "a.b.c", "a,b", "a , b", "wait...what?", "yes/no", "(a)(b)",
    "¡Hola!", "¿Qué?", "。、!", "「」『』", "·", "«»", "‹›", "¦", "¬", "±", "×÷", "°C", "µm", "€", "£5", "¥",
    "₹₽₿", "5%", "-5", "+5", "~5", "<5", ">=5", "#5", "@5", "$5", "5$", "5-", "(5)", "[5]", "5.", ".5", "5:5",
    "!!5!!", "5!!5", ":-)", ";)", "<3", "\\o/", "¯\\_(ツ)_/¯", "(╯°□°)╯︵ ┻━┻", "->", "=>", "<=>", "!=", ":=",
]

WHITESPACE = [
    " ", "  ", "   ", "    ", "     ", "        ", " " * 15, " " * 16, " " * 17, " " * 33, " " * 70, "\t",
    "\t\t", "\t\t\t\t", "\n", "\n\n", "\n\n\n", "\n\n\n\n\n", "\r\n", "\r\n\r\n", "\r", "\r\r", "\n\r", " \n",
    "\n ", " \n ", "\t\n", "\n\t", " \t ", "\t ", " \t", "  \n  \n", "\v", "\f", "\x0b\x0c", "\u00a0",
    "\u00a0\u00a0", " \u00a0", "\u2003", "\u2009", "\u202f", "\u3000", "\u3000\u3000", "\u2028", "\u2029",
    "\u1680", "\u205f", "\x85", "a ", "a  ", "a   ", " a", "  a", "   a", "a b", "a  b", "a   b", "a    b",
    "a\tb", "a\t\tb", "a\nb", "a\n\nb", "a\r\nb", "a \n b", "a\n  b", "a\n\tb", "a \r\n", "a\u00a0b",
    "a\u00a0 b", "a \u00a0b", "a\u2003b", "a\u3000b", "a\x85b", "a\u2028b", "1 2", "1  2", "1   2", " 1", "  1",
    "   1", "1 ", "1  ", "1\n2", "1\n\n2", "\n1", "\t1", "a 1", "a  1", "a   1 b", "1 a", "1  a", " !", "  !",
    "   !", "!  !", "! ", "!  ", "\n!", "\n\n!", " \n!", "a  \n  \tb", "line one \nline two  \n",
    "para one.\n\npara two.\n\n\npara three.", "col1\tcol2\tcol3\n1\t2\t3", "trailing spaces   ",
    "\n    indented\n        more\n", "mixed\r\nline\rends\n", "x" + " " * 9 + "y", "\t\tif x:\n\t\t\ty",
]

INVISIBLE = [
    "\u200b", "a\u200bb", "zero\u200bwidth", "\u200c", "\u200d", "می\u200cخواهم", "क\u094d\u200dष", "\ufeff",
    "\ufefftext", "a\u2060b", "soft\u00adhyphen", "\u200e\u200f", "\u202eabc\u202c", "\u2066x\u2069", "a\u034fb",
    " \u200b", "\u200b ", "\u200b\u200b\u200b", "\u180e", "\u3164", "\u115f", "\ufe0f", "\u2800", "\ufffd",
    "\ufffc", "\x00", "a\x00b", "\x01\x02\x03", "\x07", "\x08", "\x1b[31mred\x1b[0m", "\x7f", "\x80", "\x9f",
    "\x1c\x1d\x1e\x1f", "a\x1fb", "\x04", "a\x04b", "\x06\x13\x14\x16\x1d", "end\x04", "\ue000", "\uf8ff",
    "\U000f0000", "\U0010ffff", "\U000e0041", "\u0378", "\U0001fbff", "\U00020000", "\U00030000",
    "\U00040000", "a\U00050000b", "\ufdd0", "\uffff",
]

# Between characters that would join, a byte that has no token.
GAPS = ["!\x04!", "-\x06-", ".\x13..", "=\x16=", "(\x14)", "*\x1d*", ":\x04/\x04/", "!\U00040000!"]

SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<file_sep>", "<gh_stars>",
    "<jupyter_start>", "<empty_output>", "<|im_start|>user\nHi<|im_end|>\n", "<|im_start|>system",
    "a<|im_end|>b", " <|im_end|> ", "<|im_end|><|im_end|>", "<|IM_START|>", "<|im_start|", "|im_start|>",
    "<|im_start |>", "<|endoftext|>The end", "<s>", "</s>", "<unk>", "<pad>", "[INST]", "<0x0A>", "<|eot_id|>",
    "<issue_comment>hello<issue_closed>", "Ġ", "Ġthe", "Ċ", "â", "Ã©", "▁the", "##ing", "</w>",
]

LONG = [
    "a" * 300, "ab" * 150, "0" * 120, "1234567890" * 12, "Donaudampfschifffahrtsgesellschaftskapitän",
    "pneumonoultramicroscopicsilicovolcanoconiosis", "supercalifragilisticexpialidocious" * 3, "=" * 200,
    "-" * 81, "." * 130, "ha" * 60, "A" * 100, "AbCdEfGh" * 15, "é" * 60, "字" * 60, "😀" * 30, "!?" * 50,
    "_" * 64, "\n" * 40, "\t" * 25, "x1" * 40, "SGVsbG8gd29ybGQhIFRoaXMgaXMgYmFzZTY0Lg==" * 2,
    "d41d8cd98f00b204e9800998ecf8427e", "camelCaseIdentifierNamesAreLong", "snake_case_is_longer_still",
    "SCREAMING_SNAKE_CASE", "kebab-case-name", "XMLHttpRequest", "iPhone15ProMax", "aAaAaAaA" * 6, "noooooooooo",
    "yesssssssss!!!!!!", "hmmmmmmmmmmm", "ค" * 40, "ا" * 40,
]

UNICODE = [
    (0xA1, 0x17F), (0x180, 0x24F), (0x250, 0x2AF), (0x370, 0x3FF), (0x400, 0x52F), (0x590, 0x5FF),
    (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F), (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x2070, 0x209F),
    (0x20A0, 0x20BF), (0x2100, 0x218B), (0x2190, 0x23FF), (0x2460, 0x24FF), (0x2500, 0x27BF),
    (0x3000, 0x30FF), (0x3200, 0x33FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFB00, 0xFDFF),
    (0xFF00, 0xFFEF), (0x10000, 0x100FF), (0x1D400, 0x1D7FF), (0x1F300, 0x1F6FF), (0x1F900, 0x1F9FF),
]

# fmt: on


def words(text):
    return [w for line in text.split("\n") for w in line.split("|")]


def paragraph(rng):
    return rng.choice([" ", " ", "\n", "  "]).join(sentence(rng) for _ in range(rng.randint(1, 4)))


def sentence(rng):
    text = f"{rng.choice(words(SUBJECTS))} {rng.choice(words(VERBS))} {rng.choice(words(OBJECTS))}"
    text += rng.choice(words(TAILS))
    style = rng.randrange(10)
    if style == 0:
        return text.upper()
    if style == 1:
        return text.title()
    if style == 2:
        return " " + text
    if style == 3:
        return text.replace(" ", "  ", 2)
    return text[0].upper() + text[1:]


def number(rng):
    n = rng.randrange(10 ** rng.randint(1, 7))
    y, m, d = rng.randint(1900, 2099), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice(
        [
            str(n),
            f"{n:,}",
            f"-{n}",
            f"{n / 100:.2f}",
            f"${n / 100:.2f}",
            f"{n} €",
            f"£{n}",
            f"{n}%",
            f"#{n}",
            f"{y}-{m:02}-{d:02}",
            f"{d}/{m}/{y}",
            f"{d}.{m}.{y}",
            f"{y}{m:02}{d:02}",
            f"{m:02}:{d:02}",
            f"{d}th of May {y}",
            f"{n}kg",
            f"{n} km/h",
            f"v{m}.{d}.{n % 10}",
            f"{n:e}",
            f"0x{n:x}",
            f"+49 {n} {y}",
            f"({n}) {y}-{d}",
            f"10.0.{m}.{d}",
            f"{n}x{m}",
            f"room {n}b",
            f"{d}°C",
            f"{m}/{d}",
            f"{n:010}",
            f"Q{m % 4 + 1} {y}",
            f"{m} 000 000",
        ]
    )


def address(rng):
    name = rng.choice(["mara", "j.doe", "first.last+tag", "info", "no-reply", "o'neil", "ab_12"])
    host = rng.choice(
        ["example.com", "mail.example.org", "EXAMPLE.NET", "localhost:8080", "münchen.example"]
    )
    page = rng.choice(
        ["", "/", "/a/b.html", "/?q=red+lamp&p=2", "/~user/#top", "/%E2%9C%93", "/x_y-z.php?id=17"]
    )
    return rng.choice(
        [
            f"{name}@{host}",
            f"https://{host}{page}",
            f"http://www.{host}{page}",
            f"ftp://{name}@{host}",
            f"mailto:{name}@{host}",
            f"see {host}{page}, please",
            f"<{name}@{host}>",
            f"[link](https://{host}{page})",
        ]
    )


def contraction(rng):
    parts = [rng.choice(CONTRACTIONS.split()) for _ in range(rng.randint(1, 4))]
    text = " ".join(parts)
    text = text.replace("'", rng.choice("''’`"))
    return rng.choice([text, text.upper(), text.title()])


def code_points(rng):
    low, high = rng.choice(UNICODE)
    return "".join(
        rng.choice(["", "", " ", "a", "1"]) + chr(rng.randint(low, high))
        for _ in range(rng.randint(1, 5))
    )


def short(rng, source):
    text = rng.choice(source)
    return text if len(text) < 40 else text[: rng.randint(5, 30)]


def mixture(rng):
    """Pieces of everything, joined by all kinds of gaps or by none."""
    out = ""
    for _ in range(rng.randint(2, 6)):
        out += rng.choice(["", "", " ", " ", "  ", "\n", "\t", "\r\n", ", ", "-", "'"])
        out += rng.choice(
            [
                lambda: short(rng, SCRIPTS),
                lambda: short(rng, EMOJI),
                lambda: short(rng, PUNCTUATION),
                lambda: short(rng, NUMBERS),
                lambda: short(rng, QUOTES),
                lambda: short(rng, WHITESPACE),
                lambda: short(rng, SPECIAL),
                lambda: short(rng, CODE),
                lambda: short(rng, MARKS),
                lambda: number(rng),
                lambda: contraction(rng),
                lambda: code_points(rng),
            ]
        )()
    return out


def lines():
    rng = random.Random(7)
    fixed = [""] + [chr(c) for c in range(33, 127)]
    for part in (
        CODE,
        SCRIPTS,
        EMOJI,
        MARKS,
        NUMBERS,
        QUOTES,
        PUNCTUATION,
        WHITESPACE,
        INVISIBLE,
        SPECIAL,
        LONG,
    ):
        fixed += part
    fixed += GAPS
    out = list(dict.fromkeys(fixed))
    quotas = [
        (paragraph, 100),
        (number, 45),
        (address, 35),
        (contraction, 20),
        (code_points, 40),
        (mixture, LINES),
    ]
    seen = set(out)
    for make, count in quotas:
        while count and len(out) < LINES:
            text = make(rng)
            if text not in seen:
                seen.add(text)
                out.append(text)
                count -= 1
    return out


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument(
        "--out", default=os.path.join(here, "..", "fixtures", "tokens", "smollm2.jsonl")
    )
    args = parser.parse_args()
    llama = Llama(args.model, vocab_only=True, verbose=False)
    os.makedirs(os.path.dirname(args.out), exist_ok=True)
    texts = lines()
    assert len(texts) == LINES == len(set(texts)), len(texts)
    with open(args.out, "w", encoding="utf-8", newline="\n") as f:
        for text in texts:
            ids = llama.tokenize(text.encode(), add_bos=False, special=False) if text else []
            row = {"text": text, "ids": list(ids)}
            f.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{len(texts)} lines, {os.path.getsize(args.out)} bytes")


if __name__ == "__main__":
    main()
