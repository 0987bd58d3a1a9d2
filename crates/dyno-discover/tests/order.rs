//! Where pytest's `reorder_items` put tests of random parameters (`tests/record/order.json`,
//! recorded by `tests/record/record_order.py`), and what holds of any order.

use dyno_discover::order::{TestParams, reorder};
use dyno_model::{Param, PytestVersion, Scope};
use proptest::prelude::*;
use serde_json::Value as Json;

#[derive(Debug)]
struct Test {
    folder: u32,
    file: u32,
    class: Option<u32>,
    params: Vec<Param>,
}

fn number(json: &Json) -> u32 {
    u32::try_from(json.as_u64().unwrap()).unwrap()
}

fn test(json: &Json, version: PytestVersion) -> Test {
    // 9.2 compares values, what was before it indices.
    let by_value = version >= PytestVersion { major: 9, minor: 2 };
    let param = |param: &Json| Param {
        name: param[0].as_str().unwrap().to_owned(),
        scope: Scope::from_name(param[1].as_str().unwrap()).unwrap(),
        index: number(&param[2]),
        key: param[if by_value { 3 } else { 2 }].to_string(),
    };
    Test {
        folder: number(&json[0]),
        file: number(&json[1]),
        class: (!json[2].is_null()).then(|| number(&json[2])),
        params: json[3].as_array().unwrap().iter().map(param).collect(),
    }
}

fn order(tests: &[Test], version: PytestVersion) -> Vec<usize> {
    let params: Vec<_> = tests
        .iter()
        .map(|test| TestParams {
            params: &test.params,
            folder: test.folder,
            file: test.file,
            class: test.class,
        })
        .collect();
    reorder(&params, version)
}

#[test]
fn tests_come_where_pytest_puts_them() {
    let recorded: Json = serde_json::from_str(include_str!("record/order.json")).unwrap();
    let (mut versions, mut moved) = (0, 0);
    for told in recorded["told"].as_array().unwrap() {
        let mut numbers = told[0]
            .as_str()
            .unwrap()
            .split('.')
            .map(|n| n.parse().unwrap());
        let version = PytestVersion {
            major: numbers.next().unwrap(),
            minor: numbers.next().unwrap(),
        };
        versions += 1;
        let cases = recorded["cases"].as_array().unwrap();
        for (case, told) in cases.iter().zip(told[1].as_array().unwrap()) {
            let tests: Vec<_> = (case.as_array().unwrap().iter())
                .map(|json| test(json, version))
                .collect();
            let told: Vec<usize> = serde_json::from_value(told.clone()).unwrap();
            assert_eq!(order(&tests, version), told, "pytest {version:?}: {case}");
            moved += usize::from(!told.is_sorted());
        }
    }
    assert!(versions >= 6 && moved > 500, "{moved} orders moved");
}

fn any_test() -> impl Strategy<Value = Test> {
    let scope = prop_oneof![
        Just(Scope::Session),
        Just(Scope::Package),
        Just(Scope::Module),
        Just(Scope::Class),
        Just(Scope::Function)
    ];
    let param = ("[a-d]", scope, 0u32..3).prop_map(|(name, scope, index)| Param {
        name,
        scope,
        index,
        key: index.to_string(),
    });
    let params = prop::collection::vec(param, 0..4);
    (0u32..2, 0u32..3, prop::option::of(0u32..2), params).prop_map(
        |(folder, file, class, params)| Test {
            folder,
            file,
            class,
            params,
        },
    )
}

proptest! {
    #[test]
    fn no_test_is_lost(tests in prop::collection::vec(any_test(), 0..40), minor in 0u32..5) {
        let mut order = order(&tests, PytestVersion { major: 8, minor });
        order.sort_unstable();
        prop_assert_eq!(order, (0..tests.len()).collect::<Vec<_>>());
    }

    #[test]
    fn function_scope_moves_nothing(mut tests in prop::collection::vec(any_test(), 0..40)) {
        for param in tests.iter_mut().flat_map(|test| &mut test.params) {
            param.scope = Scope::Function;
        }
        let order = order(&tests, PytestVersion { major: 9, minor: 2 });
        prop_assert!(order.is_sorted());
    }
}
