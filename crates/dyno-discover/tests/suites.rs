//! What pytest made of random suites, by version (`tests/record/suites.json`, recorded by
//! `tests/record/record_suites.py`), against what the rules make of the same facts.

use dyno_discover::fixture::{
    FixtureSignature, Layer, LayerBuilder, PluginFixture, PluginParams, XunitNames,
};
use dyno_discover::mark::MarkList;
use dyno_discover::order::{TestParams, reorder};
use dyno_discover::parametrize::{Expansion, FunctionFacts, Instance, expand};
use dyno_discover::rules::{EmptySet, LongStrings, Objects, Place, Rules};
use dyno_model::{Doubt, PytestVersion, Scope};
use dyno_python::{Call, ClassRef, Function, Interpreter, Module, Reason, Value};
use serde_json::Value as Json;
use std::path::Path;
use std::sync::{Arc, LazyLock};

static MODULE: LazyLock<Arc<Module>> = LazyLock::new(|| {
    let interpreter = Interpreter {
        version: (3, 11),
        platform: "linux".into(),
        os_name: "posix".into(),
    };
    let text = b"def f0(): pass\n";
    Arc::new(Module::parse(Path::new("/m.py"), Some("m"), text, &interpreter).unwrap())
});

struct Nothing;

impl Objects for Nothing {
    fn call(&self, _: &Value, _: &Value) -> Value {
        Value::Unknown(place(0).reason("not called"))
    }
    fn outside(&self, _: &str) -> Option<Value> {
        None
    }

    fn iterate(&self, _: &Value) -> Result<Arc<[Value]>, Reason> {
        Err(place(0).reason("not iterated"))
    }
    fn is_plain(&self, _: &ClassRef) -> Result<(), Reason> {
        Ok(())
    }
}

fn place(line: u32) -> Place {
    Place {
        file: "test_it.py".into(),
        line,
    }
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap()
}

fn items(json: &Json) -> &[Json] {
    json.as_array().unwrap()
}

fn value(json: &Json) -> Value {
    let parts = items(json);
    let rest = || parts[1..].iter().map(value).collect::<Vec<_>>().into();
    let number = |at: usize| text(&parts[at]).parse::<f64>().unwrap();
    let offset = || u32::from(text(&parts[1]).ends_with('1'));
    match text(&parts[0]) {
        "none" => Value::None,
        "bool" => Value::Bool(parts[1].as_bool().unwrap()),
        "int" => Value::Int(text(&parts[1]).into()),
        "float" => Value::Float(number(1)),
        "complex" => Value::Complex(number(1), number(2)),
        "str" => Value::Str(text(&parts[1]).into()),
        "bytes" => {
            let bytes = items(&parts[1])
                .iter()
                .map(|b| u8::try_from(b.as_u64().unwrap()).unwrap());
            Value::Bytes(bytes.collect())
        }
        "ellipsis" => Value::Ellipsis,
        "tuple" => Value::Tuple(rest()),
        "list" => Value::List(rest()),
        "set" => Value::Set(rest()),
        "dict" => {
            let pair = |pair: &Json| (value(&pair[0]), value(&pair[1]));
            Value::Dict(parts[1..].iter().map(pair).collect())
        }
        "lambda" | "function" => Value::Function(Function {
            module: MODULE.clone(),
            name: parts.get(1).map_or("<lambda>", text).into(),
            offset: if parts.len() > 1 { offset() } else { 100 },
        }),
        "class" => Value::Class(ClassRef {
            module: MODULE.clone(),
            name: text(&parts[1]).into(),
            offset: offset(),
        }),
        "external" => Value::External(text(&parts[1]).into()),
        "call" => Value::Call(Arc::new(Call {
            function: value(&parts[1]),
            args: items(&parts[2]).iter().map(value).collect(),
            kwargs: (items(&parts[3]).iter())
                .map(|pair| (text(&pair[0]).into(), value(&pair[1])))
                .collect(),
            more: None,
        })),
        other => panic!("{other}"),
    }
}

fn rules(version: &str) -> Rules {
    let (major, minor) = version.split_once('.').unwrap();
    let version = PytestVersion {
        major: major.parse().unwrap(),
        minor: minor.parse().unwrap(),
    };
    Rules {
        version,
        python: (3, 11),
        disable_id_escaping: false,
        long_strings: if version >= (PytestVersion { major: 9, minor: 2 }) {
            LongStrings::Short
        } else {
            LongStrings::Legacy
        },
        strict_ids: false,
        empty_set: EmptySet::Skip,
        usefixtures: Vec::new(),
        id_hook: None,
    }
}

fn names(json: &Json) -> Arc<[Arc<str>]> {
    items(json)
        .iter()
        .map(|name| Arc::from(text(name)))
        .collect()
}

