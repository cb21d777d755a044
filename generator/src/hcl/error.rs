//! What can be wrong with a module before a byte of it is written.

/// A mistake in a module. `place` is the folder or file it is in, below the output folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A required attribute was not set.
    #[error("{place}: `{block}` lacks `{attribute}`")]
    Missing {
        #[doc = "Where."]
        place: String,
        #[doc = "The block's address."]
        block: String,
        #[doc = "The attribute."]
        attribute: String,
    },
    /// An optional number of a nested block was left out, which version 5 of the AWS provider sends as 0
    /// for blocks of its older kind.
    #[error(
        "{place}: `{block}` leaves out `{attribute}`\nhint: version 5 of the provider sends 0 for an optional number that is left out; set it"
    )]
    Zero {
        #[doc = "Where."]
        place: String,
        #[doc = "The block's address."]
        block: String,
        #[doc = "The attribute."]
        attribute: String,
    },
    /// A name is not an identifier.
    #[error(
        "{place}: `{name}` is not an identifier\nhint: letters, digits, `_` and `-`, not starting with a digit"
    )]
    Name {
        #[doc = "Where."]
        place: String,
        #[doc = "The name."]
        name: String,
    },
    /// A call was begun and never given its inputs.
    #[error("{place}: the call of module `{call}` was never given its inputs")]
    OpenCall {
        #[doc = "Where."]
        place: String,
        #[doc = "The module."]
        call: String,
    },
    /// A validation on something that is not a variable.
    #[error("{place}: a validation needs a variable, not `{address}`")]
    NotAVariable {
        #[doc = "Where."]
        place: String,
        #[doc = "What it was given."]
        address: String,
    },
    /// A default, or a value in a test, that is not a literal.
    #[error(
        "{place}: `{name}` is given `{found}`, which is not a literal\nhint: a default and a test's value can name nothing and call nothing"
    )]
    NotConstant {
        #[doc = "Where."]
        place: String,
        #[doc = "The variable."]
        name: String,
        #[doc = "What it was given."]
        found: String,
    },
    /// A validation that names more than its variable.
    #[error(
        "{place}: `{block}` is validated by `{address}`\nhint: a validation names its own variable only; use a precondition of a resource"
    )]
    Elsewhere {
        #[doc = "Where."]
        place: String,
        #[doc = "The variable."]
        block: String,
        #[doc = "What it names."]
        address: String,
    },
    /// A name where another binds the same one, so that it would mean something else.
    #[error(
        "{place}: in `{block}`, `{name}` is bound again between where it is made and where it is used\nhint: give the inner `for` another name"
    )]
    Shadowed {
        #[doc = "Where."]
        place: String,
        #[doc = "The block's address."]
        block: String,
        #[doc = "The name."]
        name: String,
    },
    /// An attribute among blocks that exist under a condition.
    #[error(
        "{place}: `{block}` sets `{attribute}` under a condition that only blocks can have\nhint: set it outside `only_if`, with `choose` if it depends on the condition"
    )]
    Unconditional {
        #[doc = "Where."]
        place: String,
        #[doc = "The block's address."]
        block: String,
        #[doc = "The attribute."]
        attribute: String,
    },
    /// Two blocks with one address, or one attribute twice.
    #[error("{place}: `{name}` is there twice")]
    Twice {
        #[doc = "Where."]
        place: String,
        #[doc = "The address or attribute."]
        name: String,
    },
    /// A reference to nothing.
    #[error("{place}: `{block}` refers to `{address}`, which nothing declares{}", hint(near.as_deref()))]
    Dangling {
        #[doc = "Where."]
        place: String,
        #[doc = "The block that refers."]
        block: String,
        #[doc = "What it refers to."]
        address: String,
        #[doc = "The nearest name there is."]
        near: Option<String>,
    },
}

fn hint(near: Option<&str>) -> String {
    near.map(|near| format!("\nhint: did you mean `{near}`?")).unwrap_or_default()
}
