"""Writes hard-lines.jsonl: 1,000 texts that tokenizers get wrong, one JSON string a row.

    python test/goldens/hard_lines.py

A fixed seed draws them, so the file comes out the same. Code points come from Unicode 3.2, which
every Unicode library agrees on, beside a few newer emoji.
"""

import json
import pathlib
import random
import unicodedata

OUT = pathlib.Path(__file__).parent / "hard-lines.jsonl"

WRITTEN = [
    " ", "  ", "\n", "\n\n\n", "\t", "\r\n", " \n ", "a", "Z", "0", "00", "é", "e\u0301", "ﬁ", "🙂", "日",
    "Hello world", " Hello  world ", "hello\tworld", "Hello\nworld\n", "end of line \n next",
    "I'm sure they've said we'll, you'd, it's, he's 'tis O'Brien's dogs'",
    "I’M SURE THEY’VE I'M THEY'VE WE'LL YOU'D IT'S", "''s''t''re 'S'T'RE 's't're'", "don't 'd 'll",
    "1234567890", "3.14159", "1,000,000.00", "$5.99", "50%", "10^6", "1e-9", "0x1F", "007", "12:34:56",
    "2024-02-29", "(555) 010-9999", "٣٤٥", "१२३", "１２３", "x²+y³", "½ cup", "Ⅷ Ⅻ", "①②③", "㊿", "𝟙𝟚𝟛",
    "৳৫০", "1٢3४5", "a1b2c3", "1a2b", "v1.2.3-rc4", "abc123def456", "no1", "1st 2nd 3rd",
    "naïve café über Ångström façade", "Zażółć gęślą jaźń", "Příliš žluťoučký kůň", "Съешь ещё этих булок",
    "Ξεσκεπάζω τὴν ψυχοφθόρα", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "สวัสดีชาวโลก", "你好，世界！",
    "こんにちは世界", "안녕하세요 세계", "ᄒ\u1161\u11ab글", "ǅ ǈ ǋ", "ß ẞ SS", "İstanbul ıI", "ʰʷ ᵃᵇ", "ªº",
    "👨‍👩‍👧‍👦 family", "👍🏽 👍🏿", "🇫🇷🇯🇵🇧🇷", "❤️ ❤ ♥️", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "z̷͎͐a̸l̶g̵o̴", "🫠🥹",
    "\u00a0nbsp\u00a0", "\u2003em space", "\u200bzero width\u200b", "\ufeffbom inside\ufeff", "a\u0085b",
    "a\u2028b\u2029c", "a\u180eb", "\u3000ideographic", "a\u00adb", "\u202eright to left\u202c", "a\x0bb\x0cc",
    "\x00\x01\x02", "\x1b[31mred\x1b[0m", "\x7f", "a\x1cb\x1db\x1eb\x1f", " \u00a0 \u2003 mixed", "\u0085\u0085",
    "\ufeff", "\u2060word joiner", "\ue000private", "\ufffd replacement", "\U0010ffff", "\U000e0001",
    "<|im_start|>", "<|im_end|>", "<|im_start|>user\nhi<|im_end|>\n", "<|endoftext|><|endoftext|>",
    "a<|im_end|>b", " <|im_end|> ", "<|im_end|", "|im_end|>", "<|IM_END|>", "<|im_<|im_end|>end|>", "<repo_name>x",
    "<file_sep><filename>a.py", "<gh_stars>12<issue_start>", "<jupyter_code>1+1<empty_output>", "<0x0A>", "<unk></s>",
    "def f(x):\n    return x ** 2  # square\n", "for (let i = 0; i < n; i++) { a[i] += 1; }",
    "fn main() {\n\tprintln!(\"{}\", 1u8);\n}", "if (a&&b||!c) {return;}", "<div class=\"x\">&nbsp;</div>",
    "SELECT * FROM t WHERE a <> 'b' -- c", "#include <stdio.h>\r\nint main(void){return 0;}\r\n",
    "$ ls -la | grep '^d' > /tmp/x 2>&1", "\\frac{1}{2} + \\sqrt{x^{2}} \\leq \\infty", "$$\\sum_{i=0}^{n} i$$",
    "f'{x!r:>{w}}'", "a->b::c.d?.e", "{\"a\": [1, 2.5e3, null, true]}", "r\"\\d+\\s*\"", "0b1010 ^ ~0xFF",
    "camelCaseIdentifier snake_case_name SCREAMING_CASE kebab-case", "http://a.b/c?d=e&f=%20#g", "a@b.co",
    "=====", "-----", "*****", "!!!???...", "…", "—–-", "“quoted” ‘single’ «guillemets»", "///\\\\\\", "((()))",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "ababababababababababababababababab", "wwwwwwwwwwwwwwww.....",
    "Answer: #### 42", "Q: 6*7=?\nA: 6*7=<<6*7=42>>42", "The answer is \\boxed{42}.", "So 12/4 = 3 and 3*5=15.",
]

