"""Writes fnmatch.json: what Python's fnmatch says of patterns and texts made from a seed."""

import fnmatch
import json
import pathlib
import random

rng = random.Random(7)
letters = "ab-]!*?[/.^"
cases = []
for _ in range(9000):
    pattern = "".join(rng.choice(letters) for _ in range(rng.randint(0, 8)))
    for _ in range(3):
        text = "".join(rng.choice("ab-]!/.[^") for _ in range(rng.randint(0, 4)))
        cases.append((pattern, text, fnmatch.fnmatchcase(text, pattern)))
yes = [case for case in cases if case[2]]
no = rng.sample([case for case in cases if not case[2]], len(yes))
lines = sorted({json.dumps(case, ensure_ascii=False) for case in yes + no})
target = pathlib.Path(__file__).with_name("fnmatch.json")
target.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
