"""Records what pytest makes of small suites, beside what their text says.

Run as `python3 record_suites.py OUT.json PYTHON...` with an interpreter for each version of
pytest. Each suite is one test module and a conftest. Written are, for each, the facts that
`dyno-discover` would be given of it (marks, fixtures and arguments, read from the text by
Python's own parser, not by dyno's) and for each version of pytest the tests, their fixtures,
parameters and markers, in the order before and after pytest's reordering.
"""

import ast
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

PLUGIN = """
import json, pathlib, pytest
from _pytest.fixtures import reorder_items

def reprs(values):
    from reprlib import Repr
    short = Repr()
    short.maxstring = short.maxother = 300
    short.maxlist = short.maxtuple = short.maxdict = short.maxset = 50
    return [short.repr(value) for value in values]

def told(item):
    spec = getattr(item, "callspec", None)
    defs = item._fixtureinfo.name2fixturedefs
    # pytest keeps one definition for all direct parameters of a name that share a node,
    # with the scope of whichever came first.
    def scope(name):
        found = defs[name][-1] if defs.get(name) else None
        if found is not None and found.func.__name__ == "get_direct_param_fixture_func":
            return spec._arg2scope[name].value
        return found and found.scope
    return {
        "id": item.nodeid,
        "fixtures": [
            [name, scope(name)] for name in item.fixturenames
        ],
        "params": [
            [name, spec._arg2scope[name].value, spec.indices[name]] for name in spec.params
        ] if spec else [],
        "markers": [
            [mark.name, reprs(mark.args), [[k, v] for k, v in zip(mark.kwargs, reprs(mark.kwargs.values()))]]
            for mark in item.iter_markers() if mark.name != "parametrize"
        ],
    }

class Recorder:
    suites = {}
    def of(self, nodeid):
        return self.suites.setdefault(nodeid.partition("/")[0], {"before": [], "after": [], "errors": []})
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        by_suite = {}
        for item in items:
            self.of(item.nodeid)["before"].append(told(item))
            by_suite.setdefault(item.nodeid.partition("/")[0], []).append(item)
        for suite, own in by_suite.items():
            self.suites[suite]["after"] = [item.nodeid for item in reorder_items(own)]
    def pytest_collectreport(self, report):
        if report.failed:
            self.of(report.nodeid)["errors"].append(report.nodeid)
    def pytest_sessionfinish(self, session):
        pathlib.Path("out.json").write_text(json.dumps(self.suites))

def plugin_fixtures(session):
    found = []
    manager = session._fixturemanager
    if hasattr(manager, "_arg2node2fixturedefs"):
        defs = [d for by in manager._arg2node2fixturedefs.values() for l in by.values() for d in reversed(l)]
        autouse = manager._node_autousenames.get(session, [])
    else:
        defs = [d for l in manager._arg2fixturedefs.values() for d in l]
        autouse = []
    return [[d.argname, d.scope, list(d.argnames), d.argname in autouse] for d in defs]

def pytest_configure(config):
    config.pluginmanager.register(Recorder())

@pytest.hookimpl(tryfirst=True)
def pytest_collection(session):
    pathlib.Path("plugins.json").write_text(json.dumps(plugin_fixtures(session)))
"""


def value(node: ast.expr) -> list:
    match node:
        case ast.Constant(value=None):
            return ["none"]
        case ast.Constant(value=bool() as v):
            return ["bool", v]
        case ast.Constant(value=int() as v):
            return ["int", str(v)]
        case ast.Constant(value=float() as v):
            return ["float", repr(v)]
        case ast.Constant(value=complex() as v):
            return ["complex", repr(v.real), repr(v.imag)]
        case ast.Constant(value=str() as v):
            return ["str", v]
        case ast.Constant(value=bytes() as v):
            return ["bytes", list(v)]
        case ast.Constant(value=v) if v is ...:
            return ["ellipsis"]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=v)):
            if isinstance(v, int):
                return ["int", str(-v)]
            if isinstance(v, float):
                return ["float", repr(-v)]
            return ["complex", repr((-v).real), repr((-v).imag)]
        case ast.Tuple(elts=e) | ast.List(elts=e) | ast.Set(elts=e):
            return [type(node).__name__.lower(), *map(value, e)]
        case ast.Dict(keys=k, values=v):
            return ["dict", *([value(a), value(b)] for a, b in zip(k, v, strict=True))]
        case ast.Lambda():
            return ["lambda"]
        case ast.Attribute(value=of, attr=attr):
            return ["external", f"{value(of)[1]}.{attr}"]
        case ast.Name(id=name):
            if name[0] == "f" and name[1:].isdigit():
                return ["function", name]
            if name[0] == "C" and name[1:].isdigit():
                return ["class", name]
            return ["external", name if name in MODULES else f"builtins.{name}"]
        case ast.Call(func=f, args=args, keywords=keywords):
            return [
                "call",
                value(f),
                [*map(value, args)],
                [[k.arg, value(k.value)] for k in keywords],
            ]
    raise ValueError(ast.dump(node))


