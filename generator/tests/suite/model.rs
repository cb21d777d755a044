//! The model, fact by fact: what it prints, and what it refuses to.

use ralph_generator::generate;
use ralph_generator::hcl::Error;
use ralph_generator::hcl::prelude::*;
use ralph_generator::{nested, resource, text};

resource! {
    /// A resource.
    Thing("test_thing") -> ThingRef {
        required {}
        optional { a: Any, text: Text, long_name: Any, number: Number }
        blocks { inner: Inner, deep: Deep }
        exports { id: Text, arn: Arn, ids: List<Text> }
    }
    /// A resource that needs a name.
    Strict("test_strict") -> StrictRef {
        required { name: Text }
        optional {}
        blocks {}
        exports { id: Text }
    }
}
nested! {
    /// A block within a block.
    Deep {
        required {}
        optional {}
        blocks { strict: Named }
    }
    /// A block that needs a name.
    Named {
        required { name: Text }
        optional {}
        blocks {}
    }
    /// A block.
    Inner {
        required {}
        optional { x: Any }
        blocks {}
    }
}

/// A module of these blocks: its files but versions.tf without their headers, or its errors.
macro_rules! built {
    (|$m:ident| $body:block) => {{
        struct Built;
        impl Definition for Built {
            const NAME: &'static str = "built";
            const ABOUT: &'static str = "A test.";
            type Inputs<M> = ();
            type Outputs<M> = ();
            fn build($m: &mut Module<Self>, (): ()) $body
        }
        generate::module::<Built>().map(|files| {
            let files = files.into_iter().filter(|(path, _)| !path.ends_with("versions.tf"));
            let body = |text: String| text.splitn(4, '\n').nth(3).unwrap_or_default().to_owned();
            files.map(|(_, text)| body(text)).collect::<Vec<String>>().join("---\n")
        })
    }};
}

/// What `local.x = …` prints as.
macro_rules! printed {
    ($value:expr) => {{
        let text = built!(|m| {
            let value = $value;
            let _ = m.local("x", value);
        });
        let text = text.unwrap();
        text.trim_start_matches("locals {\n  x = ").trim_end_matches("\n}\n").to_owned()
    }};
}

#[test]
fn nested_operations_keep_their_meaning() {
    fn n<M>() -> Expr<M, Number> {
        1.into()
    }
    fn t<M>() -> Expr<M, Bool> {
        true.into()
    }
    fn list<M>() -> Expr<M, List<Text>> {
        ["a", "b"].into()
    }
    assert_eq!(printed!(n().plus(2).times(3)), "(1 + 2) * 3");
    assert_eq!(printed!(n().plus(n().times(3))), "1 + (1 * 3)");
    assert_eq!(printed!(t().and(false).negate()), "!(true && false)");
    assert_eq!(printed!(n().minus(-2)), "1 - (-2)");
    assert_eq!(printed!(n().negative().negative()), "-(-1)");
    assert_eq!(
        printed!(t().choose::<Number>(t().choose::<Number>(1, 2), 3)),
        "true ? (true ? 1 : 2) : 3"
    );
    assert_eq!(
        printed!(t().choose::<List<Text>>(list(), list()).at(0)),
        r#"(true ? ["a", "b"] : ["a", "b"])[0]"#
    );
}

#[test]
fn literals_mean_themselves() {
    macro_rules! facts {
        ($($literal:literal => $quoted:literal,)*) => {
            $(assert_eq!(printed!(text![$literal]), $quoted);)*
        };
    }
    facts! {
        "${a}" => r#""$${a}""#,
        "%{if x}" => r#""%%{if x}""#,
        "$${a}" => r#""${"$"}$${a}""#,
        "%%{a}" => r#""${"%"}%%{a}""#,
        "100% of $5" => r#""100% of $5""#,
        "say \"hi\" \\ bye" => r#""say \"hi\" \\ bye""#,
        "a\tb\r\u{7}" => r#""a\tb\r\u0007""#,
    }
}

#[test]
fn templates_are_as_plain_as_they_can_be() {
    let text = built!(|m| {
        let x = m.local("x", Expr::<_, Text>::from("y"));
        let _ = m.local("alone", text![&x]);
        let _ = m.local("inside", text!["a-", text![&x, "-b"], "-c"]);
        let _ = m.local("price", text!["$", &x]);
        let _ = m.local("number", text![Expr::<_, Number>::from(-5), "!"]);
    });
    let expected = r#"locals {
  x      = "y"
  alone  = local.x
  inside = "a-${local.x}-b-c"
  price  = "${"$"}${local.x}"
  number = "${(-5)}!"
}
"#;
    assert_eq!(text.unwrap(), expected);
}

#[test]
fn a_heredoc_stands_only_where_it_is_legal() {
    let text = built!(|m| {
        m.add(
            Thing::new("a")
                .text("one \"quoted\"\n  two ${x}\nEOT\n")
                .number(1)
                .a(tuple(["two\nlines\n".into()]))
                .long_name(func::json_encode("two\nlines\n").any()),
        );
    });
    let expected = "resource \"test_thing\" \"a\" {\n  text      = <<EOT1\none \"quoted\"\n  two $${x}\nEOT\nEOT1\n  number    = 1\n  a         = [\"two\\nlines\\n\"]\n  long_name = jsonencode(\"two\\nlines\\n\")\n}\n";
    assert_eq!(text.unwrap(), expected);
}