fn fixtures(holder: &Json) -> LayerBuilder {
    let mut builder = LayerBuilder::new();
    for member in items(&holder["members"]) {
        if member["kind"] == "fixture" {
            let decorator = value(&member["decorators"][0]);
            let line = u32::try_from(member["line"].as_u64().unwrap()).unwrap();
            let signature = FixtureSignature::from_decorator(&decorator, &place(line)).unwrap();
            let attribute = Arc::from(text(&member["name"]));
            builder.fixture(&attribute, signature, Ok(names(&member["argnames"])));
        }
    }
    builder
}

fn xunit(holder: &Json, whole: &[&str], each: &[&str]) -> XunitNames {
    let has = |names: &[&str]| {
        items(&holder["members"])
            .iter()
            .any(|member| member["kind"] == "other" && names.contains(&text(&member["name"])))
    };
    XunitNames {
        whole: has(whole),
        each: has(each),
        skipped: false,
    }
}

fn marks(holder: &Json) -> MarkList {
    let mut list = match &holder["pytestmark"] {
        Json::Null => MarkList::default(),
        value_of => MarkList::from_value(&value(value_of), &place(1)),
    };
    for decorator in holder["decorators"].as_array().into_iter().flatten() {
        list.push(&value(decorator), &place(1));
    }
    list
}

/// A test by its id, or the prefix of a failed collection.
struct Made {
    id: String,
    class: Option<u32>,
    instance: Instance,
}

#[derive(Default)]
struct Collected {
    tests: Vec<Made>,
    failed: Vec<String>,
    /// Functions whose tests are not known.
    unknown: Vec<String>,
}

impl Collected {
    /// The tests of a module or class; nothing where its collection fails.
    fn holder(
        &mut self,
        holder: &Json,
        prefix: &str,
        above: &[&MarkList],
        layers: &[&Layer],
        rules: &Rules,
        class: Option<u32>,
    ) {
        let before = self.tests.len();
        let unknown_before = self.unknown.len();
        let mut classes = 0;
        for member in items(&holder["members"]) {
            let id = format!("{prefix}::{}", text(&member["name"]));
            if member["kind"] == "class" {
                classes += 1;
                let each = ["setup_method", "teardown_method"];
                let xunit = xunit(member, &["setup_class", "teardown_class"], &each);
                let (builder, name) = (fixtures(member), text(&member["name"]));
                let layer = if member["unittest"] == true {
                    builder.test_case(name, xunit, rules)
                } else {
                    builder.class(name, xunit, rules)
                };
                let own = marks(member);
                let mut above = above.to_vec();
                above.insert(0, &own);
                let mut layers = layers.to_vec();
                layers.push(&layer);
                self.holder(member, &id, &above, &layers, rules, Some(classes));
            } else if member["kind"] == "test" {
                let own = marks(&serde_json::json!({"decorators": member["decorators"]}));
                let argnames = names(&member["argnames"]);
                let facts = FunctionFacts {
                    argnames: Ok(&argnames),
                    marks: &own,
                    above,
                    layers,
                    is_unittest: holder["unittest"] == true,
                    is_marked_alone: true,
                    listed: 0,
                    place: place(u32::try_from(member["line"].as_u64().unwrap()).unwrap()),
                };
                match expand(&facts, rules, &Nothing) {
                    Expansion::Tests(tests) => {
                        self.tests.extend(tests.into_iter().map(|instance| Made {
                            id: match &instance.brackets {
                                Some(brackets) => format!("{id}[{brackets}]"),
                                None => id.clone(),
                            },
                            class,
                            instance,
                        }));
                    }
                    Expansion::Unknown(_) => self.unknown.push(id),
                    Expansion::Fails(_) => {
                        self.tests.truncate(before);
                        self.unknown.truncate(unknown_before);
                        self.failed.push(prefix.to_owned());
                        return;
                    }
                }
            }
        }
    }
}

fn plugins(told: &Json, rules: &Rules) -> Layer {
    let fixture = |fixture: &Json| PluginFixture {
        name: text(&fixture[0]).into(),
        scope: Scope::from_name(text(&fixture[1])).unwrap(),
        params: PluginParams::None,
        autouse: fixture[3].as_bool().unwrap(),
        argnames: names(&fixture[2]).to_vec(),
        plugin: "pytest".into(),
    };
    let all: Vec<_> = items(told).iter().map(fixture).collect();
    Layer::plugins(&all, rules)
}

fn collect(suite: &Json, number: u64, plugins: &Layer, rules: &Rules) -> Collected {
    let conftest = fixtures(&suite["conftest"]).conftest();
    let module = &suite["module"];
    let whole = ["setup_module", "teardown_module"];
    let xunit = xunit(module, &whole, &["setup_function", "teardown_function"]);
    let layer = fixtures(module).module(&format!("test_{number}"), xunit, rules);
    let own = marks(module);
    let mut collected = Collected::default();
    collected.holder(
        module,
        &format!("s{number}/test_{number}.py"),
        &[&own],
        &[plugins, &conftest, &layer],
        rules,
        None,
    );
    collected
}

