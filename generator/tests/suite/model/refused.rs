//! What the model refuses, with what it says.

use ralph_generator::generate;
use ralph_generator::hcl::Error;
use ralph_generator::hcl::prelude::*;
use ralph_generator::text;

use super::{Deep, Inner, Named, Retry, Strict, Thing, ThingRef};

/// The text of all errors.
fn errors(result: Result<String, Vec<Error>>) -> String {
    let errors = result.expect_err("refused");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_wrong_is_an_error_and_nothing_is_printed() {
    let name = errors(built!(|m| {
        m.add(Thing::new("bad name!"));
    }));
    assert!(
        name.starts_with("modules/built/main.tf: `bad name!` is not an identifier\nhint: "),
        "{name}"
    );

    // Only a detour around the typed methods gets this far; the text never reaches a file.
    let raw = errors(built!(|m| {
        let thing = m.add(Thing::new("a"));
        let _ = m.local::<Text>("x", thing.handle().attribute("id) ? file(\"/etc/passwd\""));
    }));
    assert!(raw.contains("is not an identifier"), "{raw}");

    let bound = errors(built!(|m| {
        let list: Expr<_, List<Text>> = ["a"].into();
        let _ = m.local("x", list.map("1st", |item| item));
    }));
    assert!(bound.contains("locals.tf: `1st` is not an identifier"), "{bound}");

    let twice = errors(built!(|m| {
        m.add(Thing::new("a").text("x").text("y"));
    }));
    assert_eq!(twice, "modules/built/main.tf: `test_thing.a: attribute text` is there twice");

    let address = errors(built!(|m| {
        m.add(Thing::new("a"));
        m.add(Thing::new("a"));
    }));
    assert_eq!(address, "modules/built/main.tf: `test_thing.a` is there twice");

    let key = errors(built!(|m| {
        let _ = m.local::<Map<Text>>("x", map([("k", "a".into()), ("k", "b".into())]));
    }));
    assert_eq!(key, "modules/built/locals.tf: `locals: key k` is there twice");

    let lacks = errors(built!(|m| {
        m.add(Strict::new("a"));
    }));
    assert_eq!(lacks, "modules/built/main.tf: `test_strict.a` lacks `name`");
}

#[test]
fn an_open_call_is_an_error() {
    struct Called;
    impl Definition for Called {
        const NAME: &'static str = "called";
        const ABOUT: &'static str = "A test.";
        type Inputs<M> = ();
        type Outputs<M> = ();
        fn build(_: &mut Module<Self>, (): ()) {}
    }
    let text = errors(built!(|m| {
        let _ = m.call::<Called>();
    }));
    assert_eq!(text, "modules/built: the call of module `called` was never given its inputs");
}

#[test]
fn a_reference_that_escaped_its_place_names_the_file_the_address_and_the_nearest_name() {
    let text = errors(built!(|m| {
        let list: Expr<_, List<Text>> = ["a"].into();
        let mut leaked = None;
        let _ = m.local(
            "things",
            list.map("thing", |thing| {
                leaked = Some(thing.clone());
                thing
            }),
        );
        m.add(Thing::new("a").text(leaked.expect("the closure ran")));
    }));
    assert_eq!(
        text,
        "modules/built/main.tf: `test_thing.a` refers to `thing`, which nothing declares"
    );

    let each = errors(built!(|m| {
        let things: Expr<_, Map<Text>> = map([("a", "b".into())]);
        let mut leaked = None;
        m.add_each(&things, |each| {
            leaked = Some(each.value.clone());
            Thing::new("many").text(each.key)
        });
        m.add(Thing::new("one").text(text!["x", leaked.expect("the closure ran")]));
    }));
    assert!(each.contains("`test_thing.one` refers to `each`, which nothing declares"), "{each}");
}

#[test]
fn a_name_that_would_mean_something_else_is_found_out() {
    // `each` of one resource in another that has an `each` of its own.
    let each = errors(built!(|m| {
        let (one, two): (Expr<_, Map<Text>>, Expr<_, Map<Text>>) =
            (map([("a", "b".into())]), map([("c", "d".into())]));
        let mut leaked = None;
        m.add_each(&one, |each| {
            leaked = Some(each.value.clone());
            Thing::new("one").text(each.key)
        });
        m.add_each(&two, |_| Thing::new("two").text(leaked.expect("the closure ran")));
    }));
    assert!(each.contains("`test_thing.two` refers to `each`, which nothing declares"), "{each}");

    // A loop within a loop that takes the same name, and one that takes the name of a reference.
    let again = errors(built!(|m| {
        let list: Expr<_, List<Text>> = ["a"].into();
        let inner = list.clone();
        let both = list.map("x", |outer| inner.map("x", |x| text![&outer, &x]));
        let _ = m.local("both", both);
    }));
    let expected = "modules/built/locals.tf: in `locals`, `x` is bound again between where it is made and where it is used\nhint: give the inner `for` another name";
    assert_eq!(again, expected);
    macro_rules! hidden {
        ($($name:literal),*) => {$({
        let hidden = errors(built!(|m| {
            let list: Expr<_, List<Text>> = ["a"].into();
            let known = m.local("known", Expr::<_, Text>::from("x"));
            let thing = m.add(Thing::new("a"));
            let input: Expr<_, Text> = m.variable("input", "A test.");
            let all = list.map($name, |x| text![&x, &known, &input, thing.id()]);
            let _ = m.local("all", all);
        }));
        let says = concat!("in `locals`, `", $name, "` is bound again");
        assert!(hidden.contains(says), "{hidden}");
        })*};
    }
    hidden!("var", "local", "test_thing");

    // Different names are fine, and so is one name in two loops side by side.
    let fine = built!(|m| {
        let list: Expr<_, List<Text>> = ["a"].into();
        let inner = list.map("y", |y| y);
        let _ = m.local("fine", list.map("x", |x| text![&inner.at(0), &x]));
        let _ = m.local("again", list.map("x", |x| x));
    });
    assert!(fine.unwrap().contains("[for x in [\"a\"] : x]"));
}

#[test]
fn depends_on_and_for_each_are_resolved_too() {
    // A reference from another module can only get here by stealing, which this test does.
    thread_local! {
        static STOLEN: std::cell::RefCell<Option<ThingRef<Thief>>> = const { std::cell::RefCell::new(None) };
    }
    struct Thief;
    impl Definition for Thief {
        const NAME: &'static str = "thief";
        const ABOUT: &'static str = "A test.";
        type Inputs<M> = ();
        type Outputs<M> = ();
        fn build(m: &mut Module<Self>, (): ()) {
            if let Some(stolen) = STOLEN.take() {
                m.add(Thing::new("thing_b"));
                m.add(Thing::new("user").after(&stolen));
                let map: Expr<_, Map<Text>> =
                    stolen.ids().to_map_where(("i", "v"), |_, v| ((v.clone(), v), true.into()));
                m.add_each(&map, |each| Thing::new("each").text(each.key));
            } else {
                STOLEN.set(Some(m.add(Thing::new("thing_a"))));
            }
        }
    }
    assert!(generate::module::<Thief>().is_ok());
    let text = errors(generate::module::<Thief>().map(|_| String::new()));
    let expected = "`test_thing.user` refers to `test_thing.thing_a`, which nothing declares\nhint: did you mean `test_thing.thing_b`?";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("`test_thing.each` refers to `test_thing.thing_a`"), "{text}");
}

