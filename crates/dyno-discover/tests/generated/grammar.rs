//! The grammar: projects of test modules, conftests and the module of values that they
//! import from.
//!
//! Everything is text with holes: `$name` stands for something that [`super::render`]
//! names, defines or imports in the manner that the project drew. A construct that the
//! text must settle is *plain*; the others may be left unknown, but never be wrong.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// A value with this probability, which may be none.
fn sometimes<S: Strategy + 'static>(probability: f64, inner: S) -> BoxedStrategy<Option<S::Value>>
where
    S::Value: Clone,
{
    if probability == 0.0 {
        Just(None).boxed()
    } else {
        option::weighted(probability, inner).boxed()
    }
}

/// How far a project goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Only what the text must settle.
    Plain,
    /// Anything.
    Full,
}

/// A folder of tests.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    /// Whether the folder has an `__init__.py`.
    pub(crate) package: bool,
    /// How pytest's names are imported.
    pub(crate) pytest_names: PytestNames,
    /// Where `$NAME`s of the library are.
    pub(crate) library: Library,
    /// Its conftest, if any.
    pub(crate) conftest: Option<Body>,
    /// Its test modules.
    pub(crate) modules: Vec<Body>,
    /// A folder below: conftest and module.
    pub(crate) below: Option<(Body, Body)>,
}

/// How a file imports pytest's names.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PytestNames {
    /// `import pytest`
    Module,
    /// `import pytest as pt`
    ModuleAlias,
    /// `from pytest import mark, ...`
    Names,
    /// `from pytest import mark as m, ...`
    NameAliases,
}

/// Where the library's names are defined, and how they are imported.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Library {
    /// In the file itself.
    Local,
    /// `from .values import NAME`
    FromImport,
    /// `from .values import NAME as other_NAME`
    FromImportAlias,
    /// `from . import values`, and `values.NAME`
    ModuleImport,
    /// `from .values import *`
    Star,
}

/// Statements under an optional `pytestmark`.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    /// `pytestmark = ...`
    pub(crate) pytestmark: Option<String>,
    /// What follows.
    pub(crate) statements: Vec<Statement>,
}

/// One statement of a module or class.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    /// A test function or method, or what looks like one.
    Function(Function),
    /// A fixture.
    Fixture(Fixture),
    /// A class.
    Class(Class),
    /// Statements under a condition.
    Guarded(&'static str, Vec<Statement>),
    /// A line as it is.
    Raw(String),
}

/// A function.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// `async def`.
    pub(crate) is_async: bool,
    /// Decorators other than parametrize, without `@`.
    pub(crate) decorators: Vec<String>,
    /// Parametrizations, outermost first.
    pub(crate) tables: Vec<Table>,
    /// Further arguments.
    pub(crate) arguments: Vec<&'static str>,
}

/// A `parametrize` decorator.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// The names.
    pub(crate) names: Vec<&'static str>,
    /// The first argument as written.
    pub(crate) names_text: String,
    /// The second.
    pub(crate) values: String,
    /// The rest, with its comma.
    pub(crate) more: String,
}

/// A fixture.
#[derive(Debug, Clone)]
pub(crate) struct Fixture {
    /// The function's name.
    pub(crate) name: &'static str,
    /// Arguments of the decorator.
    pub(crate) options: Vec<String>,
    /// What it asks for.
    pub(crate) arguments: Vec<&'static str>,
    /// Generator, coroutine or function.
    pub(crate) yields: bool,
}

/// A class.
#[derive(Debug, Clone)]
pub(crate) struct Class {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its bases.
    pub(crate) bases: Vec<&'static str>,
    /// Decorators without `@`.
    pub(crate) decorators: Vec<String>,
    /// A parametrization of the whole class.
    pub(crate) table: Option<Table>,
    /// Its body.
    pub(crate) body: Body,
}

const PLAIN_VALUES: &[&str] = &[
    "0",
    "1",
    "-3",
    "+4",
    "1_000",
    "0xff",
    "12345678901234567890123",
    "1.5",
    "-0.0",
    "1e10",
    "1e400",
    "2.0",
    "True",
    "False",
    "None",
    "''",
    "'a'",
    "'two words'",
    "'a-b'",
    "'a[0]::b'",
    "'1'",
    "'None'",
    "'café'",
    "'日本'",
    "'\\n'",
    "'\\t\\x00\\x7f'",
    "'a\\\\b'",
    "r'\\d+'",
    "'it\\'s'",
    "\"q'q\"",
    "b''",
    "b'ab'",
    "b'\\x00\\xff'",
    "'a' 'b'",
    "[]",
    "[1, 2]",
    "(1,)",
    "()",
    "{}",
    "{'k': 1}",
    "{1, 2}",
    "$INT",
    "$NEGATIVE",
    "$TEXT",
    "$Color.RED",
    "$Color.GREEN",
    "$Level.HIGH",
    "$Kind.ONE",
    "int",
    "str",
    "dict",
    "len",
    "ValueError",
    "$Plain",
    "$double",
    "$FLAG",
    "1 + 2",
    "-$INT",
    "1j",
    "...",
    "'x' * 3",
    "$INT + 1",
    "f'{$INT}-x'",
    "lambda: 0",
    "$Point(1, 2)",
    "$Plain()",
];

