//! The model, fact by fact: what it prints, and what it refuses to.

use ralph_generator::generate;
use ralph_generator::hcl::prelude::*;
use ralph_generator::{nested, resource, text};

resource! {
    /// A resource.
    Thing("test_thing") -> ThingRef {
        optional { a: Any, text: Text, long_name: Any, number: Number }
        blocks { inner: Inner, deep: Deep, retry: Retry }
        exports { id: Text, arn: Arn, ids: List<Text> }
    }
    /// A resource that needs a name.
    Strict("test_strict") -> StrictRef {
        required { name: Text }
        exports { id: Text }
    }
}
nested! {
    /// A block with numbers.
    Retry {
        optional { age: Number, attempts: Number }
    }
    /// A block within a block.
    Deep {
        blocks { strict: Named }
    }
    /// A block that needs a name.
    Named {
        required { name: Text }
    }
    /// A block.
    Inner {
        optional { x: Any }
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
    assert_eq!(printed!(n().plus(n().times(3))), "1 + 1 * 3");
    assert_eq!(printed!(t().and(false).negate()), "!(true && false)");
    assert_eq!(printed!(n().plus(-2)), "1 + -2");
    assert_eq!(printed!(n().modulo(n().times(3))), "1 % (1 * 3)");
    assert_eq!(printed!(n().modulo(3).times(2)), "1 % 3 * 2");
    assert_eq!(printed!(t().or(t().and(false))), "true || true && false");
    assert_eq!(printed!(t().or(false).and(t())), "(true || false) && true");
    assert_eq!(printed!(t().and(t().and(false))), "true && true && false");
    assert_eq!(printed!(t().equals(t().equals(false))), "true == (true == false)");
    assert_eq!(printed!(n().at_least(1).and(n().at_most(2))), "1 >= 1 && 1 <= 2");
    assert_eq!(printed!(n().equals(2).negate()), "1 != 2");
    assert_eq!(
        printed!(t().choose::<Number>(t().choose::<Number>(1, 2), 3)),
        "true ? true ? 1 : 2 : 3"
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
    let expected = "resource \"test_thing\" \"a\" {\n  text      = <<-EOT1\n    one \"quoted\"\n      two $${x}\n    EOT\n  EOT1\n  number    = 1\n  a         = [\"two\\nlines\\n\"]\n  long_name = jsonencode(\"two\\nlines\\n\")\n}\n";
    assert_eq!(text.unwrap(), expected);
}

#[test]
fn shapes_that_fmt_would_change_are_not_printed() {
    let text = built!(|m| {
        let map: Expr<_, Map<Text>> =
            map([("a", "b".into()), ("x:y", "c".into()), ("null", "d".into())]);
        let _ = m.local("title", map.map_values(("k", "v"), func::title));
        let _ = m.local("minus", map.map_values(("k", "v"), |_| Expr::<_, Number>::from(-20)));
        m.add(
            Thing::new("a")
                .why("Why it is here.")
                .note("Why so.")
                .a(map.any())
                .inner(Inner::default()),
        );
    });
    let expected = r#"locals {
  title = { for k, v in { a = "b", "x:y" = "c", "null" = "d" } : k => title(v) }
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

#[test]
fn what_other_emitters_get_wrong() {
    let text = built!(|m| {
        let x = m.local("x", Expr::<_, Text>::from("y"));
        m.add(
            Thing::new("a")
                .text(text![&x])
                .long_name(tuple([
                    "scalar".into(),
                    object([("k", 1.into()), ("l", 2.into())]),
                    tuple([]),
                ]))
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
      l = 2
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
fn lists_read_as_a_person_would_break_them() {
    let pair = printed!(tuple(["a".into(), object([("stat", "Sum".into())])]));
    assert_eq!(pair, r#"["a", { stat = "Sum" }]"#);
    let text =
        printed!((1..40).map(|day| Expr::from(day * 100)).collect::<Expr<_, List<Number>>>());
    assert!(text.lines().count() < 8 && text.contains("\n    100, 200, 300,"), "{text}");
}

mod refused;
