"""Records how iniconfig and shlex take texts apart that are made from a seed: text.json.

Run it with a Python that has pytest, hence iniconfig.
"""

import json
import pathlib
import random
import shlex

import iniconfig

rng = random.Random(3)
LINES = [
    "[pytest]",
    "[a]",
    "[ b ] # c",
    "[c;d]",
    "[]",
    "[x",
    "a=1",
    "b : 2",
    "a = x # y",
    "c: d=e",
    "  more",
    "\tmore # x",
    "# no",
    "  ; no",
    "",
    "   ",
    "d =",
    "=e",
    ":f",
    "word",
    "k=\u00e9 ",
    "\u00a0odd",
    "f=1\x0cg=2",
    "h=\x1fi",
    "  [x]",
    "a:b=c",
    "'q'=\"r\"",
    "s\\t=1",
]
inis = []
for _ in range(1500):
    lines = [rng.choice(LINES) for _ in range(rng.randint(0, 6))]
    if rng.random() < 0.6:
        lines.insert(0, "[z]")
    text = "\n".join(lines) + rng.choice(["", "\n"])
    try:
        config = iniconfig.IniConfig("F", data=text)
        said = [[section.name, list(map(list, section.items()))] for section in config]
    except iniconfig.ParseError as error:
        said = str(error)
    inis.append([text, said])
shells = []
for _ in range(1500):
    text = "".join(rng.choice("ab'\"\\ \t\n#=\u00e9") for _ in range(rng.randint(0, 9)))
    try:
        shells.append([text, shlex.split(text)])
    except ValueError as error:
        shells.append([text, str(error)])
lines = [json.dumps(one, ensure_ascii=True) for one in inis]
more = [json.dumps(one, ensure_ascii=True) for one in shells]
text = '{"ini": [\n' + ",\n".join(lines) + '\n], "shell": [\n' + ",\n".join(more) + "\n]}\n"
pathlib.Path(__file__).with_name("text.json").write_text(text, encoding="utf-8")
print(sum(isinstance(s, list) for _, s in inis), sum(isinstance(s, list) for _, s in shells))
