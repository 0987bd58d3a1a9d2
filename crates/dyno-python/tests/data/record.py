"""Records what CPython makes of expressions, for `expressions.rs`.

Run it with Python 3.11 in this folder: `python3.11 record.py`. It rewrites
`expressions.json`: for each expression its type, `repr` and `str`.
"""

import itertools
import json
import sys

EXPRESSIONS = r"""
None
True
...
0
00
1_000
0x1F
0b1011
0o17
-7
+5
~5
123456789012345678901234567890
0xFFFFFFFFFFFFFFFFFFFFFFFFFF
-0xFFFFFFFFFFFFFFFFFFFFFFFFFF
1.0
1.
.5
1e10
1e15
1e16
1e17
123456789.123
1e-4
1e-5
0.1 + 0.2
1e308 * 10
-1e308 * 10
1e22
5e-324
1.7976931348623157e308
-0.0
0.0
100.0
1j
1 + 2j
1.5 - 2j
-1j
2.5e20j
1e16 + 2j
"a"
'it\'s'
"it's"
'say "x"'
'both \' and "'
"tab\tnl\ncr\rback\\"
"\x00\x1f\x7f\x80\xa0\xad\xff"
"é"
"→✓"
"中文"
"\u200b"
"Ω"
"a" "b" 'c'
"a" f"{1}" "b"
r"a\nb"
b"abc"
b"\x00\xff'"
b'"' b"'"
""
()
(1,)
(1, "a", None)
[]
[1, [2, (3,)]]
{}
{1: 2, "a": [1]}
{1: 1, True: 2, 1.0: 3}
{"a": 1, **{"b": 2, "a": 3}}
{1}
set()
frozenset()
frozenset([1])
{1, 1.0, True}
[*range(3), *"ab"]
(*[1, 2], 3)
1 + 2
7 // 2
-7 // 2
7 // -2
7 % 3
-7 % 3
7 % -3
7 / 2
1 / 3
2 ** 10
2 ** 100
1 << 40
5 >> 1
-5 >> 1
5 & 3
5 | 3
5 ^ 3
True + True
True & False
True | 1
-True
1.5 + 1
3 * 1.5
1.5 / 2
"a" + "b"
"ab" * 3
3 * "ab"
"a" * -1
[1] + [2]
[0] * 3
(1,) * 2
(1,) + (2, 3)
b"a" + b"b"
{"a": 1} | {"b": 2}
"%s-%d" % ("a", 3)
"%r" % "a"
"%5d|%-5d|%05d" % (3, 4, 5)
"%.2f" % 1.005
"%x %X %o" % (255, 255, 8)
"%s" % 1.0
"%s" % [1]
"100%%" % ()
"%+d" % 5
"%10s|%-10s|" % ("a", "b")
1 < 2
1 < 2 < 3
1 < 2 > 3
1 == 1.0
"a" == "a"
"a" != "b"
"a" < "b"
(1, 2) < (1, 3)
[1] == [1]
[1] == (1,)
1 in [1, 2]
"b" in "abc"
3 not in (1, 2)
"a" in {"a": 1}
None is None
1 is None
None is not None
not 1
not ""
1 and 2
0 and 2
0 or "x"
[] or {} or 5
1 if True else 2
1 if [] else 2
[1, 2, 3][0]
[1, 2, 3][-1]
(1, 2, 3)[1:]
"hello"[1:3]
"hello"[::-1]
"hello"[-3:]
[1, 2, 3, 4, 5][::2]
[1, 2, 3, 4, 5][4:1:-2]
{"a": 1}["a"]
b"abc"[0]
b"abc"[1:]
"é→x"[1]
range(10)[3]
[x for x in range(3)]
[x * 2 for x in [1, 2, 3] if x > 1]
[(x, y) for x in "ab" for y in range(2)]
[[y for y in range(x)] for x in range(3)]
{x: x * x for x in range(3)}
list(x for x in (1, 2))
{x for x in [1]}
[a + b for a, b in [(1, 2), (3, 4)]]
[f"{n}_{i}" for i, n in enumerate(["a", "b"])]
list(range(3))
list(range(1, 10, 3))
list(range(5, 0, -2))
range(3)
range(1, 5)
range(0, 10, 2)
range(3, 3)
tuple("abc")
list({"a": 1, "b": 2})
list({"a": 1}.items())
list({"a": 1}.keys())
list({"a": 1}.values())
{"a": 1}.get("a")
{"a": 1}.get("b")
{"a": 1}.get("b", 7)
dict(a=1, b=2)
dict([("a", 1), ("b", 2)])
dict({"a": 1}, b=3)
dict(zip("ab", [1, 2]))
sorted([3, 1, 2])
sorted("cab")
sorted({3, 1, 2})
sorted([3, 1, 2], reverse=True)
sorted([(1, "b"), (1, "a"), (0, "z")])
sorted([1, True, 1.0])
sorted([1, True, 1.0], reverse=True)
list(reversed([1, 2, 3]))
list(enumerate("ab"))
list(enumerate("ab", 1))
list(enumerate("ab", start=5))
list(zip([1, 2], "ab"))
list(zip([1, 2, 3], "ab", (None, None)))
min(3, 1, 2)
max([3, 1, 2])
min("b", "a")
sum([1, 2, 3])
sum(range(101))
len("abc")
len([1, 2])
len({"a": 1})
len({1, 2, 3})
len(range(7))
str(1)
str(1.5)
str(None)
str([1, "a"])
str(b"a")
repr("a")
int("42")
int("-42")
int(" 7 ")
int(3.9)
int(-3.9)
int(True)
float("1.5")
float("inf")
float("-inf")
float(3)
float("nan")
bool([])
bool("x")
abs(-3)
abs(-2.5)
any([0, 1])
all([1, 0])
all([])
chr(97)
ord("a")
hex(255)
oct(8)
bin(-5)
bytes(3)
"ABC".lower()
"abc".upper()
"hello world".title()
"they're bill's".title()
"hELLO".capitalize()
"aB".swapcase()
"  a b ".strip()
"xxaxx".strip("x")
"xxaxx".lstrip("x")
"xxaxx".rstrip("x")
"a b  c".split()
"a,b,,c".split(",")
"a,b,c".split(",", 1)
"a\nb\n".splitlines()
",".join(["a", "b"])
"-".join("abc")
"aXbX".replace("X", "-")
"".replace("", "x")
"abc".replace("", "-")
"abc".startswith("ab")
"abc".endswith("bc")
"7".zfill(3)
"-7".zfill(4)
"abc".encode()
"é".encode("utf-8")
b"abc".decode()
b"\x01\xff".hex()
"abcabc".count("bc")
"123".isdigit()
"a=b=c".partition("=")
"abc".partition("=")
"test_x".removeprefix("test_")
"x.py".removesuffix(".py")
"{}-{}".format(1, "a")
"{0}{1}{0}".format("a", "b")
"{x:>5}".format(x=3)
"{:.2f}".format(3.14159)
"{!r}".format("a")
"{{}}".format()
f"{1}"
f"{'a'!r}"
f"{1.0}"
f"{None}"
f"{[1, 'a']}"
f"{5:03d}"
f"{5:>5}|"
f"{5:<5}|"
f"{5:^5}|"
f"{5:*^5}|"
f"{'ab':5}|"
f"{'ab':>5}|"
f"{'abcdef':.3}"
f"{255:x}"
f"{255:#x}"
f"{255:08b}"
f"{1234567:,}"
f"{1234567.891:,.2f}"
f"{0.5:.0%}"
f"{0.1256:.1%}"
f"{1.5:.3f}"
f"{2.5:.0f}"
f"{1e10:.2e}"
f"{-5:05d}"
f"{5:+d}"
f"{True}"
f"{{x}}"
f"{3!s:>4}"
f"{'x' * 3}"
f"{1:{2}}"
(lambda: 1) is None
[1, 2, 3].index(2)
[1, 2, 1].count(1)
list(itertools.product([1, 2], "ab"))
list(itertools.product([0, 1], repeat=2))
list(itertools.chain([1], (2, 3)))
list(itertools.chain.from_iterable([[1], [2, 3]]))
list(itertools.permutations([1, 2, 3]))
list(itertools.permutations([1, 2, 3], 2))
list(itertools.combinations("abc", 2))
list(itertools.combinations("ab", 5))
list(itertools.repeat("x", 3))
list(itertools.islice([1, 2, 3], 2))
[i for i in range(20) if i % 7 == 0]
{**{}, "k": (1, 2)}
"a" if 1 > 2 else "b" if 2 > 3 else "c"
[(i, j) for i in range(3) for j in range(i)]
tuple(str(i) for i in range(3))
[x for x in [1, 2, 3] if x in (1, 3)]
max((1, "a"), (1, "b"))
(1, 2) == (1, 2.0)
float("1e3")
1_0.5
0xff.__class__ is None
"""


def main() -> None:
    rows = []
    for line in EXPRESSIONS.strip().splitlines():
        try:
            value = eval(line, {"itertools": itertools})
        except Exception as error:  # noqa: BLE001 - whatever the line raises
            sys.exit(f"{line}: {error!r}")
        rows.append(
            {
                "expression": line,
                "type": type(value).__name__,
                "repr": repr(value),
                "str": str(value),
            }
        )
    with open("expressions.json", "w", encoding="utf-8") as file:
        json.dump(rows, file, ensure_ascii=True, indent=0)
        file.write("\n")


main()
