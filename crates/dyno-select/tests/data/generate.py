"""Writes expressions.json: what pytest's own parser says of a table of expressions.

    python generate.py > expressions.json

Run it with a Python that has the pytest to be asked. Nothing in the table is typed by
hand but the expressions.
"""

import ast
import json
import sys

import pytest
from _pytest.mark.expression import Expression, Scanner, expression

EXPRESSIONS = [
    "",
    "  \t",
    "a",
    "  a\t",
    "a and b",
    "a or b and c",
    "(a or b) and c",
    "a or b or c",
    "(a or b) or c",
    "a or (b or c)",
    "not a",
    "not not a",
    "not a and b",
    "not (a and b)",
    "((a))",
    "True or False and None",
    "andy or notable",
    "a:b-c.d[e]\\f/g+h",
    "::",
    "test_x[1-2.5]",
    "123 and -4",
    "名前 or größe",
    "a\u0301",
    "x² and ½",
    "a and\u00a0b",
    "a\nb",
    "Ⅷ",
    "ⓐ",
    "m(a=1)",
    "m (a = 1)",
    "m(a=1,b='x' , c=\"y\")",
    "m(a=-12)",
    "m(a=-0)",
    "m(a=007)",
    "m(a=٣٤)",
    "m(a=99999999999999999999999)",
    "m(a=True, b=False, c=None)",
    "m(a='it\"s')",
    "m(a='')",
    "m(a='x\ty')",
    "not m(a=1) or n(b=2)",
    "m(größe=1)",
    "m(ﬁ=1, fi=2)",
    "m(_a1=1)",
    "a b",
    "a or",
    "a and or b",
    "or a",
    "and",
    "not",
    "not or",
    "(",
    ")",
    "()",
    "(a",
    "(a b",
    "a)",
    "a (b)",
    "a (b",
    "a and (b or c))",
    "a = 1",
    "a, b",
    "'a'",
    "a 'b'",
    "a & b",
    "a | b",
    "!a",
    "a b $",
    "a ! b",
    "$ or",
    "a; b",
    "m()",
    "m(",
    "m(a",
    "m(a=",
    "m(a=1",
    "m(a=1,",
    "m(a=1,)",
    "m(a=1 b=2)",
    "m(1)",
    "m('x')",
    "m(1=2)",
    "m(a.b=1)",
    "m(a-b=1)",
    "m(ⓐ=1)",
    "m(class=1)",
    "m(True=1)",
    "m(not=1)",
    "m(or=1)",
    "m(match=1)",
    "m(a=b)",
    "m(a=1.5)",
    "m(a=+1)",
    "m(a=-)",
    "m(a=--1)",
    "m(a=1_0)",
    "m(a=true)",
    "m(a=not)",
    "m(a=(1))",
    "m(a='x)",
    "m(a=\"x')",
    "m(a='x\\n')",
    "m(a='\\')",
    "名(a='\\'",
    "m(a=1, a=2)",
    "m(a=1, b=2, b=3, a=4)",
    "m(a=1, a=2) $",
    "m(__debug__=1)",
    "m(a=1, a=2) or n(__debug__=1)",
    "m(a=1)(b=2)",
    "m(a=1) n",
    "m(a==1)",
    "'",
    '"a',
]


def tree(node: ast.expr) -> object:
    """The tree as nested lists, operators binary."""
    match node:
        case ast.Constant(value=False):
            return []
        case ast.Name(id=name):
            return name[1:]
        case ast.UnaryOp(operand=operand):
            return ["not", tree(operand)]
        case ast.BoolOp(op=op, values=[left, right]):
            return ["or" if isinstance(op, ast.Or) else "and", tree(left), tree(right)]
        case ast.Call(func=ast.Name(id=name), keywords=keywords):
            return ["call", name[1:], [[k.arg, value(k.value)] for k in keywords]]
    raise TypeError(ast.dump(node))


def value(node: ast.expr) -> list[str]:
    assert isinstance(node, ast.Constant)
    return [type(node.value).__name__, str(node.value)]


def verdict(text: str) -> dict[str, object]:
    try:
        Expression.compile(text)
    except SyntaxError as error:
        return {"expression": text, "message": error.msg, "column": error.offset}
    return {"expression": text, "tree": tree(expression(Scanner(text))[0].body)}


made_by = f"generate.py with pytest {pytest.__version__} on Python {sys.version.split()[0]}"
lines = ",\n".join(json.dumps(verdict(text), ensure_ascii=False) for text in EXPRESSIONS)
print(f'{{"made_by": {json.dumps(made_by)}, "expressions": [\n{lines}\n]}}')