MODULES = {"pytest", "re", "os", "datetime", "decimal", "pathlib", "collections", "uuid"}


def is_fixture(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(d).startswith("pytest.fixture") for d in node.decorator_list)


def function(node: ast.FunctionDef, method: bool) -> dict:
    arguments = [a.arg for a in node.args.args][method:]
    without_default = len(arguments) - len(node.args.defaults)
    kind = "fixture" if is_fixture(node) else "test" if node.name.startswith("test") else "other"
    return {
        "kind": kind,
        "name": node.name,
        "line": node.lineno,
        "argnames": arguments[:without_default],
        "decorators": [value(d) for d in reversed(node.decorator_list)],
    }


def holder(body: list, method: bool = False) -> dict:
    found = {"pytestmark": None, "members": []}
    for node in body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "pytestmark":
            found["pytestmark"] = value(node.value)
        elif isinstance(node, ast.FunctionDef):
            found["members"].append(function(node, method))
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            inner = holder(node.body, True)
            inner |= {"kind": "class", "name": node.name, "unittest": bool(node.bases)}
            inner["decorators"] = [value(d) for d in reversed(node.decorator_list)]
            found["members"].append(inner)
    return found


LITERALS = r"""
None True False 0 1 -1 255 12345678901234567890123 0.0 -0.0 1.0 1.5 1e16 1e15 123456789012345678.0
1e-5 0.0001 1e300 -2.5e-10 1j (1+0j).real 'a' 'a-b' '' ' ' 'a\\b' 'a\nb\tc\rd' '\x00\x1f\x7f' 'é' 'ÿ' 'Ā' '日本'
'😀' "it's" '"' 'a[b]' 'a::b' b'' b'abc' b'\\' b'\x00\x7f\x80\xff\t\n\r' ... () (1,) (1,2) [] [1] {} {'a':1} {1}
int str f0 f1 C0 C1 object len ValueError os.path.join os.getcwd re.compile('a+') re.compile('é\\d')
re.compile(b'x\xff') datetime.date(2020,1,1) datetime.timedelta(days=1) decimal.Decimal('1.5')
pathlib.Path('x') collections.OrderedDict() uuid.UUID(int=1) object() ValueError('x') os re
lambda:1 range pathlib.PurePath collections.abc.Mapping 2j -3j 1.5j 1e22 1e21 9007199254740993.0 0.1 100.0
'a1' 'a1' '1' 1 1 'x' 'x' 'x0' 'None' """


def literals() -> list[str]:
    """The literals above, of which none holds a space but in quotes or brackets."""
    found, depth, quote, current = [], 0, "", ""
    for position, char in enumerate(LITERALS):
        if quote:
            current += char
            if (char == quote and LITERALS[position - 1] != "\\") or (
                char == quote and LITERALS[position - 2 : position] == "\\\\"
            ):
                quote = ""
            continue
        if char in "'\"":
            quote = char
        depth += (char in "([{") - (char in ")]}")
        if char.isspace() and not depth:
            if current:
                found.append(current)
            current = ""
        else:
            current += char

    def usable(text: str) -> bool:
        try:
            value(ast.parse(text, mode="eval").body)
        except (ValueError, IndexError, TypeError):
            return False
        return True

    return [text for text in found if usable(text)]