#[test]
fn shapes_that_fmt_would_change_are_not_printed() {
    let text = built!(|m| {
        let map: Expr<_, Map<Text>> =
            map([("a", "b".into()), ("x:y", "c".into()), ("null", "d".into())]);
        let _ = m.local("upper", map.to_map(("k", "v"), |k, v| (k, func::upper(v))));
        let _ = m.local("minus", map.to_map(("k", "v"), |k, _| (k, Expr::<_, Number>::from(-20))));
        m.add(
            Thing::new("a")
                .why("Why it is here.")
                .note("Why so.")
                .a(map.any())
                .inner(Inner::default()),
        );
    });
    let expected = r#"locals {
  upper = { for k, v in { a = "b", "x:y" = "c", "null" = "d" } : k => upper(v) }
  minus = { for k, v in { a = "b", "x:y" = "c", "null" = "d" } : k => (-20) }
}
---
# Why it is here.
resource "test_thing" "a" {
  # Why so.
  a = {
    a      = "b"
    "x:y"  = "c"
    "null" = "d"
  }

  inner {}
}
"#;
    assert_eq!(text.unwrap(), expected);
}

#[test]
fn a_block_under_a_condition_is_dynamic() {
    let text = built!(|m| {
        let on = m.local("on", Expr::from(true));
        m.add(Thing::new("a").only_if(&on, |thing| thing.inner(Inner::default().x("y"))));
    });
    let expected = r#"locals {
  on = true
}
---
resource "test_thing" "a" {
  dynamic "inner" {
    for_each = local.on ? [1] : []

    content {
      x = "y"
    }
  }
}
"#;
    assert_eq!(text.unwrap(), expected);
}

/// The text of all errors.
fn errors(result: Result<String, Vec<Error>>) -> String {
    let errors = result.expect_err("refused");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_other_emitters_get_wrong() {
    let text = built!(|m| {
        let x = m.local("x", Expr::<_, Text>::from("y"));
        m.add(
            Thing::new("a")
                .text(text![&x])
                .long_name(tuple(["scalar".into(), object([("k", 1.into())]), tuple([])]))
                .number(1)
                .a(object::<_, &str>([]))
                .deep(Deep::default()),
        );
    });
    // In turn: no needless `"${…}"`, a list that holds an object never on one line, the column of
    // `=` broken by what opens more than it closes, `{}`, a quoted label, an empty block.
    let expected = r#"locals {
  x = "y"
}
---
resource "test_thing" "a" {
  text = local.x
  long_name = [
    "scalar",
    {
      k = 1
    },
    [],
  ]
  number = 1
  a      = {}

  deep {}
}
"#;
    assert_eq!(text.unwrap(), expected);
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
    assert_eq!(twice, "modules/built/main.tf: `test_thing.a.text` is there twice");

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
    assert!(
        each.contains("`test_thing.one` refers to `each.value`, which nothing declares"),
        "{each}"
    );
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
                    stolen.ids().to_map(("i", "v"), |_, v| (v.clone(), v));
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
#[should_panic(expected = "NaN is no number in HCL")]
fn what_is_no_number_is_not_written_as_null() {
    let _ = Expr::<(), Number>::from(f64::NAN);
}

#[test]
fn a_worked_out_key_stands_in_parentheses() {
    let text = built!(|m| {
        let k = m.local("k", Expr::<_, Text>::from("x"));
        let _ = m
            .local("one", keyed([(k.clone(), Expr::<_, Number>::from(1)), ("b".into(), 2.into())]));
        let _ = m.local("two", keyed([(text![&k, "-y"], Expr::<_, Number>::from(1))]));
    });
    let expected = "  one = {\n    (local.k) = 1\n    b         = 2\n  }\n  two = {\n    (\"${local.k}-y\") = 1\n  }\n";
    assert!(text.unwrap().contains(expected));

    let twice = errors(built!(|m| {
        let k = m.local("k", Expr::<_, Text>::from("x"));
        let _ = m.local("x", keyed([(k.clone(), Expr::<_, Number>::from(1)), (k, 2.into())]));
    }));
    assert_eq!(twice, "modules/built/locals.tf: `locals: key (local.k)` is there twice");

    let object = errors(built!(|m| {
        let inner: Expr<_, Map<Text>> = map([("a", "b".into())]);
        let _ = m.local("x", keyed([(inner.get("a"), Expr::<_, Number>::from(1))]));
    }));
    assert!(object.contains("which holds an object\nhint: give the key a name"), "{object}");
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
            m.validate(&a, &a.less(&b), "Less than the other.", 5);
        }
    }
    let text = errors(generate::module::<Two>().map(|_| String::new()));
    assert_eq!(
        text,
        "modules/two/variables.tf: `variable.a` is validated by `var.b`\nhint: a validation names its own variable only; use a precondition of a resource"
    );
}
