//! Macros that turn a resource's description into a typed builder and a typed reference.

/// Declares resource types.
///
/// ```text
/// resource! {
///     /// A queue.
///     Queue("aws_sqs_queue") -> QueueRef {
///         required { name: Text }
///         optional { kms_master_key_id: Opt<Arn> }
///         blocks {}
///         exports { arn: Arn, url: Url }
///     }
/// }
/// ```
/// makes `Queue::new("local_name").name("jobs")`, and what `add` hands out for it has `.arn()` and
/// `.url()`. `Queue::SCHEMA` describes it for the check against the provider's own schema.
#[macro_export]
macro_rules! resource {
    ($($(#[$doc:meta])* $name:ident($type:literal) -> $reference:ident $body:tt)*) => {$(
        $crate::described!("resource", [$(#[$doc])*] $name($type) $body);
        $crate::referred!($name -> $reference $body);
    )*};
}

/// Declares data sources. Same form as [`resource!`](crate::resource).
#[macro_export]
macro_rules! data {
    ($($(#[$doc:meta])* $name:ident($type:literal) -> $reference:ident $body:tt)*) => {$(
        $crate::described!("data", [$(#[$doc])*] $name($type) $body);
        $crate::referred!($name -> $reference $body);
    )*};
}

/// Declares nested blocks. Same form as [`resource!`](crate::resource), without a reference.
#[macro_export]
macro_rules! nested {
    ($($(#[$doc:meta])* $name:ident {
        required $required:tt optional $optional:tt blocks $blocks:tt
    })*) => {$(
        $crate::described!("nested", [$(#[$doc])*] $name("") {
            required $required optional $optional blocks $blocks exports {}
        });
        impl<M> Default for $name<M> {
            fn default() -> Self { Self::new("") }
        }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! described {
    ($kind:literal, [$($doc:tt)*] $name:ident($type:literal) {
        required { $($(#[$rdoc:meta])* $req:ident : $rtype:ty),* $(,)? }
        optional { $($(#[$odoc:meta])* $opt:ident : $otype:ty),* $(,)? }
        blocks { $($block:ident : $btype:ident),* $(,)? }
        exports { $($(#[$edoc:meta])* $export:ident : $etype:ty),* $(,)? }
    }) => {
        $($doc)*
        pub struct $name<M>($crate::hcl::Draft<M>);

        impl $name<()> {
            /// What it takes and gives.
            pub const SCHEMA: &'static $crate::hcl::Schema = &$crate::hcl::Schema {
                kind: $kind,
                name: $type,
                required: &[$((stringify!($req), $crate::hcl::constraint_of::<$rtype>)),*],
                optional: &[$((stringify!($opt), $crate::hcl::constraint_of::<$otype>)),*],
                blocks: &[$((stringify!($block), $btype::<()>::SCHEMA)),*],
                exports: &[$((
                    stringify!($export),
                    $crate::hcl::constraint_of::<$etype>,
                    <$etype as $crate::hcl::types::Type>::mock,
                )),*],
            };
        }

        #[allow(missing_docs, reason = "the provider documents the attributes")]
        impl<M> $name<M> {
            #[must_use]
            pub fn new(name: &str) -> Self {
                Self($crate::hcl::Draft::new($name::<()>::SCHEMA, name))
            }
            $(#[must_use]
            pub fn $req(mut self, value: impl Into<$crate::hcl::Expr<M, $rtype>>) -> Self {
                self.0.set(stringify!($req), value.into());
                self
            })*
            $(#[must_use]
            pub fn $opt(mut self, value: impl Into<$crate::hcl::Expr<M, $otype>>) -> Self {
                self.0.set(stringify!($opt), value.into());
                self
            })*
            $(#[must_use]
            pub fn $block(mut self, block: $btype<M>) -> Self {
                self.0.nest(stringify!($block), block.into_inner());
                self
            })*
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
        required $required:tt optional $optional:tt blocks $blocks:tt
        exports { $($(#[$edoc:meta])* $export:ident : $etype:ty),* $(,)? }
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
            $(#[must_use]
            pub fn $export(&self) -> $crate::hcl::Expr<M, $etype> {
                self.0.attribute(stringify!($export))
            })*
        }
    };
}

/// Declares a module's inputs. One struct serves both sides: inside the module its fields are
/// `var.…`, in the root they are the arguments of the call. The doc comment of a field is the
/// variable's description.
///
/// A second struct holds what a caller may leave out, each with its default; the first one then has
/// it as its field `options`. An `Opt` needs no default: it is null.
///
/// ```text
/// inputs! {
///     /// What the module is told.
///     pub struct JobsInputs {
///         /// Name of the queue.
///         name: Text,
///     }
///     /// What the module may be told.
///     pub struct JobsOptions {
///         /// Days that a job waits.
///         days: Number = 4,
///         /// Key that encrypts the queue; null for AWS's own.
///         kms_key_arn: Opt<Arn>,
///     }
/// }
/// ```
/// A call is `JobsInputs { name, options: JobsOptions { days: 7.into(), ..JobsOptions::default() } }`.
#[macro_export]
macro_rules! inputs {
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(#[doc = $fdoc:literal])+ $field:ident : $type:ty),* $(,)?
    }
    $(#[$odoc:meta])* pub struct $options:ident { $($option:tt)* }) => {
        $(#[$doc])*
        pub struct $name<M> {
            $($(#[doc = $fdoc])+ pub $field: $crate::hcl::Expr<M, $type>,)*
            /// What may be left out.
            pub options: $options<M>,
        }

        $crate::options!([$(#[$odoc])*] $options { $($option)* });

        impl<M> $crate::hcl::InputSet<M> for $name<M> {
            fn declare(module: &mut $crate::hcl::Module<M>) -> Self {
                Self {
                    $($field: module.variable(stringify!($field), concat!($($fdoc),+)),)*
                    options: $crate::hcl::InputSet::declare(module),
                }
            }
            fn arguments(self, call: &mut $crate::hcl::Arguments<M>) {
                $(call.set(stringify!($field), self.$field);)*
                self.options.arguments(call);
            }
        }
    };
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(#[doc = $fdoc:literal])+ $field:ident : $type:ty),* $(,)?
    }) => {
        $(#[$doc])*
        pub struct $name<M> {
            $($(#[doc = $fdoc])+ pub $field: $crate::hcl::Expr<M, $type>,)*
        }

        impl<M> $crate::hcl::InputSet<M> for $name<M> {
            fn declare(module: &mut $crate::hcl::Module<M>) -> Self {
                Self {
                    $($field: module.variable(stringify!($field), concat!($($fdoc),+)),)*
                }
            }
            fn arguments(self, call: &mut $crate::hcl::Arguments<M>) {
                $(call.set(stringify!($field), self.$field);)*
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! options {
    ([$($doc:tt)*] $name:ident {
        $($(#[doc = $fdoc:literal])+ $field:ident : $type:ty $(= $default:expr)?),* $(,)?
    }) => {
        $($doc)*
        pub struct $name<M> {
            $($(#[doc = $fdoc])+ pub $field: $crate::hcl::Expr<M, $type>,)*
        }

        impl<M> Default for $name<M> {
            fn default() -> Self {
                Self { $($field: $crate::hcl::Expr::left_out(),)* }
            }
        }

        impl<M> $crate::hcl::InputSet<M> for $name<M> {
            fn declare(module: &mut $crate::hcl::Module<M>) -> Self {
                Self {
                    $($field: $crate::option!(
                        module, stringify!($field), concat!($($fdoc),+), $type $(, $default)?
                    ),)*
                }
            }
            fn arguments(self, call: &mut $crate::hcl::Arguments<M>) {
                $(call.set(stringify!($field), self.$field);)*
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! option {
    ($module:ident, $name:expr, $about:expr, $type:ty) => {
        $module.variable_or_null::<$type>($name, $about)
    };
    ($module:ident, $name:expr, $about:expr, $type:ty, $default:expr) => {
        $module.variable_or::<$type>(
            $name,
            $about,
            $crate::hcl::Expr::<$crate::hcl::Constant, $type>::from($default),
        )
    };
}

/// Declares what a module tells. One struct serves both sides: the module fills its fields, the
/// root reads them as `module.<name>.<field>`. The doc comment of a field is the description.
#[macro_export]
macro_rules! outputs {
    ($(#[$doc:meta])* pub struct $name:ident {
        $($(#[doc = $fdoc:literal])+ $field:ident : $type:ty),* $(,)?
    }) => {
        $(#[$doc])*
        pub struct $name<M> {
            $($(#[doc = $fdoc])+ pub $field: $crate::hcl::Expr<M, $type>,)*
        }

        impl<M> $crate::hcl::OutputSet<M> for $name<M> {
            fn of_call(call: &$crate::hcl::Handle<M>) -> Self {
                Self { $($field: call.attribute(stringify!($field)),)* }
            }
            fn declare(self, module: &mut $crate::hcl::Module<M>) {
                $(module.output(stringify!($field), concat!($($fdoc),+), self.$field);)*
            }
        }
    };
}