#[test]
fn what_a_nested_block_lacks_is_found_and_a_condition_holds_blocks_only() {
    let lacks = errors(built!(|m| {
        m.add(Thing::new("a").deep(Deep::default().strict(Named::default())));
    }));
    assert_eq!(lacks, "modules/built/main.tf: `test_thing.a.deep.strict` lacks `name`");

    let stray = errors(built!(|m| {
        let wanted = m.local("wanted", Expr::<_, Bool>::from(true));
        m.add(Thing::new("a").only_if(&wanted, |thing| thing.text("x").inner(Inner::default())));
    }));
    assert!(
        stray.starts_with("modules/built/main.tf: `test_thing.a` sets `text` under a condition"),
        "{stray}"
    );
}

#[test]
#[should_panic(expected = "NaN is not a number in HCL")]
fn a_value_that_is_not_a_number_is_not_written_as_null() {
    let _ = Expr::<(), Number>::from(f64::NAN);
}

#[test]
fn a_nested_block_leaves_no_optional_number_out() {
    let zero = errors(built!(|m| {
        m.add(Thing::new("a").retry(Retry::default().age(60)));
    }));
    assert_eq!(
        zero,
        "modules/built/main.tf: `test_thing.a.retry` leaves out `attempts`\nhint: version 5 of the provider sends 0 for an optional number that is left out; set it"
    );
}

#[test]
fn a_validation_names_its_own_variable_only() {
    struct Two;
    impl Definition for Two {
        const NAME: &'static str = "two";
        const ABOUT: &'static str = "A test.";
        type Inputs<M> = ();
        type Outputs<M> = ();
        fn build(m: &mut Module<Self>, (): ()) {
            let a: Expr<_, Number> = m.variable("a", "One.");
            let b: Expr<_, Number> = m.variable("b", "Another.");
            m.validate(&a, &a.at_most(&b), "be less than the other", 5);
        }
    }
    let text = errors(generate::module::<Two>().map(|_| String::new()));
    assert_eq!(
        text,
        "modules/two/variables.tf: `variable.a` is validated by `var.b`\nhint: a validation names its own variable only; use a precondition of a resource"
    );
}