WORDS = (
    "the of and to in is that it was for on are with as his they at be this from have or by one had not "
    "but what all were when we there can an your which their said if do will each about how up out them "
    "then she many some so these would other into has more her two like him see time could no make than "
    "first been its who now people my made over did down only way find use may water long little very "
    "after words called just where most know apples pencils each costs dollars minutes total remaining "
    "Janet's bakery sells muffins hexagonal photosynthesis antidisestablishmentarianism Wyoming Zürich "
    "Jean-Pierre co-operate x-ray e-mail rock'n'roll o'clock U.S.A. Ph.D. Mr. etc. i.e. vs."
).split()

CODE = (
    "def return if else for while import from class self . , : ; ( ) [ ] { } + - * / % = == != < > <= >= "
    "&& || ! ~ ^ | & << >> -> => :: ++ -- += -= // /* */ # @ $ ` \" ' \\ \\n \\t 0 1 2 10 0xff 1.5f i j k x "
    "foo bar_baz getValue HTTPServer null None true False const let var function async await lambda "
    "<div> </div> <br/> &amp; printf(\"%d\\n\", x); std::vector<int> #include #define __init__ \t \n \r\n"
).split(" ")

SPACES = [" ", "  ", "   ", "    ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", "\u00a0", "\u2003", "\u3000", "\u200b"]
EMOJI = ["🙂", "😂", "🤖", "👩‍🔬", "👍🏽", "🇩🇪", "❤️", "🧮", "🦙", "🐍", "✅", "🔥", "1️⃣", "©️"]
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<repo_name>", "<jupyter_output>", "<|im_sep|>"]


def old_characters():
    old = unicodedata.ucd_3_2_0
    kept = []
    for point in range(0x80, 0x30000):
        if old.category(chr(point)) not in ("Cn", "Cs", "Co"):
            kept.append(chr(point))
    return kept


def by_script(characters):
    """Runs of 128 code points: near neighbours are mostly one script."""
    blocks = {}
    for char in characters:
        blocks.setdefault(ord(char) >> 7, []).append(char)
    return [block for block in blocks.values() if len(block) > 20]


def prose(draw):
    words = []
    for _ in range(draw.randint(4, 30)):
        word = draw.choice(WORDS)
        kind = draw.random()
        if kind < 0.08:
            word = word.upper()
        elif kind < 0.2:
            word = word.capitalize()
        elif kind < 0.3:
            word = str(draw.choice([draw.randint(0, 9), draw.randint(10, 99999), draw.random() * 1000]))
        words.append(word + draw.choice(["", "", "", "", ",", ".", "!", "?", ";", ":", "...", "'s"]))
    return " ".join(words)


def digits(draw):
    sets = ["0123456789", "0123456789", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "０１２３４５６７８９", "²³¹½¼¾", "ⅠⅡⅢⅣⅤ", "①②③⑩⑳"]
    parts = []
    for _ in range(draw.randint(2, 14)):
        chosen = draw.choice(sets)
        number = "".join(draw.choice(chosen) for _ in range(draw.randint(1, 9)))
        parts.append(number + draw.choice([" ", "", ".", ",", "+", "-", "*", "/", "=", "%", "$", "a", "é", "\n", "  "]))
    return "".join(parts)


def spaces(draw):
    return "".join(
        draw.choice(SPACES) * draw.choice([1, 1, 2, 3, 7, 16])
        + draw.choice(["", draw.choice(WORDS), str(draw.randint(0, 99)), ".", "'s"])
        for _ in range(draw.randint(2, 12))
    )


def code(draw):
    return "".join(
        draw.choice(CODE) + draw.choice(["", " ", " ", "\n    ", "\n\t", "  "])
        for _ in range(draw.randint(5, 40))
    )


def script(draw, blocks):
    block = draw.choice(blocks)
    return "".join(
        "".join(draw.choice(block) for _ in range(draw.randint(1, 8))) + draw.choice([" ", "", "1", ".", "\n"])
        for _ in range(draw.randint(1, 8))
    )


def anything(draw, characters):
    return "".join(draw.choice(characters) for _ in range(draw.randint(1, 40)))


def mixture(draw, characters, blocks):
    makers = [prose, digits, spaces, code, lambda d: script(d, blocks), lambda d: anything(d, characters)]
    pieces = []
    for _ in range(draw.randint(2, 5)):
        piece = draw.choice(makers)(draw)
        start = draw.randint(0, len(piece))
        pieces.append(piece[start : start + draw.randint(1, 40)])
        pieces.append(draw.choice(EMOJI + SPECIAL + SPACES + ["", "", ""]))
    return "".join(pieces)


def main():
    draw = random.Random(20240229)
    characters = old_characters()
    blocks = by_script(characters)
    lines = list(dict.fromkeys(WRITTEN))
    makers = [prose, digits, spaces, code, lambda d: script(d, blocks), lambda d: anything(d, characters)]
    makers += [lambda d: mixture(d, characters, blocks)] * 2
    while len(lines) < 1000:
        line = makers[len(lines) % len(makers)](draw)
        if line and line not in lines:
            lines.append(line)
    with open(OUT, "w", encoding="utf-8") as file:
        for line in lines:
            # ASCII escapes keep control characters and direction marks visible in the file.
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