fn made_test(made: &Made) -> Json {
    let instance = &made.instance;
    let scope = |scope: Option<Scope>| scope.map(Scope::name);
    serde_json::json!({
        "id": made.id,
        "fixtures": (instance.fixtures.iter()).map(|f| (&f.name, scope(f.scope))).collect::<Vec<_>>(),
        "params": (instance.params.iter())
            .map(|p| (&p.name, p.scope.name(), p.index)).collect::<Vec<_>>(),
        "markers": (instance.markers.iter())
            .map(|m| (&m.name, &m.args, &m.kwargs)).collect::<Vec<_>>(),
    })
}

/// Takes out the marker arguments that the text does not tell; how many.
fn forget(told: &mut Json, made: &Json) -> usize {
    let mut forgotten = 0;
    let pairs = told["markers"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .zip(items(&made["markers"]));
    for (told, made) in pairs {
        for place in [1, 2] {
            let known = items(&made[place]).to_vec();
            for (told, known) in told[place].as_array_mut().unwrap().iter_mut().zip(known) {
                if known.is_null() {
                    *told = Json::Null;
                    forgotten += 1;
                } else if known.get(1).is_some_and(Json::is_null) {
                    told[1] = Json::Null;
                    forgotten += 1;
                }
            }
        }
    }
    forgotten
}

#[test]
fn suites_are_as_pytest_collects_them() {
    let recorded: Json = serde_json::from_str(include_str!("record/suites.json")).unwrap();
    let (mut known, mut unknown, mut failed, mut wrong, mut forgotten) = (0, 0, 0, 0, 0);
    for suite in items(&recorded["suites"]) {
        let number = suite["number"].as_u64().unwrap();
        let told = items(&suite["told"]).iter();
        for (version, told) in told.flat_map(|told| {
            items(&told[0])
                .iter()
                .map(|version| (text(version), &told[1]))
        }) {
            let rules = rules(version);
            let plugins = plugins(&recorded["plugins"][version], &rules);
            let made = collect(suite, number, &plugins, &rules);
            let is_known = |id: &str| {
                let prefixed = |of: &String| id == *of || id.starts_with(&format!("{of}["));
                !made.unknown.iter().any(prefixed)
            };
            let told_known: Vec<_> = (items(&told["before"]).iter())
                .filter(|test| is_known(text(&test["id"])))
                .collect();
            unknown += made.unknown.len();
            failed += made.failed.len();
            known += told_known.len();
            let mut differences = Vec::new();
            let failures: Vec<&str> = items(&told["errors"]).iter().map(text).collect();
            let inner = |of: &&String| failures.iter().any(|f| f == of);
            if !made.failed.iter().all(|f| inner(&f))
                || (made.unknown.is_empty() && failures.len() != made.failed.len())
            {
                differences.push(format!("fails: {failures:?} != {:?}", made.failed));
            }
            if told_known.len() != made.tests.len() {
                differences.push(format!(
                    "{} != {} tests",
                    told_known.len(),
                    made.tests.len()
                ));
            }
            for (told, made) in told_known.iter().zip(&made.tests) {
                let (mut told, made) = ((*told).clone(), made_test(made));
                forgotten += forget(&mut told, &made);
                if told != made {
                    differences.push(format!("told {told}\n  made {made}"));
                }
            }
            let doubts = |made: &Made| made.instance.doubts.iter().any(|d| d.doubt == Doubt::Order);
            if made.unknown.is_empty() && !made.tests.iter().any(doubts) {
                let params: Vec<_> = (made.tests.iter())
                    .map(|test| TestParams {
                        params: &test.instance.params,
                        folder: 0,
                        file: 0,
                        class: test.class,
                    })
                    .collect();
                let order = reorder(&params, rules.version);
                let order: Vec<&str> = order.iter().map(|&at| made.tests[at].id.as_str()).collect();
                let after: Vec<&str> = items(&told["after"]).iter().map(text).collect();
                if order != after {
                    differences.push(format!("order {after:#?} != {order:#?}"));
                }
            }
            if !differences.is_empty() {
                wrong += 1;
                differences.truncate(3);
                println!(
                    "suite {number}, pytest {version}: {}\n",
                    differences.join("\n")
                );
            }
        }
    }
    println!(
        "{known} tests known, {unknown} functions unknown, {failed} failures, {wrong} suites differ"
    );
    assert_eq!(wrong, 0);
    assert!(known > 1000 && failed > 10, "the suites hold little");
    assert!(unknown < known / 10, "too much is unknown");
    assert!(
        forgotten < known / 5,
        "{forgotten} arguments of markers are not told"
    );
}
