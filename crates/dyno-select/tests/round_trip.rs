//! Properties: parse after print is identity, and no text makes the parser panic.

use dyno_select::{MAX_DEPTH, Problem, parse};
use proptest::prelude::*;

fn argument() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "-?[0-9]{1,25}",
        "-?[٠-٩]{1,3}",
        "True|False|None",
        "'[^'\\\\]{0,6}'",
        "\"[^\"\\\\]{0,6}\"",
    ];
    // The leading `k` keeps clear of Python's keywords.
    ("k[a-zé0-9_]{0,4}", value).prop_map(|(name, value)| format!("{name} ={value}"))
}

fn expression() -> impl Strategy<Value = String> {
    // The leading `x` keeps clear of `and`, `or` and `not`.
    let leaf = prop_oneof![
        "x[\\p{L}\\p{N}_:+.\\[\\]\\\\/-]{0,5}",
        ("x[a-z]{0,3}", argument()).prop_map(|(name, argument)| format!("{name}( {argument})")),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|term| format!("not {term}")),
            inner.clone().prop_map(|term| format!("({term})")),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(|terms| terms.join(" and ")),
            proptest::collection::vec(inner, 2..4).prop_map(|terms| terms.join("\tor ")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_parses_to_the_same_tree(text in expression()) {
        let tree = parse(&text).unwrap();
        let printed = tree.to_string();
        prop_assert_eq!(parse(&printed).unwrap(), tree, "{}", printed);
    }

    #[test]
    fn any_text_is_a_tree_or_an_error_with_a_place(text in "[ab(),='\"\\\\ \t\n$é名ornt1-]{0,24}") {
        match parse(&text) {
            Ok(tree) => prop_assert_eq!(parse(&tree.to_string()).unwrap(), tree),
            Err(error) => {
                let span = error.span();
                prop_assert!(text.get(span).is_some());
                prop_assert!(error.column() <= text.chars().count() + 1);
                prop_assert!(error.render("-m").contains('^'));
            }
        }
    }
}

#[test]
fn printing_keeps_the_parentheses_that_matter_and_no_others() {
    for (text, printed) in [
        ("((a)) and (b or c)", "a and (b or c)"),
        ("(a and b) or c", "a and b or c"),
        ("a and (b and c)", "a and (b and c)"),
        ("not (not a)", "not not a"),
        ("not (a or b)", "not (a or b)"),
        ("m( a=007,b = 'x' )", "m(a=7, b=\"x\")"),
        ("m(a='\"')", "m(a='\"')"),
        (" ", ""),
    ] {
        assert_eq!(parse(text).unwrap().to_string(), printed);
    }
}

#[test]
fn nesting_has_a_limit_and_a_long_chain_has_none() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    let error = parse(&nested(MAX_DEPTH + 1)).unwrap_err();
    assert_eq!(error.problem(), &Problem::TooDeep);
    assert_eq!(error.column(), MAX_DEPTH + 1);
    assert!(parse(&format!("{}a", "not ".repeat(100_000))).is_err());
    let chain = vec!["a"; 100_000].join(" or ");
    assert_eq!(parse(&chain).unwrap().to_string(), chain);
}

#[test]
fn names_come_in_reading_order() {
    let tree = parse("b and (not a or c(x=1)) or a").unwrap();
    let names: Vec<&str> = tree.names().iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["b", "a", "c", "a"]);
}
