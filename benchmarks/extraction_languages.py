"""What the reference units of an article look like in each language, apart from the rules of `tgl.snapshots.extract`.

A date is day, month and year as the language writes them. A template counts where its value stands in its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ENGLISH_FILES = "file|image|media|category"
_INTERWIKI = "wikt|wiktionary|s|commons|[a-z]{2,3}(?:-[a-z]+)?"


@dataclass(frozen=True)
class Language:
    """How a language writes what a reader sees.

    Attributes:
        months: The names of the months as they stand in a date.
        dates: Patterns of a date with the groups d, m and y; MONTH stands for the names.
        date_templates: Patterns of a template with the groups d, m and y; m is a name or a number.
        number_templates: Names of templates whose first argument is a number.
        files: Names of the namespaces of files, media and categories.
        end_sections: Headings of the sections that are not counted.
        group: Characters between groups of three digits.
    """

    months: tuple[str, ...]
    dates: tuple[str, ...]
    date_templates: tuple[str, ...]
    number_templates: tuple[str, ...]
    files: str
    end_sections: tuple[str, ...]
    group: str

    def dates_in(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Yield (year, month, day) of each date in running text."""
        yield from self._found((rf"(?<![0-9A-Za-z]){pattern}(?![0-9A-Za-z])" for pattern in self.dates), text)

    def dates_in_templates(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Yield (year, month, day) of each template of a date."""
        yield from self._found(self.date_templates, text)

    def _found(self, patterns, text: str) -> Iterator[tuple[int, int, int]]:
        names = [name.casefold() for name in self.months]
        for pattern in patterns:
            for match in re.finditer(pattern.replace("MONTH", "|".join(self.months)), text, re.IGNORECASE):
                day, month, year = match["d"], match["m"].casefold(), match["y"]
                number = int(month) if month.isdecimal() else names.index(month) + 1
                if 1 <= number <= 12:
                    yield int(year), number, int(day)

    def numbers_in(self, text: str) -> list[str]:
        """Return each number of two or more digits, without what separates groups of digits."""
        return re.findall(r"(?<![A-Za-z0-9_.,])\d[\d.,]*\d(?![A-Za-z0-9_])", self.ungrouped(text))

    def ungrouped(self, text: str) -> str:
        """Return text whose numbers have no separators of groups."""
        return re.sub(rf"(?<=\d)[{re.escape(self.group)}](?=\d{{3}}(?!\d))", "", text)

    def numbers_in_templates(self, text: str) -> list[str]:
        """Return the number of each template that shows one."""
        names = "|".join(map(re.escape, self.number_templates))
        number = r"(\d[\d.,\s\xa0\u202f]*\d)"
        found = re.findall(
            rf"\{{\{{\s*(?:{names})\s*\|\s*(?:US\$|£|€|\$)?{number}\s*[|}}]", text, re.IGNORECASE
        )
        raw = re.findall(r"\{\{\s*formatnum\s*:\s*(\d[\d.,]*\d)\s*\}\}", text, re.IGNORECASE)
        return [self._formatted(number) for number in (*map(self.ungrouped, map(str.strip, found)), *raw)]

    def _formatted(self, number: str) -> str:
        """Return a number that may have a point before the fraction as the language writes it."""
        return number if "," in self.group else number.replace(".", ",")

    @property
    def elsewhere(self) -> re.Pattern:
        """Matches the target of a link whose words are not part of the text."""
        return re.compile(rf"\s*:?\s*(?:{_ENGLISH_FILES}|{self.files}|{_INTERWIKI})\s*:", re.IGNORECASE)

    @property
    def opened_file(self) -> re.Pattern:
        """Matches the beginning of a link that shows a file."""
        return re.compile(rf"\[\[\s*(?:{_ENGLISH_FILES}|{self.files})\s*:", re.IGNORECASE)


_DAY, _YEAR, _MONTH = r"(?P<d>\d{1,2})", r"(?P<y>\d{4})", "(?P<m>MONTH)"
_SPACE = r"[ \xa0]"
_DMY = rf"{_DAY}{_SPACE}{_MONTH}{_SPACE}{_YEAR}"
# {{name|day|month|year}}, with the month as a number or name
_ARGUMENTS = rf"\s*\|\s*{_DAY}\s*\|\s*(?P<m>\d{{1,2}}|MONTH)\s*\|\s*{_YEAR}\s*[|}}]"
_BLANKS = " \xa0\u202f\u2009"

LANGUAGES = {
    "en": Language(
        tuple("January February March April May June July August September October November December".split()),
        (_DMY, rf"{_MONTH} {_DAY}, {_YEAR}"),
        (
            r"\{\{\s*(?:start date|end date|birth date|death date|birth date and age|death date and age|"
            r"start date and age|film date|release date)\s*\|(?:\s*(?:df|mf)\s*=\s*\w+\s*\|)?"
            r"\s*(?P<y>\d{4})\s*\|\s*(?P<m>\d{1,2})\s*\|\s*(?P<d>\d{1,2})\s*[|}]",
        ),
        ("convert", "cvt", "val", "nts", "US$", "£", "€", "frac", "nowrap"),
        "file",
        (
            *("See also", "References", "Notes", "Footnotes", "Citations", "Notes and references"),
            *("Further reading", "External links"),
        ),
        ",",
    ),
    "de": Language(
        tuple("Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()),
        (rf"{_DAY}\.{_SPACE}{_MONTH}{_SPACE}{_YEAR}",),
        (rf"\{{\{{\s*(?:datum|date){_ARGUMENTS}",),
        ("FormatNum", "formatnum", "nts"),
        "datei|bild|medium|kategorie",
        ("Siehe auch", "Literatur", "Weblinks", "Einzelnachweise", "Anmerkungen", "Fußnoten"),
        ".'" + _BLANKS,
    ),
    "fr": Language(
        tuple("janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()),
        (rf"(?P<d>\d{{1,2}})(?:er)?{_SPACE}{_MONTH}{_SPACE}{_YEAR}",),
        (
            r"\{\{\s*(?:date|date-|date de naissance|date de décès)\s*\|\s*(?P<d>\d{1,2})(?:er)?"
            r"[\s|]+(?P<m>MONTH)[\s|]+(?P<y>\d{4})\s*[|}]",
        ),
        ("unité", "nombre", "nb", "formatnum"),
        "fichier|média|catégorie",
        (
            *("Voir aussi", "Notes et références", "Notes", "Références", "Bibliographie", "Liens externes"),
            *("Annexes", "Articles connexes"),
        ),
        _BLANKS,
    ),
    "es": Language(
        tuple(
            "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split()
        ),
        (rf"{_DAY} de {_MONTH} (?:de|del) {_YEAR}",),
        (rf"\{{\{{\s*fecha{_ARGUMENTS}",),
        ("unidad", "formatnum"),
        "archivo|imagen|medio|categoría",
        ("Véase también", "Referencias", "Notas", "Bibliografía", "Enlaces externos", "Notas y referencias"),
        "." + _BLANKS,
    ),
    "ja": Language(
        tuple(f"{number}月" for number in range(1, 13)),
        (r"(?P<y>\d{4})年(?P<m>\d{1,2})月(?P<d>\d{1,2})日",),
        (r"\{\{\s*(?:生年月日|没年月日)\w*\|(?P<y>\d{4})\|(?P<m>\d{1,2})\|(?P<d>\d{1,2})\s*[|}]",),
        ("convert", "formatnum", "nts"),
        "ファイル|画像|メディア|カテゴリ",
        ("関連項目", "脚注", "脚注関連文献", "参考文献", "外部リンク", "出典", "注釈"),
        ",",
    ),
    "ru": Language(
        tuple("января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()),
        (_DMY,),
        (rf"\{{\{{\s*date{_ARGUMENTS}",),
        ("число", "formatnum", "num"),
        "файл|изображение|медиа|категория",
        ("См. также", "Примечания", "Литература", "Ссылки"),
        _BLANKS,
    ),
    "pl": Language(
        tuple(
            "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia".split()
        ),
        (_DMY,),
        (rf"\{{\{{\s*data{_ARGUMENTS}",),
        ("formatnum", "liczba"),
        "plik|grafika|media|kategoria",
        ("Zobacz też", "Przypisy", "Uwagi", "Bibliografia", "Linki zewnętrzne"),
        _BLANKS,
    ),
    "nl": Language(
        tuple("januari februari maart april mei juni juli augustus september oktober november december".split()),
        (_DMY,),
        (rf"\{{\{{\s*datum{_ARGUMENTS}",),
        ("formatnum",),
        "bestand|afbeelding|media|categorie",
        (
            *("Zie ook", "Literatuur", "Externe links", "Bronnen", "Noten", "Referenties"),
            "Bronnen, noten en/of referenties",
        ),
        "." + _BLANKS,
    ),
}  # fmt: skip
