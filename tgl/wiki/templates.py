"""Inline templates and what a reader sees of them: dates, units, numbers, names, text in other languages, lists.

Names are those of English Wikipedia, in lower case, and their usual redirects. A template that is not here goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tgl.wiki.template import Template

MONTHS = "January February March April May June July August September October November December".split()
_INFOBOX = re.compile(r"(infobox|taxobox|automatic taxobox|speciesbox|geobox|drugbox|chembox)\b|.* infobox$")


Rule = Callable[[Template], None]


def _value(*keys: str | int) -> Rule:
    """Return a rule that takes the first parameter there is of these names; -1: the last numbered one."""

    def rule(template: Template) -> None:
        for key in keys:
            key = (template.positional or [""])[-1] if key == -1 else str(key)
            if key in template.parameters:
                return template.walk(key)

    return rule


def _each(between: str, around: str = "") -> Rule:
    """Return a rule that takes every numbered parameter."""

    def rule(template: Template) -> None:
        template.say(around)
        for number, key in enumerate(template.positional):
            if number:
                template.say(between)
            template.walk(key)
        template.say(around)

    return rule


def _word(text: str) -> Rule:
    return lambda template: template.say(text)


def _around(before: str, after: str = "", key: str | int = 1) -> Rule:
    """Return a rule that sets words around a parameter."""

    def rule(template: Template) -> None:
        if template.text(key):
            template.say(before)
            template.walk(key)
            template.say(after)

    return rule


def _composed(compose: Callable[[Template], str]) -> Rule:
    return lambda template: template.say(compose(template))


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _day(parts: list[str], day_first: bool) -> str:
    """Return year, month and day as a reader sees them; what is no date as it stands."""
    numbers = [_number(part) for part in parts]
    if len(numbers) > 1 and numbers[1] is None and parts[1].capitalize() in MONTHS:
        numbers[1] = MONTHS.index(parts[1].capitalize()) + 1
    if len(numbers) < 2 or not numbers[0] or not numbers[1] or numbers[1] > 12:
        return parts[0] if parts else ""
    month = MONTHS[numbers[1] - 1]
    if len(numbers) < 3 or not numbers[2]:
        return f"{month} {parts[0]}"
    return f"{numbers[2]} {month} {parts[0]}" if day_first else f"{month} {numbers[2]}, {parts[0]}"


def _date(template: Template) -> str:
    parts = [text for text in template.texts() if text]
    day_first = template.text("df").lower() in ("y", "yes", "1", "true")
    day = _day(parts[:3], day_first)
    clock = [text for text in parts[3:5] if text.isdecimal()] if "date" in template.name else []
    return f"{':'.join(part.zfill(2) for part in clock)}, {day}" if clock else day


def _death(template: Template) -> str:
    """Death and birth in one template: the date of death comes first, both as a reader needs them."""
    parts = template.texts()
    day_first = template.text("df").lower() in ("y", "yes", "1", "true")
    return _day([part for part in parts[:3] if part], day_first)


def _as_of(template: Template) -> str:
    word = template.text("alt")
    if word:
        return word
    return ("as of " if template.text("lc") else "As of ") + _day(template.texts()[:3], day_first=True)


_BETWEEN = {"-": "–", "–": "–", "to": " to ", "and": " and ", "or": " or ", "by": " by ", "x": " × ", "×": " × ",
            "*": " × ", "+/-": " ± ", "±": " ± ", "to about": " to about ", "and(-)": " and ", ",": ", "}  # fmt: skip
_FEET = {"ft": "in", "lb": "oz", "st": "lb", "mi": "ch", "yd": "ft"}


def _convert(template: Template) -> str:
    """Return value and unit as they were given, ranges and feet with inches too; the conversion is no fact."""
    texts = template.texts()
    if len(texts) < 2:
        return texts[0] if texts else ""
    said, rest = texts[0], texts[1:]
    while len(rest) >= 3 and rest[0] in _BETWEEN:
        said, rest = said + _BETWEEN[rest[0]] + rest[1], rest[2:]
    if len(rest) >= 3 and _FEET.get(rest[0]) == rest[2]:
        return f"{said} {rest[0]} {rest[1]} {rest[2]}"
    return f"{said} {rest[0]}" if rest else said


def _val(template: Template) -> str:
    """Return a number with its uncertainty, power of ten and unit."""
    texts = template.texts()
    said = "±".join(texts[:2])
    if power := template.text("e"):
        said += f"×10^{power}"
    unit = template.text("u") or template.text("ul") or template.text("up")
    return f"{template.text('p')}{said}{template.text('s')} {unit}".strip()


def _fraction(template: Template) -> str:
    parts = template.texts()
    if len(parts) == 1:
        return f"1/{parts[0]}"
    return "/".join(parts) if len(parts) == 2 else f"{parts[0]} {'/'.join(parts[1:3])}" if parts else ""


def _ordinal(template: Template) -> str:
    number = template.text(1)
    value = _number(number)
    if value is None:
        return number
    ending = "th" if 10 < value % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return number + ending


def _money(sign: str) -> Rule:
    return _composed(lambda template: sign + template.text(1) if template.text(1) else sign)


def _nihongo(template: Template) -> None:
    """English, then the original and its transcription in parentheses, as far as they are given."""
    texts = [template.text(number) for number in (1, 2, 3)]
    template.walk(1)
    if rest := ", ".join(filter(None, texts[1:])):
        template.say(f" ({rest})" if texts[0] else rest)


def _ship(template: Template) -> str:
    prefix = template.name.upper()
    name, number = template.text(1), template.text(2)
    return f"{prefix} {name}" + (f" ({number})" if number and not template.text(3) else "")


def _any_ship(template: Template) -> str:
    return " ".join(filter(None, (template.text(1), template.text(2))))


def _circa(template: Template) -> str:
    return "c. " + " – c. ".join(template.texts())


def _formatnum(template: Template) -> None:
    if template.argument[:1].isdigit():
        template.say(template.argument)


def _quotation(template: Template) -> None:
    template.say("\n")
    _value("text", "quote", 1)(template)
    template.say("\n")


def _table() -> dict[str, Rule]:
    rules: dict[str, Rule] = {}

    def add(rule: Rule, names: str) -> None:
        for name in names.split(";"):
            rules[name.strip()] = rule

    add(_composed(_date), "start date;end date;start-date;end-date;birth date;birth-date;birth date and age;"
        "birth date text;birth-date and age;start date and age;start date and years ago;release date;"
        "film date;dob;bda;date;dts;sort date;birth year and age;death date text;death-date;"
        "start and end dates;opening date;end date and age")  # fmt: skip
    add(_composed(_death), "death date;death date and age;death-date and age;dda;death year and age")
    add(_composed(_as_of), "as of;asof;update after")
    add(_composed(_circa), "circa;c.;ca.;ca;approx")
    add(_around("fl. "), "floruit;fl.;fl")
    add(_composed(lambda t: "r. " + "–".join(t.texts())), "reign;r.")
    add(_composed(_convert), "convert;cvt;conv")
    add(_composed(_val), "val")
    add(_composed(_fraction), "frac;fraction;sfrac;sfraction;1/")
    add(_composed(_ordinal), "ordinal;ord;ordinal to word")
    add(_each(""), "gaps;chem;su")
    add(_formatnum, "formatnum")
    add(_value(1), "nts;number table sorting;formatprice;track gauge;railgauge;rail gauge;by;mlby;nfly;nbay;nhly;"
        "nowrap;nobr;nobreak;nobold;noitalic;small;smaller;big;larger;huge;large;midsize;abbr;abbrlink;tooltip;"
        "small caps;smallcaps;sc;smallcaps2;sic;not a typo;typo;proper name;notatypo;sub;sup;var;mvar;math;chem2;"
        "em;strong;code;codes;tt;mono;kbd;key press;key;angbr;angle bracket;bracket;brackets;visible anchor;vanchor;"
        "citation needed span;cn span;fact span;clarify span;dubious span;linktext;ill;"
        "interlanguage link;illm;link-interwiki;flag;flagcountry;flagu;flag country;flagathlete;"
        "fb;fbw;nft;nftu;cr;cr-rt;url;plainlist;plain list;flatlist;longitem;center;left;right;nowrap begin;"
        "strikethrough;strike;s;u;underline;italic;i;b;bold;dfn;q;section link;nastaliq;script;"
        "pslink;annotated link;w;no italic;normal;resize2;nwr;nowiki;awrap;wbr;"
        "avoid wrap;unicode;polytonic;hebrew;arabic;cyrl;lang-;rtl-lang;ship class;sclass;sclass2")  # fmt: skip
    add(_value(2), "lang;langx;wikt-lang;color;font color;font colour;colour;colored text;fontcolor;audio;nihongo2;"
        "script/hebrew;interlanguage link multi;transl2;rtl lang;wikisourcelang;colored link;audio-ipa")  # fmt: skip
    add(_value(-1), "transl;transliteration;tlit;resize;font;size;zh2;bo-textonly;fontsize;translit")
    add(_value("lt", 1), "ill;interlanguage link;illm")
    add(_value("c", "s", "t", "p"), "zh")
    add(_each(" "), "sortname;hs;nbsp2")
    add(
        _each("\n", "\n"),
        "unbulleted list;ubl;ublist;bulleted list;bulletedlist;unordered list;ordered list;blist",
    )
    add(_each(", "), "hlist;hlist-comma;flat list;cslist;comma separated entries")
    add(_nihongo, "nihongo;nihongo3;nihongo krt;nihongo foot")
    add(_composed(_ship), "hms;uss;ss;rms;mv;ms;usns;uscgc;hmas;hmcs;hmnzs;hmt;ins;sms;mt;ps;ts;rfa;hnoms;hnlms;"
        "jds;js;usat;usrc;css;rv;mf;st;tss;gts;hmhs;hswms;hdms;roks;rss")  # fmt: skip
    add(_composed(_any_ship), "ship")
    add(
        _quotation,
        "quote;blockquote;cquote;quotation;bquote;quote box2;poemquote;poem quote;block quote;verse translation",
    )
    add(_around("lit. '", "'"), "lit;literally;lit.;literal translation")
    add(_around("'", "'"), "gloss;translation;single+;single double")
    add(_around('"', '"'), "double single")
    add(_around("née "), "née;nee")
    add(_around("×10^"), "e;esp;x10^")
    add(_composed(lambda t: "/".join(t.texts()[:2])), "rating")
    for names, sign in (("us$;usd;united states dollar", "US$"), ("£;gbp;pound sterling;pound", "£"),
                        ("€;eur;euro", "€"), ("a$;aud", "A$"), ("c$;cad;ca$", "C$"), ("nz$;nzd", "NZ$"),
                        ("¥;jpy;cny;yen;rmb", "¥"), ("inr;indian rupee;inrconvert;rupee;₹", "₹"),
                        ("krw;won;₩", "₩"), ("hk$;hkd", "HK$"), ("php;₱", "₱"), ("sek", "SEK "),
                        ("rub;₽", "₽"), ("chf", "CHF "), ("s$;sgd", "S$"), ("r$;brl", "R$")):  # fmt: skip
        add(_money(sign), names)
    for names, text in ((" ;nbsp;space;spaces;thin space;thinsp;hair space;hairsp;pad;0", " "),
                        ("snd;spnd;sndash;spndash;spaced ndash;spaced en dash;snds;spaced en dash space", " – "),
                        ("ndash;en dash;endash;nsndns;–", "–"), ("mdash;em dash;emdash;—", "—"),
                        ("smd;spaced mdash;spaced em dash", " — "), ("'", "'"), ("'s", "'s"), ("\"'", "\"'"),
                        ("'\"", "'\""), ("-'", "'"), ("!", "|"), ("=", "="), ("·;dot;middot;•;bull;bullet", " · "),
                        ("nbh;nbhyph;hyphen", "-"), ("\\;slash", "/"), ("(", "{"), (")", "}"), ("((", "{{"),
                        ("))", "}}"), ("!!", "||"), ("ft", "ft"), ("paragraph break;pb;break;crlf;br", "\n"),
                        ("±;plus-minus", "±"), ("minus;−", "−"), ("times;×", "×"), ("en space", " "),
                        ("dagger;†", "†"), ("double-dagger;‡", "‡"), ("number sign;number-sign;hash-tag", "#"),
                        ("yes", "Yes"), ("no", "No"), ("won", "Won"), ("nom", "Nominated"), ("n/a", "N/A"),
                        ("tba", "TBA"), ("tbd", "TBD"), ("pending", "Pending"), ("gold1", "1"), ("silver2", "2"),
                        ("bronze3", "3"), ("ca2", "c. ")):  # fmt: skip
        add(_word(text), names)
    return rules


_RULES = _table()


def rule_of(name: str) -> Rule | None:
    """Return what is done with a template of this lower-case name, None when it goes."""
    name = name.removeprefix("template:")
    if name.startswith(("lang-", "formatnum:")):
        name = name[: name.index(name[4:5] if name[4] == "-" else ":") + (name[4] == "-")]
    return _RULES.get(name)


def is_infobox(name: str) -> bool:
    """Tell whether a template is an infobox, whose parameters are facts."""
    return bool(_INFOBOX.match(name))
