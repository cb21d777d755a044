//! Our bytes are what `terraform fmt` would write, without asking it.

use ralph_generator::hcl::prelude::*;
use ralph_generator::{generate, nested, resource};

use crate::random::{self, Dice};
use crate::support::{good, project, terraform, write};

const BODIES: usize = 3000;

resource! {
    /// A resource with attributes of many lengths.
    Thing("test_thing") -> ThingRef {
        required {}
        optional {
            a: Any, bb: Any, name: Any, number: Any, a_longer_name: Any, tags: Any,
            the_longest_name_of_all: Any, policy: Any, enabled: Any, list: Any,
        }
        blocks { inner: Inner, deep: Deep }
        exports { id: Any, names: List<Text>, by_key: Map<Text> }
    }
}

nested! {
    /// Blocks within blocks.
    Deep {
        required {}
        optional { x: Any }
        blocks { inner: Inner }
    }
    /// A block, possibly empty.
    Inner {
        required {}
        optional { x: Any, long_one: Any }
        blocks {}
    }
}

/// A reason that is too long for a line and stands on one.
static SKIP: Skip = Skip {
    id: "CKV_AWS_0",
    reason: "a reason that is longer than any line of a comment would be, because checkov reads no second line of it",
};

struct Random;

/// A variable with a random default, and validations.
fn variable(m: &mut Module<Random>, dice: &mut Dice, name: &str) {
    let about = random::text::<Random>(dice, 0).1.to_string();
    if dice.roll(2) == 0 {
        let text = m.variable_or::<Text>(name, &about, random::text(dice, 0).0);
        for _ in 0..dice.roll(3) {
            let (holds, message) =
                (text.differs(random::text(dice, 0).0), random::text::<()>(dice, 0).1);
            m.validate(&text, &holds, message.as_str().unwrap(), random::text(dice, 0).0);
        }
    } else {
        let items: Vec<Expr<Constant, Text>> =
            (0..dice.roll(9)).map(|_| random::text(dice, 0).0).collect();
        let _ = m.variable_or::<List<Text>>(name, &about, items.into());
    }
}

fn value(dice: &mut Dice, earlier: &[ThingRef<Random>]) -> Expr<Random, Any> {
    match dice.roll(8) {
        0 if !earlier.is_empty() => dice.pick(earlier).id(),
        1 if !earlier.is_empty() => dice.pick(earlier).names().at(0).any(),
        2 if !earlier.is_empty() => {
            let names = dice.pick(earlier).names();
            names.map("n", |n| object([("name", n.any()), ("long_key", 1.into())])).any()
        }
        _ => random::any(dice, 3).0,
    }
}

fn body(dice: &mut Dice, name: &str, earlier: &[ThingRef<Random>]) -> Thing<Random> {
    let mut thing = Thing::new(name);
    let mut left: Vec<usize> = (0..10).collect();
    for _ in 0..dice.roll(9) {
        let v = value(dice, earlier);
        if dice.roll(5) == 0 {
            thing = thing.note("why the next line is as it is");
        }
        thing = match left.remove(dice.roll(left.len())) {
            0 => thing.a(v),
            1 => thing.bb(v),
            2 => thing.name(v),
            3 => thing.number(v),
            4 => thing.a_longer_name(v),
            5 => thing.tags(v),
            6 => thing.the_longest_name_of_all(v),
            7 => thing.policy(v),
            8 => thing.enabled(v),
            _ => thing.list(v),
        };
    }
    for _ in 0..dice.roll(3) {
        let mut inner = Inner::default();
        if dice.roll(3) > 0 {
            inner = inner.x(value(dice, earlier)).long_one(value(dice, earlier));
        }
        thing = match dice.roll(2) {
            0 => thing.inner(inner),
            _ => thing.deep(Deep::default().inner(inner).x(value(dice, earlier))),
        };
    }
    if dice.roll(3) == 0 {
        thing = thing.why("A comment that is long enough to be broken over two lines, because it goes on and on. https://example.com/a/link/that/never/breaks");
    }
    if dice.roll(4) == 0 {
        thing = thing.skip(&[&SKIP]);
    }
    if dice.roll(4) == 0 {
        let (condition, x) = (random::boolean(dice, 1).0, value(dice, earlier));
        thing = thing.only_if(&condition, |thing| thing.inner(Inner::default().x(x)));
    }
    if let (0, Some(other)) = (dice.roll(4), earlier.last()) {
        thing = thing.after(other);
    }
    if dice.roll(4) == 0 {
        thing = thing.create_before_destroy();
    }
    if dice.roll(6) == 0 {
        thing = thing.precondition(&random::boolean(dice, 2).0, random::text(dice, 1).0);
    }
    thing
}

impl Definition for Random {
    const NAME: &'static str = "random";
    const ABOUT: &'static str = "Random bodies.";
    type Inputs<M> = ();
    type Outputs<M> = ();

    fn build(m: &mut Module<Self>, (): ()) {
        let mut dice = Dice(7);
        let mut earlier: Vec<ThingRef<Self>> = Vec::new();
        for i in 0..BODIES {
            m.file(&format!("body_{i:04}.tf"));
            let name = format!("thing_{i}");
            match dice.roll(6) {
                0 => {
                    let condition = random::boolean(&mut dice, 2).0;
                    let thing = body(&mut dice, &name, &earlier);
                    let maybe = m.add_if(&condition, thing);
                    let _ = m.local(&format!("all_{i}"), maybe.all(|thing| thing.id()));
                }
                1 => {
                    let map = random::map_of_text(&mut dice, 2, 1).0;
                    let each = m.add_each(&map, |each| {
                        body(&mut dice, &name, &earlier).inner(Inner::default().x(each.key.any()))
                    });
                    let _ = m.local(&format!("all_{i}"), each.by_key(|thing| thing.names()));
                }
                2 if dice.roll(2) == 0 => variable(m, &mut dice, &name),
                2 => {
                    m.check(&name, &random::boolean(&mut dice, 3).0, random::text(&mut dice, 2).0);
                }
                3 => {
                    let _ = m.local_because(&name, "Why.", value(&mut dice, &earlier));
                    m.output(&name, "An output.", value(&mut dice, &earlier));
                }
                _ => {
                    let thing = body(&mut dice, &name, &earlier);
                    earlier.push(m.add(thing));
                }
            }
        }
    }
}

#[test]
fn three_thousand_random_bodies_are_as_fmt_would_write_them() {
    let files = match generate::module::<Random>() {
        Ok(files) => files,
        Err(errors) => panic!("{}", errors[0]),
    };
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &files);
    assert!(files.len() > BODIES / 2);
    let diff =
        terraform(folder.path()).args(["fmt", "-check", "-recursive", "-diff"]).output().unwrap();
    let text =
        String::from_utf8_lossy(&diff.stdout).into_owned() + &String::from_utf8_lossy(&diff.stderr);
    let text: String = text.lines().take(60).collect::<Vec<_>>().join("\n");
    assert!(diff.status.success(), "{text}");
}

#[test]
fn the_projects_tree_is_as_fmt_would_write_it() {
    let folder = project().join("terraform");
    good(&terraform(&folder).args(["fmt", "-check", "-recursive"]).output().unwrap());
}