const FULL_VALUES: &[&str] = &[
    "'a' * 120",
    "'long ' + 'b' * 101",
    "1 if $INT else 2",
    "$INT * 2",
    "not $INT",
    "3 > 2",
    "$ITEMS[1]",
    "$TABLE['x']",
    "$ITEMS[-1]",
    "len($ITEMS)",
    "str(12)",
    "'{}'.format(3)",
    "'a'.upper()",
    "'%s' % 3",
    "f'{$TEXT!r:>8}'",
    "$TEXT + '!'",
    "$Color.RED.value",
    "$Color.RED.name",
    "$Perm.R | $Perm.W",
    "$Auto.A",
    "$Text.ONE",
    "re.compile('a+')",
    "object()",
    "math.pi",
    "math.inf",
    "float('nan')",
    "decimal.Decimal('1.50')",
    "fractions.Fraction(1, 3)",
    "datetime.date(2020, 1, 2)",
    "datetime.timedelta(1)",
    "pathlib.Path('a/b')",
    "pathlib.PurePosixPath('a')",
    "uuid.UUID(int=1)",
    "range(3)",
    "slice(1)",
    "bytearray(b'a')",
    "frozenset()",
    "http.HTTPStatus.OK",
    "signal.SIGINT",
    "functools.partial(int, 2)",
    "collections.OrderedDict()",
    "collections.deque()",
    "$Named()",
    "$Named",
    "os.sep",
    "os.getpid()",
    "$double(4)",
    "$make()",
    "'\\ud800'",
    "'\\U0001f600'",
    "'$'",
    "sys.maxsize",
    "sys.version_info[0]",
    "type(None)",
    "type('T', (), {})",
    "mock.Mock()",
    "ValueError('x')",
    "NotImplemented",
    "$mark.slow",
    "pytest.raises(ValueError)",
    "$Whole.text",
    "$Whole().text",
    "$Loud(3)",
    "$LoudText('t')",
    "int('7')",
    "round(2.5)",
    "max(1, 2)",
    "abs(-2)",
    "$TABLE.get('x')",
    "$TABLE.get('none', 5)",
    "[*$ITEMS]",
    "{**$TABLE}",
    "$CONDITIONAL",
    "$TRIED",
    "10 ** 2",
    "7 // 2",
    "7 / 2",
    "'a' in 'abc'",
    "None is None",
    "'a' 'b' f'{1}'",
    "True + 1",
    "bool(1)",
    "bytes(2)",
    "str(b'a')",
    "float('1')",
    "$INT.real",
    "'é'.encode()",
    "$AUGMENTED",
    "types.SimpleNamespace(a=1)",
    "contextlib.nullcontext()",
    "$counter()",
    "(lambda: 3)()",
    "'\\xa0'",
    "'a\\r\\nb'",
    "''.join(['a', 'b'])",
    "'a,b'.split(',')[0]",
    "os.environ.get('HOME')",
];

const PLAIN_TABLES: &[&str] = &[
    "$ITEMS",
    "$WORDS",
    "range(3)",
    "$ITEMS + [9]",
    "[*$ITEMS, 4]",
    "list($Color)",
    "$CASES",
    "$EMPTY",
    "[]",
    "($INT, $INT)",
    "[1, 1, 2]",
    "['a', 'a', 'a0']",
];

const FULL_TABLES: &[&str] = &[
    "[x * 2 for x in range(3)]",
    "sorted($TABLE)",
    "$TABLE.keys()",
    "$TABLE",
    "'abc'",
    "$Color",
    "list(range(2, 8, 3))",
    "tuple($ITEMS)",
    "[x for x in $ITEMS if x > 1]",
    "{3, 1, 2}",
    "$Level",
    "reversed($ITEMS)",
    "$make()",
    "(x for x in range(2))",
    "$ITEMS * 2",
    "$ITEMS[1:]",
    "map(str, $ITEMS)",
    "[$param(x, id=f'x{x}') for x in $ITEMS]",
    "[*range(2), *'xy']",
    "$LATER",
    "os.listdir('/nowhere')",
    "filter(None, $ITEMS)",
    "[str(x) for x in $WORDS]",
    "iter($ITEMS)",
    "$GROWN",
    "$Whole.rows",
];