HEAD = """import pytest, re, os, datetime, decimal, pathlib, collections, collections.abc, uuid, unittest
def f0(): pass
def f1(): pass
class C0: pass
class C1: pass
"""


class Maker:
    """A random suite."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.literals = literals()
        self.names = [f"fx{i}" for i in range(6)]

    def pick(self, *weighted):
        return self.random.choice(weighted)

    def literal(self) -> str:
        if self.random.random() < 0.5:
            return self.random.choice(
                ["1", "2", "1", "True", "1.0", "'a'", "'b'", "'a1'", "None", "(1,)", "[1]", "0"]
            )
        return self.random.choice(self.literals)

    def ids(self, count: int) -> str:
        draw = self.random.random()
        if draw < 0.6:
            return ""
        if draw < 0.7:
            return self.pick(", ids=None", ", ids=str", ", ids=repr")
        if draw < 0.75:
            return ", ids=[]"
        if draw < 0.78:
            return f", ids={['x'] * (count + 1)!r}"
        items = [
            self.random.choice(
                ["'i'", "'j'", "None", "'i1'", "1", "2.5", "True", "'é'", "C0", "b'z'"]
            )
            for _ in range(count)
        ]
        return f", ids=[{', '.join(items)}]"

    def row(self, width: int, single: bool) -> str:
        values = [self.literal() for _ in range(width)]
        draw = self.random.random()
        if draw < 0.2:
            extra = self.pick(
                "",
                ", id='p'",
                ", id='é\\\\'",
                ", marks=pytest.mark.m1",
                ", marks=[pytest.mark.m2, pytest.mark.skip(reason='no')]",
                ", id=None, marks=(pytest.mark.m3(1),)",
            )
            return f"pytest.param({', '.join(values)}{extra})"
        if single:
            return values[0]
        return f"({', '.join(values)}{',' if width == 1 else ''})"

    def parametrize(self, names: list[str]) -> str:
        width = len(names)
        single = width == 1
        form = self.random.random()
        if form < 0.6:
            written = repr(self.pick(",", ", ", " , ").join(names))
        else:
            single, written = False, repr(names if form < 0.8 else tuple(names))
        count = self.pick(0, 1, 2, 2, 3)
        rows = ", ".join(self.row(width, single) for _ in range(count))
        extra = self.ids(count)
        if self.random.random() < 0.25:
            extra += f", scope={self.pick('module', 'class', 'session', 'function', 'package')!r}"
        if self.random.random() < 0.15:
            extra += ", indirect=" + self.pick("False", "[]", "True", repr(names[:1]))
        return f"pytest.mark.parametrize({written}, [{rows}]{extra})"

    def fixture(self, name: str, method: bool, below: list[str]) -> list[str]:
        arguments = self.random.sample(below, min(len(below), self.pick(0, 0, 1, 2)))
        if self.random.random() < 0.15:
            arguments.append(name)
        options = []
        if self.random.random() < 0.4:
            options.append(
                f"scope={self.pick('module', 'class', 'session', 'function', 'package')!r}"
            )
        if self.random.random() < 0.3:
            count = self.pick(0, 1, 2, 2, 3)
            options.append(
                f"params=[{', '.join(self.row(1, True) for _ in range(count))}]{self.ids(count)}"
            )
        if self.random.random() < 0.2:
            options.append("autouse=True")
        attribute = name
        if self.random.random() < 0.2:
            attribute = self.pick("a_", "z_") + name
            options.append(f"name={name!r}")
        if self.random.random() < 0.5:
            arguments.insert(0, "request")
        if method:
            arguments.insert(0, "self")
        decorator = f"@pytest.fixture({', '.join(options)})" if options else "@pytest.fixture"
        return [decorator, f"def {attribute}({', '.join(dict.fromkeys(arguments))}): pass"]

    def fixtures(self, count: int, method: bool = False) -> list[str]:
        names = sorted(self.random.sample(self.names, count))
        lines = []
        for name in names:
            lines += self.fixture(name, method, [n for n in self.names if n < name])
        return lines

    def marks(self) -> list[str]:
        pool = [
            "pytest.mark.m1",
            "pytest.mark.m2(1, a='b')",
            "pytest.mark.skipif(True, reason='r')",
            f"pytest.mark.usefixtures({self.random.choice(self.names)!r})",
            "pytest.mark.xfail(raises=ValueError)",
        ]
        return self.random.sample(pool, self.pick(0, 0, 1, 2))

    def test(self, name: str, method: bool, shared: list[str]) -> list[str]:
        arguments = self.random.sample(self.names, self.pick(0, 1, 2)) + shared
        own = self.random.sample(["p", "q", "r"], self.pick(0, 1, 1, 2, 3))
        arguments += own
        decorators = self.marks()
        while own:
            size = self.pick(1, 1, 2)
            part, own = own[:size], own[size:]
            decorators.append(self.parametrize(part))
        if self.random.random() < 0.2 and arguments and arguments[0].startswith("fx"):
            values = self.pick("[1, 2]", "['a']", "[1, True]")
            indirect = self.pick(", indirect=True", "", f", indirect=[{arguments[0]!r}]")
            decorators.append(f"pytest.mark.parametrize({arguments[0]!r}, {values}{indirect})")
        self.random.shuffle(decorators)
        if method:
            arguments.insert(0, "self")
        if self.random.random() < 0.1:
            arguments.append("d=1")
        return [
            *(f"@{d}" for d in decorators),
            f"def {name}({', '.join(dict.fromkeys(arguments))}): pass",
        ]

    def tests(self, method: bool, shared: list[str], count: int) -> list[str]:
        return [line for i in range(count) for line in self.test(f"test_{i}", method, shared)]

    def module(self) -> str:
        shared = ["z"] if self.random.random() < 0.3 else []
        marks = self.marks()
        if shared:
            marks.append(self.parametrize(shared))
        lines = [f"pytestmark = [{', '.join(marks)}]"] if marks else []
        lines += self.fixtures(self.pick(0, 1, 3))
        lines += [
            f"def {name}(): pass"
            for name in ("setup_module", "teardown_function")
            if self.random.random() < 0.2
        ]
        lines += self.tests(False, shared, self.pick(1, 2, 3))
        if self.random.random() < 0.3:
            body = self.fixtures(self.pick(0, 1, 2), True)
            body += [
                f"def {name}(self): pass"
                for name in ("setup_method", "teardown_class")
                if self.random.random() < 0.3
            ]
            body += [f"@{mark}" for mark in self.marks()]
            body += ["def test_case(self): pass"]
            lines += [*(f"@{m}" for m in self.marks()), "class TestCase(unittest.TestCase):"]
            lines += [f"    {line}" for line in body]
        for number in range(self.pick(0, 1, 2)):
            inner = ["y"] if self.random.random() < 0.3 else []
            marks = [f"@{m}" for m in self.marks()] + [f"@{self.parametrize(inner)}" for _ in inner]
            body = self.fixtures(self.pick(0, 1, 2), True)
            body += [
                f"def {name}(self): pass"
                for name in ("setup_method", "teardown_class")
                if self.random.random() < 0.2
            ]
            body += self.tests(True, shared + inner, self.pick(1, 2))
            if self.random.random() < 0.3:
                body.insert(0, "pytestmark = pytest.mark.m3")
            lines += [*marks, f"class Test{number}:", *(f"    {line}" for line in body)]
        return HEAD + "\n".join(lines) + "\n"

    def conftest(self) -> str:
        return HEAD + "\n".join(self.fixtures(self.pick(0, 2, 4))) + "\n"


def literal_suite() -> str:
    found = literals()
    lines = [HEAD, f"@pytest.mark.parametrize('v', [{', '.join(found)}])", "def test_all(v): pass"]
    for number, literal in enumerate(found):
        if number % 5:
            continue
        lines += [
            f"@pytest.mark.parametrize('v', [{literal}, {literal}])",
            f"def test_{number}(v): pass",
        ]
        lines += [
            f"@pytest.mark.parametrize('v', [{literal}, 1, 2], scope='module')",
            f"def test_s{number}(v): pass",
        ]
    lines += [
        "@pytest.mark.parametrize('v', ['y', 'x'], ids=['" + "l" * 120 + "', None])",
        "def test_long(v): pass",
    ]
    lines += [
        f"@pytest.mark.parametrize('v', [{'l' * 120!r}, {b'm' * 101!r}, {'n' * 100!r}])",
        "def test_longer(v): pass",
    ]
    lines += ["@pytest.mark.parametrize('v,', [(1,), (2,)])", "def test_comma(v): pass"]
    for number, text in enumerate(SHORTENED):
        lines += [f"@pytest.mark.m9(1, {text}, k={text})", f"def test_m{number}(): pass"]
    return "\n".join(lines) + "\n"


# Marker arguments, for the limits of reprlib.
SHORTENED = [repr(value) for value in (
    "s" * 298, "s" * 299, "s" * 301, "'" * 200, "\n" * 150, "é" * 310, "\\" * 160, "it's", 'a"b', "a'b\"c",
    10**38, 10**39, 10**40, 10**41, -(10**39), -(10**40), b"b" * 297, b"b" * 298, b"\xff" * 90,
    list(range(50)), list(range(51)), tuple(range(60)), {}, (), [], (1,), {1}, {3, 1, 2}, {"b", "a", "c"},
    {2: "b", 1: "a"}, {"z": 1, "a": [1, {"y": 2}]}, {str(n): n for n in range(55)},
    [[[[[[[1]]]]]]], ((((((((1,),),),),),),),), {1: {1: {1: {1: {1: {1: {1: {}}}}}}}}, [[[[[[[]]]]]]],
    1.0, 1e100, -0.0, 2j, True, None, ["x" * 400], {"k": "y" * 400},
)] + ["ValueError", "OSError", "IOError", "(ValueError, KeyError)", "...", "f0", "[f0]", "datetime.date(2020, 1, 1)", "os"]  # fmt: skip


def record(python: str, suites: list[tuple[str, str]]) -> tuple[dict, list]:
    """What pytest made of each suite, and the fixtures of its plugins."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "recorder.py").write_text(PLUGIN)
        (root / "pytest.ini").write_text("[pytest]\n")
        for number, (conftest, module) in enumerate(suites):
            (root / f"s{number}").mkdir()
            (root / f"s{number}" / "conftest.py").write_text(conftest)
            (root / f"s{number}" / f"test_{number}.py").write_text(module)
        command = [
            python,
            "-m",
            "pytest",
            "-p",
            "recorder",
            "--collect-only",
            "-q",
            "-p",
            "no:cacheprovider",
            "-W",
            "ignore",
        ]
        environment = {
            "PYTHONPATH": str(root),
            "PATH": "/usr/bin:/bin",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        done = subprocess.run(
            command,
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if not (root / "out.json").exists():
            sys.exit(done.stderr[-2000:] + done.stdout[-2000:])
        plugins = json.loads((root / "plugins.json").read_text())
        return json.loads((root / "out.json").read_text()), plugins


def version_of(python: str) -> str:
    command = [python, "-c", "import pytest; print(pytest.__version__)"]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return ".".join(told.stdout.strip().split(".")[:2])


def main() -> None:
    out, count, *pythons = sys.argv[1:]
    texts = [(HEAD, literal_suite())]
    for seed in range(1, int(count)):
        maker = Maker(seed)
        texts.append((maker.conftest(), maker.module()))
    suites = [
        {
            "number": number,
            "conftest": holder(ast.parse(conftest).body),
            "module": holder(ast.parse(module).body),
            "told": [],
        }
        for number, (conftest, module) in enumerate(texts)
    ]
    plugins = {}
    for python in pythons:
        version = version_of(python)
        told, plugins[version] = record(python, texts)
        for number, suite in enumerate(suites):
            own = told.get(f"s{number}", {"before": [], "after": [], "errors": []})
            # Versions that agree are told once.
            for versions, known in suite["told"]:
                if known == own:
                    versions.append(version)
                    break
            else:
                suite["told"].append([[version], own])
    # A suite of very many tests says no more than one of a few.
    suites = [s for s in suites if not s["number"] or len(s["told"][0][1]["before"]) < 40]
    lines = ",\n".join(json.dumps(suite, separators=(",", ":")) for suite in suites)
    Path(out).write_text(f'{{"plugins":{json.dumps(plugins)},\n"suites":[\n{lines}\n]}}\n')


main()
