"""The languages that a configuration can name: the codes of ISO 639-1, and codes of further Wikipedias.

The sentence splitter accepts any text as a language and falls back to English rules. Without this list, a misspelt
code would change the sentences without a warning. A known language is not necessarily tested.
"""

from __future__ import annotations

_ISO_639_1 = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es
et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj
kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv
ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th
ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
_WIKIPEDIAS = """
abs ace ady als alt ami ang ann anp arc ary arz ast atj avk awa azb ban bar bat bbc bcl bdr bew bho bjn blk bpy btm
bug bxr cbk cdo ceb chr chy ckb cmn crh csb dag dga din diq dsb dtp dty eml ext fat fil fiu fon frp frr fur gag gan
gcr glk gom gor got gpe grc gsw guc gur guw hak haw hif hsb hyw iba ilo inh jam jbo kaa kab kaj kbd kbp kcg kge knc
koi krc ksh kus lad lbe lez lfn lij lld lmo lrc ltg lzh lzz mad mai map mdf mhr min mnw mos mrj mul mwl myv mzn nah
nan nap nds new nia nqo nov nrm nso nup nyn olo pag pam pap pcd pcm pdc pfl pih pms pnb pnt prs pwn rki rmy roa rsk
rue rup sah sat scn sco sgs shi shn shy simple skr smn srn stq syl szl szy tay tcy tdd tet tig tly tpi trv tum tyv udm
vec vep vls vro war wuu xal xmf yue zea zgh
"""
LANGUAGES = frozenset((_ISO_639_1 + _WIKIPEDIAS).split())


def is_known_language(code: str) -> bool:
    """Return whether the part of a code before its first hyphen is a known language (`de`, `zh-hant`, `en-gb`)."""
    language, *parts = code.split("-")
    return language in LANGUAGES and all(
        part.isascii() and part.isalnum() and len(part) <= 8 for part in parts
    )