const LISTED_TABLES: &[&str] = &[
    "[(1,), (2,)]",
    "[('x',)]",
    "[]",
    "[$param(1, id='p')]",
    "[[1], [2.5]]",
    "($param('y'), (None,))",
];

const PAIR_TABLES: &[&str] = &[
    "$ROWS",
    "list(zip($ITEMS, 'abc'))",
    "$TABLE.items()",
    "list($TABLE.items())",
    "enumerate($WORDS)",
    "[(x, x) for x in $ITEMS]",
    "list(itertools.product([1, 2], 'ab'))",
    "['ab', 'cd']",
    "itertools.product($ITEMS, $WORDS)",
    "[(i, s) for i, s in $ROWS]",
    "[[1, 2], [3, 4]]",
];

const PLAIN_MARKS: &[&str] = &[
    "$mark.slow",
    "$mark.slow()",
    "$mark.gpu(1)",
    "$mark.gpu(2, 'x', kind='big')",
    "$mark.skip",
    "$mark.skip('why')",
    "$mark.skip(reason='why')",
    "$mark.skipif(True, reason='never')",
    "$mark.skipif(sys.version_info < (3, 8), reason='old')",
    "$mark.xfail",
    "$mark.xfail(reason='x')",
    "$mark.xfail(raises=ValueError, strict=True)",
    "$mark.usefixtures('$f0')",
    "$mark.timeout($INT)",
    "$mark.usefixtures('$f1', '$f2')",
    "$mark.tag($TEXT)",
    "$mark.tag(['a'], {'b': (1, 2.5)})",
    "$slow",
    "$needs",
    "$mark.filterwarnings('ignore')",
    "$mark.tag(None, on=False)",
];

const FULL_MARKS: &[&str] = &[
    "$mark.skipif('sys.platform == \"x\"')",
    "$mark.gpu(1)(2)",
    "$mark.gpu(1).with_args(3, a=4)",
    "getattr($mark, 'late')",
    "$mark.tag(os.getpid())",
    "$mark.tag(lambda: 0)",
    "$mark.tag($Color.RED)",
    "$mark.tag($Point(1, 2))",
    "$mark.tag('x' * 400)",
    "$mark.tag(list(range(100)))",
    "$mark.tag(*$ITEMS)",
    "$mark.tag(**$TABLE)",
    "$mark.tag($double)",
    "$mark.tag(int)",
    "$mark.tag({1, 2})",
    "$mark.tag(1.50)",
    "$marked(3)",
    "$mark.skipif(os.environ.get('NO_SUCH') == '1', reason='r')",
    "$keep",
    "$Whole.mark",
    "$mark.usefixtures",
    "$mark.tag(b'x', 1j, ...)",
    "$mark.tag([1, [2, [3, [4, [5, [6, [7, [8]]]]]]]])",
];

const FIXTURE_NAMES: &[&str] = &["$f0", "$f1", "$f2", "$f3"];
const SCOPES: &[&str] = &["function", "class", "module", "package", "session"];
const TEST_NAMES: &[&str] = &[
    "test_a",
    "test_b",
    "test_c",
    "test_one_two",
    "test",
    "testing",
    "test_é",
];
const OTHER_NAMES: &[&str] = &["check_a", "_test_a", "Test_a", "helper"];

fn either(
    reach: Reach,
    plain: &'static [&'static str],
    full: &'static [&'static str],
) -> BoxedStrategy<String> {
    let plain = select(plain).prop_map(str::to_owned);
    match reach {
        Reach::Plain => plain.boxed(),
        Reach::Full => prop_oneof![3 => plain, 1 => select(full).prop_map(str::to_owned)].boxed(),
    }
}

fn value(reach: Reach) -> BoxedStrategy<String> {
    either(reach, PLAIN_VALUES, FULL_VALUES)
}

fn mark(reach: Reach) -> BoxedStrategy<String> {
    either(reach, PLAIN_MARKS, FULL_MARKS)
}

fn pytestmark(reach: Reach) -> BoxedStrategy<Option<String>> {
    let listed = vec(mark(reach), 1..3).prop_map(|marks| format!("[{}]", marks.join(", ")));
    let named = Just("$marks".to_owned());
    // Only lists are taken: a tuple is an error.
    let tuple = vec(mark(reach), 1..3).prop_map(|marks| format!("({},)", marks.join(", ")));
    let odd = if reach == Reach::Plain {
        listed.clone().boxed()
    } else {
        tuple.boxed()
    };
    sometimes(
        0.25,
        prop_oneof![8 => mark(reach), 8 => listed, 4 => named, 1 => odd],
    )
    .boxed()
}

