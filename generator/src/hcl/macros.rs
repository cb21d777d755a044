//! Macros that turn a resource's description into a typed builder and a typed reference.

/// Declares resource types. What a type does not have is left out.
///
/// `Queue("aws_sqs_queue") -> QueueRef { … }`
/// makes `Queue::new("local_name").name("jobs")`, and what `add` hands out for it has `.arn()` and
/// `.url()`. `Queue::SCHEMA` describes it for the check against the provider's own schema.
#[macro_export]
macro_rules! resource {
    ($($(#[$doc:meta])* $name:ident($type:literal) -> $reference:ident $body:tt)*) => {
        $(
            $crate::described!("resource", [$(#[$doc])*] $name($type) $body);
            $crate::referred!($name -> $reference $body);
        )*
        /// All of these.
        pub static RESOURCES: &[&$crate::hcl::Schema] = &[$($name::<()>::SCHEMA),*];
    };
}

/// Declares data sources. Same form as [`resource!`](crate::resource).
#[macro_export]
macro_rules! data {
    ($($(#[$doc:meta])* $name:ident($type:literal) -> $reference:ident $body:tt)*) => {
        $(
            $crate::described!("data", [$(#[$doc])*] $name($type) $body);
            $crate::referred!($name -> $reference $body);
        )*
        /// All of these.
        pub static DATA_SOURCES: &[&$crate::hcl::Schema] = &[$($name::<()>::SCHEMA),*];
    };
}

/// Declares nested blocks. Same form as [`resource!`](crate::resource), without a reference.
#[macro_export]
macro_rules! nested {
    ($($(#[$doc:meta])* $name:ident $body:tt)*) => {$(
        $crate::described!("nested", [$(#[$doc])*] $name("") $body);
        impl<M> Default for $name<M> {
            fn default() -> Self { Self::new("") }
        }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! described {
    ($kind:literal, [$($doc:tt)*] $name:ident($type:literal) {
        $(required { $($req:ident : $rtype:ty),* $(,)? })?
        $(optional { $($opt:ident : $otype:ty),* $(,)? })?
        $(blocks { $($block:ident : $btype:ident),* $(,)? })?
        $(exports { $($export:ident : $etype:ty),* $(,)? })?
    }) => {
        $($doc)*
        pub struct $name<M>($crate::hcl::Draft<M>);

        impl $name<()> {
            /// What it takes and gives.
            pub const SCHEMA: &'static $crate::hcl::Schema = &$crate::hcl::Schema {
                kind: $kind,
                name: $type,
                required: &[$($((stringify!($req), $crate::hcl::constraint_of::<$rtype>)),*)?],
                optional: &[$($((stringify!($opt), $crate::hcl::constraint_of::<$otype>)),*)?],
                blocks: &[$($((stringify!($block), $btype::<()>::SCHEMA)),*)?],
                exports: &[$($((
                    stringify!($export),
                    $crate::hcl::constraint_of::<$etype>,
                    <$etype as $crate::hcl::types::Type>::mock,
                )),*)?],
            };
        }

        #[allow(missing_docs, reason = "the provider documents the attributes")]
        impl<M> $name<M> {
            #[must_use]
            pub fn new(name: &str) -> Self {
                Self($crate::hcl::Draft::new($name::<()>::SCHEMA, name))
            }
            $($(#[must_use]
            pub fn $req(mut self, value: impl Into<$crate::hcl::Expr<M, $rtype>>) -> Self {
                self.0.set(stringify!($req), value.into());
                self
            })*)?
            $($(#[must_use]
            pub fn $opt(mut self, value: impl Into<$crate::hcl::Expr<M, $otype>>) -> Self {
                self.0.set(stringify!($opt), value.into());
                self
            })*)?
            $($(#[must_use]
            pub fn $block(mut self, block: $btype<M>) -> Self {
                self.0.nest(stringify!($block), block.into_inner());
                self
            })*)?
            #[doc(hidden)]
            #[must_use]
            pub fn into_inner(self) -> $crate::hcl::Draft<M> {
                self.0
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! referred {
    ($name:ident -> $reference:ident {
        $(required $required:tt)? $(optional $optional:tt)? $(blocks $blocks:tt)?
        $(exports { $($export:ident : $etype:ty),* $(,)? })?
    }) => {
        impl<M> $crate::hcl::Resource<M> for $name<M> {
            type Ref = $reference<M>;
            fn draft(&mut self) -> &mut $crate::hcl::Draft<M> { &mut self.0 }
            fn into_draft(self) -> $crate::hcl::Draft<M> { self.0 }
        }

        #[doc = concat!("What names the exports of [`", stringify!($name), "`].")]
        pub struct $reference<M>($crate::hcl::Handle<M>);

        impl<M> $crate::hcl::Reference<M> for $reference<M> {
            fn from_handle(handle: $crate::hcl::Handle<M>) -> Self { Self(handle) }
            fn handle(&self) -> &$crate::hcl::Handle<M> { &self.0 }
        }

        #[allow(missing_docs, reason = "the provider documents the attributes")]
        impl<M> $reference<M> {
            $($(#[must_use]
            pub fn $export(&self) -> $crate::hcl::Expr<M, $etype> {
                self.0.attribute(stringify!($export))
            })*)?
        }
    };
}

/// Declares a module's inputs, or its outputs. One struct serves both sides: an input is `var.…` inside
/// the module and an argument of the call; an output is a value inside the module and `module.<name>.…`
/// in the root. The doc comment of a field is the description. An input that names a default may be
/// left to it, and an `Opt` defaults to null; a call writes no argument that is the default.
///
/// A field whose type is another such struct is one object in HCL. In `..Default::default()`, an input
/// that has no default is missing: the call that it comes to is refused.
#[macro_export]
macro_rules! fields {
    ($($(#[$doc:meta])* $vis:vis struct $name:ident {
        $($(#[doc = $about:literal])+ $field:ident : $type:ty $(= $value:expr)?),* $(,)?
    })*) => {$(
        $(#[$doc])*
        $vis struct $name<M> {
            $($(#[doc = $about])+
            pub $field: <$type as $crate::hcl::FieldType>::Value<M>,)*
        }

        impl<M> $crate::hcl::Fields<M> for $name<M> {
            fn fields() -> Vec<$crate::hcl::Field> {
                vec![$($crate::hcl::Field::new::<$type>(
                    stringify!($field), concat!($($about),+), $crate::default!($type $(, $value)?),
                )),*]
            }
            fn from_each(
                field: impl Fn(&str) -> $crate::hcl::Expr<M, $crate::hcl::types::Any>,
            ) -> Self {
                Self { $($field: <$type as $crate::hcl::FieldType>::read(
                    field(stringify!($field)),
                ),)* }
            }
            fn into_each(self) -> Vec<(String, $crate::hcl::Expr<M, $crate::hcl::types::Any>)> {
                let values = [$(<$type as $crate::hcl::FieldType>::write(self.$field)),*];
                let fields = <Self as $crate::hcl::Fields<M>>::fields();
                fields.iter().zip(values).filter_map(|(field, value)| field.given(value)).collect()
            }
        }

        impl $crate::hcl::FieldType for $name<()> {
            type Value<M> = $name<M>;
            fn constraint() -> $crate::hcl::types::Constraint {
                $crate::hcl::Field::object(&Self::fields())
            }
            fn fields() -> Vec<$crate::hcl::Field> {
                <Self as $crate::hcl::Fields<()>>::fields()
            }
            fn read<M>(expr: $crate::hcl::Expr<M, $crate::hcl::types::Any>) -> $name<M> {
                $crate::hcl::Fields::from_each(|name| expr.field(name))
            }
            fn write<M>(value: $name<M>) -> $crate::hcl::Expr<M, $crate::hcl::types::Any> {
                $crate::hcl::object($crate::hcl::Fields::into_each(value))
            }
            fn initial<M>(_: &$crate::hcl::Field) -> $name<M> {
                $name::default()
            }
        }

        impl<M> Default for $name<M> {
            fn default() -> Self {
                let fields = <Self as $crate::hcl::Fields<M>>::fields();
                let mut fields = fields.iter();
                Self { $($field: <$type as $crate::hcl::FieldType>::initial(
                    fields.next().expect(stringify!($field)),
                ),)* }
            }
        }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! default {
    ($type:ty) => {
        None
    };
    ($type:ty, $value:expr) => {
        Some($crate::hcl::Expr::<$crate::hcl::Constant, $type>::from($value).any())
    };
}