/// One row of a table: its values, or `pytest.param` of them.
fn row(reach: Reach, width: usize) -> BoxedStrategy<String> {
    // `usefixtures` is refused here.
    let allowed = mark(reach).prop_map(move |mark| {
        if reach == Reach::Plain && mark.contains("usefixtures") {
            "$mark.slow".to_owned()
        } else {
            mark
        }
    });
    let marks = prop_oneof![
        allowed.clone(),
        vec(allowed, 0..3).prop_map(|marks| format!("[{}]", marks.join(", ")))
    ];
    let id = select(if reach == Reach::Plain {
        &["'named'", "'a b'", "'same'", "None", "'ü'", "''"][..]
    } else {
        &[
            "'named'",
            "'same'",
            "$TEXT",
            "str($INT)",
            "f'{$INT}'",
            "'\\n'",
            "''",
            "pytest.HIDDEN_PARAM",
        ][..]
    });
    (
        vec(value(reach), width),
        sometimes(0.3, (sometimes(0.6, id), sometimes(0.4, marks))),
    )
        .prop_map(move |(values, wrapped)| {
            let listed = values.join(", ");
            match wrapped {
                None if width == 1 => listed,
                None => format!("({listed})"),
                Some((id, marks)) => {
                    let id = id.map_or(String::new(), |id| format!(", id={id}"));
                    let marks = marks.map_or(String::new(), |marks| format!(", marks={marks}"));
                    format!("$param({listed}{id}{marks})")
                }
            }
        })
        .boxed()
}

fn rows(reach: Reach, width: usize) -> BoxedStrategy<String> {
    let written = (vec(row(reach, width), 0..4), any::<bool>()).prop_map(|(rows, tuple)| {
        let listed = rows
            .iter()
            .fold(String::new(), |text, row| text + row + ", ");
        if tuple && !rows.is_empty() {
            format!("({listed})")
        } else {
            format!("[{listed}]")
        }
    });
    match (width, reach) {
        (1, _) => prop_oneof![3 => written, 1 => either(reach, PLAIN_TABLES, FULL_TABLES)].boxed(),
        (2, Reach::Full) => {
            prop_oneof![3 => written, 1 => select(PAIR_TABLES).prop_map(str::to_owned)].boxed()
        }
        _ => written.boxed(),
    }
}

/// A parametrization of one of a few sets of names, so that they meet each other.
fn table(reach: Reach, sets: &'static [&'static [&'static str]]) -> BoxedStrategy<Table> {
    let names = select(sets);
    names
        .prop_flat_map(move |names| {
            let text = match (names, reach) {
                ([one], _) => select(vec![
                    format!("'{one}'"),
                    format!("['{one}']"),
                    format!("('{one}',)"),
                ])
                .boxed(),
                (several, _) => select(vec![
                    format!("'{}'", several.join(",")),
                    format!("'{}'", several.join(" , ")),
                    format!("['{}']", several.join("', '")),
                    format!("('{}')", several.join("', '")),
                ])
                .boxed(),
            };
            let one_listed = move |text: &str| names.len() == 1 && !text.starts_with('\'');
            let ids: &[&str] = if reach == Reach::Plain {
                &[
                    "ids=str",
                    "ids=repr",
                    "ids=['p', 'q', 'p', 's']",
                    "ids=None",
                ]
            } else {
                &[
                    "ids=str",
                    "ids=repr",
                    "ids=['p', None, 3, 'p']",
                    "ids=lambda v: f'<{v}>'",
                    "ids=$label",
                    "ids=$nothing",
                    "ids=['one']",
                    "ids=$WORDS",
                    "ids=(str(x) for x in range(9))",
                    "ids=$label_int",
                    "ids=lambda v: v.name",
                    "ids=type",
                    "ids=['x' * 3, 'y', 'z', 'z']",
                    "ids=lambda v: $TEXT",
                ]
            };
            let indirect = match names {
                [one] => vec![
                    "indirect=True".to_owned(),
                    format!("indirect=['{one}']"),
                    "indirect=False".to_owned(),
                ],
                [first, ..] => vec![
                    format!("indirect=['{first}']"),
                    "indirect=True".to_owned(),
                    "indirect=()".to_owned(),
                ],
                [] => vec![],
            };
            let scope = select(SCOPES).prop_map(|scope| format!("scope='{scope}'"));
            let count = names.len();
            (
                text,
                rows(reach, count),
                sometimes(0.25, select(ids)),
                sometimes(0.1, select(indirect)),
                sometimes(0.12, scope),
            )
                .prop_map(move |(names_text, values, ids, indirect, scope)| {
                    // A list of one name takes rows of one value.
                    let values = if one_listed(&names_text) && !values.contains("for i in") {
                        LISTED_TABLES[values.len() % LISTED_TABLES.len()].to_owned()
                    } else {
                        values
                    };
                    // A list of ids of the wrong length is an error, which is not plain.
                    // Nor is the text of a function, which tells an address, or of a set.
                    let told = !values.contains('$') && !values.contains("lambda");
                    let told = told
                        && !["{1, 2}", "str", "int", "Error"]
                            .iter()
                            .any(|part| values.contains(part));
                    let ids = ids.filter(|ids| {
                        let is_text = *ids == "ids=str" || *ids == "ids=repr";
                        reach == Reach::Full || !ids.starts_with("ids=[") && (told || !is_text)
                    });
                    let more = [ids.map(str::to_owned), indirect, scope];
                    let parts = more.into_iter().flatten();
                    let more = parts.fold(String::new(), |text, part| text + ", " + &part);
                    Table {
                        names: names.to_vec(),
                        names_text,
                        values,
                        more,
                    }
                })
        })
        .boxed()
}

const FUNCTION_NAMES: &[&[&str]] = &[&["$a"], &["$a", "$b"], &["$b"], &["$f0"], &["$f1"]];
const DISJOINT_NAMES: &[&[&str]] = &[&["$c"], &["$d"]];

fn function(reach: Reach) -> BoxedStrategy<Function> {
    let names = prop_oneof![8 => select(TEST_NAMES), 1 => select(OTHER_NAMES)];
    let tables = if reach == Reach::Plain {
        (
            sometimes(0.4, table(reach, FUNCTION_NAMES)),
            sometimes(0.15, table(reach, DISJOINT_NAMES)),
        )
            .prop_map(|(first, second)| first.into_iter().chain(second).collect())
            .boxed()
    } else {
        prop_oneof![
            4 => vec(table(reach, FUNCTION_NAMES), 0..2),
            2 => (table(reach, FUNCTION_NAMES), table(reach, DISJOINT_NAMES)).prop_map(|(a, b)| vec![a, b]),
            1 => vec(table(reach, FUNCTION_NAMES), 1..3),
        ]
        .boxed()
    };
    let arguments: &[&str] = if reach == Reach::Plain {
        &[
            "$f0",
            "$f1",
            "$f2",
            "$f3",
            "tmp_path",
            "request",
            "monkeypatch",
            "capsys",
            "x=1",
        ]
    } else {
        &[
            "$f0",
            "$f1",
            "$f2",
            "$f3",
            "tmp_path",
            "request",
            "capsys",
            "x=1",
            "unheard_of",
            "*rest",
            "**more",
            "*, only",
            "$a",
            "pytestconfig",
            "tmp_path_factory",
            "record_property",
        ]
    };
    let odd: &[&str] = &[
        "mock.patch('os.getcwd')",
        "mock.patch('os.sep', '/')",
        "functools.lru_cache",
        "staticmethod",
        "classmethod",
        "$keep",
        "property",
        "mock.patch.object(os, 'getcwd')",
        "$wrapped",
        "typing.no_type_check",
        "unittest.skip('u')",
        "unittest.expectedFailure",
        "mock.patch.dict(os.environ, {})",
        "functools.wraps(len)",
        "contextlib.contextmanager",
        "$repeat(2)",
    ];
    let decorators = (
        vec(mark(reach), 0..3),
        sometimes(if reach == Reach::Plain { 0.0 } else { 0.1 }, select(odd)),
    )
        .prop_map(|(mut marks, odd)| {
            marks.retain(|mark| !mark.contains("getattr"));
            marks.extend(odd.map(str::to_owned));
            marks
        });
    (
        names,
        prop::bool::weighted(0.1),
        decorators,
        tables,
        vec(select(arguments), 0..3),
    )
        .prop_map(|(name, is_async, decorators, tables, arguments)| Function {
            name: name.to_owned(),
            is_async,
            decorators,
            tables,
            arguments,
        })
        .boxed()
}

fn fixture(reach: Reach) -> BoxedStrategy<Fixture> {
    let scope = select(SCOPES).prop_map(|scope| format!("scope='{scope}'"));
    let params = prop_oneof![
        3 => vec(row(reach, 1), 1..4).prop_map(|rows| format!("params=[{}]", rows.join(", "))),
        1 => either(reach, &["$ITEMS", "$WORDS", "range(2)"], &["[]", "$make()", "(x for x in 'ab')", "$Color", "None"])
            .prop_map(|values| format!("params={values}")),
    ];
    let ids: &[&str] = if reach == Reach::Plain {
        &["ids=str"]
    } else {
        &[
            "ids=str",
            "ids=['i', 'j']",
            "ids=$label",
            "ids=lambda v: 'k'",
        ]
    };
    let name: &[&str] = if reach == Reach::Plain {
        &["name='$f2'"]
    } else {
        &["name='$f2'", "name=$TEXT", "name='$a'"]
    };
    let options = (
        sometimes(0.4, scope),
        sometimes(
            0.3,
            (params, sometimes(0.25, select(ids))).prop_map(move |(params, ids)| {
                let told = !["$", "lambda", "{1, 2}", "str", "int", "Error"]
                    .iter()
                    .any(|part| params.contains(part));
                let ids = ids.filter(|_| told || reach == Reach::Full);
                ids.map_or(params.clone(), |ids| format!("{params}, {ids}"))
            }),
        ),
        sometimes(0.15, Just("autouse=True".to_owned())),
        sometimes(0.08, select(name).prop_map(str::to_owned)),
        sometimes(
            if reach == Reach::Plain { 0.0 } else { 0.05 },
            select(
                &[
                    "scope=$TEXT",
                    "scope=lambda fixture_name, config: 'module'",
                    "autouse=bool($INT)",
                    "autouse=not $INT",
                    "scope=None",
                ][..],
            )
            .prop_map(str::to_owned),
        ),
    )
        .prop_map(|(scope, params, autouse, name, odd)| {
            let mut options: Vec<String> = [params, autouse, name].into_iter().flatten().collect();
            match (scope, odd) {
                (_, Some(odd)) if odd.starts_with("scope") => options.push(odd),
                (scope, odd) => options.extend(scope.into_iter().chain(odd)),
            }
            // An option given twice would be a syntax error.
            if options
                .iter()
                .filter(|option| option.starts_with("autouse"))
                .count()
                > 1
            {
                options.retain(|option| option != "autouse=True");
            }
            options
        });
    (
        select(FIXTURE_NAMES),
        options,
        vec(
            select(&["$f0", "$f1", "$f2", "$f3", "request", "tmp_path"][..]),
            0..3,
        ),
        any::<bool>(),
    )
        .prop_map(|(name, options, arguments, yields)| Fixture {
            name,
            options,
            arguments,
            yields,
        })
        .boxed()
}

const CLASS_NAMES: &[&str] = &["TestA", "TestB", "TestC", "Test", "CheckA", "TestA"];
const RAW: &[&str] = &[
    "del test_a",
    "test_b = test_a",
    "test_alias = $double",
    "test_value = 3",
    "test_lambda = lambda $f0: None",
    "from $lib import TestShared",
    "from $lib import test_shared",
    "TestAlias = TestA",
    "test_a.__test__ = False",
    "TestA.__test__ = False",
    "__test__ = False",
    "test_c = $wrapped(test_a)",
    "test_a = $mark.late(test_a)",
    "setattr(sys.modules[__name__], 'test_set', $double)",
    "globals()['test_global'] = $double",
    "pytest.importorskip('json')",
    "pytest.importorskip('no_such_module')",
    "def setup_module(module): pass",
    "def setup_function(function): pass",
    "def teardown_module(): pass",
    "for test_loop in [$double]: pass",
    "def pytest_generate_tests(metafunc): pass",
    "def pytest_generate_tests(metafunc):\n    if '$f0' in metafunc.fixturenames: metafunc.parametrize('$f0', [1, 2])",
    "test_a.extra = 1",
    "from $lib import f_shared",
    "$f3 = $fixture(lambda: 1)",
    "from $lib import SharedCase",
    "test_partial = functools.partial($double, 1)",
    "raise unittest.SkipTest('no')",
    "pytest.skip('no', allow_module_level=True)",
    "assert $INT",
    "test_d = test_e = $double",
    "(test_walrus := $double)",
    "exec('def test_exec(): pass')",
    "def test_generator():\n    yield 1",
    "type('TestMade', (), {'test_made': lambda self: None})",
    "TestMade = type('TestMade', (), {'test_made': lambda self: None})",
    "import os.path as test_path",
    "test_a.pytestmark = [$mark.set]",
    "class TestOld(object): test_attr = $keep",
    "nose = 1; __tracebackhide__ = True",
    "from unittest import TestCase",
    "@dataclasses.dataclass\nclass TestData:\n    x: int = 1\n    def test_data(self): pass",
    "class TestEnum(enum.Enum):\n    A = 1\n    def test_enum(self): pass",
    "TestTuple = collections.namedtuple('TestTuple', 'a')",
    "class TestMeta(metaclass=abc.ABCMeta):\n    @abc.abstractmethod\n    def test_abstract(self): pass",
    "try:\n    import no_such_module\nexcept ImportError:\n    no_such_module = None",
    "class TestSlots:\n    __slots__ = ()\n    def test_slots(self): pass",
    "class TestProtocol(typing.Protocol):\n    def test_protocol(self): pass",
    "class TestGeneric(typing.Generic[typing.TypeVar('T')]):\n    def test_generic(self): pass",
    "def __getattr__(name): raise AttributeError(name)",
    // What other modules see, too, if they collect it.
    "from $lib import TestShared, test_shared\nclass TestHeir(TestShared): pass",
    "from $lib import TestShared, test_shared, SharedCase",
    "from $lib import test_shared\n$mark.touched(test_shared)",
    "import $lib as shared\n$mark.touched(1)(shared.TestShared)",
    "$TestShared.pytestmark = [$mark.touched]",
    "setattr($SharedCase, 'pytestmark', $mark.touched)",
    "for shared in ($TestShared, $test_shared): $mark.touched(shared)",
    "touched = $mark.touched($TestBase)",
    "$keep($TestShared)",
    "import $lib as shared\nshared.TestShared.test_it.pytestmark = [$mark.touched]",
    "def touch(what): return $mark.touched(what)\ntouch($test_shared)",
];
const CLASS_RAW: &[&str] = &[
    "__test__ = False",
    "__test__ = True",
    "def __init__(self): pass",
    "def __new__(cls): return object.__new__(cls)",
    "test_attribute = 1",
    "def setup_method(self): pass",
    "def setup_class(cls): pass",
    "test_b = test_a",
    "del test_a",
    "def setUp(self): pass",
    "test_a = None",
    "@staticmethod\n    def test_static(): pass",
    "@classmethod\n    def test_class(cls): pass",
    "@property\n    def test_property(self): return 1",
    "class Test(object):\n        def test_deep(self): pass",
    "test_shared = $double",
    "@staticmethod\n    def test_static_arg($f0): pass",
    "def teardown_method(self, method): pass",
    "pass",
    "def runTest(self): pass",
    "for test_loop in []: pass",
    "nose = None",
    "def __init_subclass__(cls, **kwargs): pass",
    "@classmethod\n    def setUpClass(cls): pass",
];
const GUARDS: &[&str] = &[
    "if True:",
    "if False:",
    "if sys.version_info >= (3, 8):",
    "if sys.version_info < (3, 8):",
    "if os.name == 'posix':",
    "if os.environ.get('NO_SUCH_VARIABLE'):",
    "if not os.environ.get('NO_SUCH_VARIABLE'):",
    "if $INT:",
    "if typing.TYPE_CHECKING:",
    "if sys.platform == 'win32':",
    "with contextlib.suppress(Exception):",
    "if __name__ == '__main__':",
    "for _ in range(1):",
    "while False:",
    "if os.path.exists('/'):",
    "for _ in []:",
    "if hasattr(os, 'fork'):",
    "if $Color.RED:",
    "if len($ITEMS) > 2:",
];
const PLAIN_GUARDS: &[&str] = &[
    "if True:",
    "if False:",
    "if sys.version_info >= (3, 8):",
    "if sys.version_info < (3, 8):",
    "if typing.TYPE_CHECKING:",
];

fn class(reach: Reach) -> BoxedStrategy<Class> {
    let bases: &[&str] = if reach == Reach::Plain {
        &[
            "unittest.TestCase",
            "$Base",
            "$TestBase",
            "$Mixin",
            "object",
            "$CaseBase",
        ]
    } else {
        &[
            "unittest.TestCase",
            "$Base",
            "$TestBase",
            "$Mixin",
            "TestA",
            "TestB",
            "$CaseBase",
            "Exception",
            "abc.ABC",
            "unittest.IsolatedAsyncioTestCase",
            "$Unmade",
            "dict",
            "collections.namedtuple('N', 'a')",
            "typing.Generic[$T]",
            "TestC",
        ]
    };
    let leaf = statements(reach, false).boxed();
    let body = (pytestmark(reach), leaf).prop_map(|(pytestmark, statements)| Body {
        pytestmark,
        statements,
    });
    let head = (
        select(CLASS_NAMES),
        vec(select(bases), 0..=1),
        vec(mark(reach), 0..2),
        sometimes(0.15, table(reach, DISJOINT_NAMES)),
    );
    let nested = (head.clone(), body.clone(), sometimes(0.2, (head, body)));
    nested
        .prop_map(move |((name, bases, decorators, table), mut body, inner)| {
            // Every test of a parametrized class must take its names; inherited ones do not.
            let table = table.filter(|_| reach == Reach::Full || bases.is_empty());
            if let Some(((name, bases, decorators, inner_table), inner)) = inner {
                let outer = if reach == Reach::Plain && !bases.is_empty() {
                    &None
                } else {
                    &table
                };
                let table = inner_table
                    .filter(|_| reach == Reach::Full || bases.is_empty() && outer.is_none());
                body.statements.push(Statement::Class(Class {
                    name,
                    bases,
                    decorators,
                    table,
                    body: inner,
                }));
            }
            Class {
                name,
                bases,
                decorators,
                table,
                body,
            }
        })
        .boxed()
}

/// Statements of a class (without classes) or of a module (`outer`).
fn statements(reach: Reach, outer: bool) -> BoxedStrategy<Vec<Statement>> {
    let raw: &[&str] = if outer { RAW } else { CLASS_RAW };
    let functions = function(reach).prop_map(Statement::Function);
    let fixtures = fixture(reach).prop_map(Statement::Fixture);
    let simple = prop_oneof![5 => functions, 2 => fixtures];
    let guards = select(if reach == Reach::Plain {
        PLAIN_GUARDS
    } else {
        GUARDS
    });
    let guarded = (guards, vec(simple.clone(), 1..3))
        .prop_map(|(guard, inner)| Statement::Guarded(guard, inner));
    let rare = u32::from(reach != Reach::Plain);
    let raw = select(raw).prop_map(|line| Statement::Raw(line.to_owned()));
    let common = if outer {
        prop_oneof![6 => simple, 3 => class(reach).prop_map(Statement::Class), 1 => guarded].boxed()
    } else {
        prop_oneof![9 => simple, 1 => guarded].boxed()
    };
    let one = if rare == 0 {
        common
    } else {
        prop_oneof![7 => common, 1 => raw].boxed()
    };
    vec(one, if outer { 1..7 } else { 0..4 }).boxed()
}

fn module(reach: Reach) -> BoxedStrategy<Body> {
    (pytestmark(reach), statements(reach, true))
        .prop_map(|(pytestmark, statements)| Body {
            pytestmark,
            statements,
        })
        .boxed()
}

/// A conftest's hooks are called for its folder only, so projects do not disturb each other.
const HOOKS: &[&str] = &[
    "def pytest_generate_tests(metafunc):\n    if '$f1' in metafunc.fixturenames: metafunc.parametrize('$f1', 'xy')",
    "def pytest_itemcollected(item): item.add_marker('late')",
    "def pytest_pycollect_makeitem(collector, name, obj): return None",
    "collect_ignore = ['test_0.py']",
    "collect_ignore_glob = ['*_1.py']",
];

fn conftest(reach: Reach) -> BoxedStrategy<Body> {
    let fixtures = vec(fixture(reach).prop_map(Statement::Fixture), 0..3);
    let hook = select(HOOKS).prop_map(|hook| Statement::Raw(hook.to_owned()));
    (
        fixtures,
        sometimes(if reach == Reach::Plain { 0.0 } else { 0.08 }, hook),
    )
        .prop_map(|(mut statements, hook)| {
            for statement in &mut statements {
                if let Statement::Fixture(fixture) = statement {
                    // Of a conftest this ends the session, and the other projects with it.
                    fixture.options.retain(|option| option != "scope=$TEXT");
                }
            }
            statements.extend(hook);
            Body {
                pytestmark: None,
                statements,
            }
        })
        .boxed()
}

/// A project of one to three modules, maybe with a folder below.
pub(crate) fn project(reach: Reach) -> BoxedStrategy<Project> {
    let names = select(vec![
        PytestNames::Module,
        PytestNames::ModuleAlias,
        PytestNames::Names,
        PytestNames::NameAliases,
    ]);
    let mut places = vec![
        Library::Local,
        Library::FromImport,
        Library::FromImportAlias,
        Library::ModuleImport,
    ];
    if reach == Reach::Full {
        places.push(Library::Star);
    }
    (
        prop::bool::weighted(0.8),
        names,
        select(places),
        sometimes(0.7, conftest(reach)),
        vec(module(reach), 1..3),
        sometimes(0.3, (conftest(reach), module(reach))),
    )
        .prop_map(
            |(package, pytest_names, library, conftest, modules, below)| Project {
                package,
                pytest_names,
                library,
                conftest,
                modules,
                below,
            },
        )
        .boxed()
}
