//! The types of values: markers that an [`Expr`](super::Expr) carries at compile time and that a
//! variable declares in HCL.
//!
//! A type is as narrow as what AWS means by it: a [`SubnetId`] is a string in HCL, but a list of
//! subnets takes nothing else. Every string-like type widens to [`Text`]; nothing narrows.

use std::marker::PhantomData;

use hcl::expr::{Expression, FuncCall, Variable};

use super::expr::Expr;
use super::name::ident;

/// A string type whose values a person may write in the configuration, such as a VPC's id.
pub trait Configurable: Interpolate {}
impl Configurable for VpcId {}
impl Configurable for SubnetId {}

/// A type that HCL values have.
pub trait Type {
    /// The type constraint, as in `type = list(string)`.
    fn constraint() -> Expression;
}

/// A type whose values can stand inside a template.
pub trait Interpolate: Type {}

fn keyword(name: &str) -> Expression {
    Variable::from(ident(name)).into()
}

/// A list of `T`.
pub struct List<T>(PhantomData<T>);
/// A set of `T`: what a list becomes to be iterated by resources.
pub struct Set<T>(PhantomData<T>);
/// A map from string to `T`.
pub struct Map<T>(PhantomData<T>);
/// `T` or null.
pub struct Opt<T>(PhantomData<T>);
/// A value whose shape only its reader knows, such as the input of `jsonencode`.
pub struct Any;
/// A number.
pub struct Number;
/// A boolean.
pub struct Bool;

macro_rules! keyword_types {
    ($($type:ident = $keyword:literal),*) => {$(
        impl Type for $type {
            fn constraint() -> Expression { keyword($keyword) }
        }
    )*};
}
keyword_types!(Number = "number", Bool = "bool", Any = "any");
impl Interpolate for Number {}

macro_rules! collection_types {
    ($($type:ident = $keyword:literal),*) => {$(
        impl<T: Type> Type for $type<T> {
            fn constraint() -> Expression {
                FuncCall::builder(ident($keyword)).arg(T::constraint()).build().into()
            }
        }
    )*};
}
collection_types!(List = "list", Set = "set", Map = "map");

impl<T: Type> Type for Opt<T> {
    fn constraint() -> Expression {
        T::constraint()
    }
}

/// Any string.
pub struct Text;
impl Type for Text {
    fn constraint() -> Expression {
        keyword("string")
    }
}
impl Interpolate for Text {}

macro_rules! string_types {
    ($($(#[$doc:meta])* $type:ident),* $(,)?) => {$(
        $(#[$doc])*
        pub struct $type;
        impl Type for $type {
            fn constraint() -> Expression { keyword("string") }
        }
        impl Interpolate for $type {}
        impl<M> From<Expr<M, $type>> for Expr<M, Text> {
            fn from(expr: Expr<M, $type>) -> Self { Self::from_node(expr.into_node()) }
        }
        impl<M> From<&Expr<M, $type>> for Expr<M, Text> {
            fn from(expr: &Expr<M, $type>) -> Self { Self::from_node(expr.node().clone()) }
        }
    )*};
}
string_types!(
    /// An Amazon resource name.
    Arn,
    /// An ARN to which an API adds its own prefix and suffix: what an integration calls.
    InvokeArn,
    /// JSON as a string.
    Json,
    /// A URL.
    Url,
    /// The id of a VPC.
    VpcId,
    /// The id of a subnet.
    SubnetId,
    /// The id of a security group.
    SecurityGroupId,
    /// The id of a route table.
    RouteTableId,
    /// The id of an internet gateway.
    InternetGatewayId,
    /// The id of a NAT gateway.
    NatGatewayId,
    /// The id of an elastic address.
    AllocationId,
    /// The id of an API.
    ApiId,
    /// The id of an API's integration.
    IntegrationId,
    /// The id of an API's authorizer.
    AuthorizerId,
    /// The id of an API's deployment.
    DeploymentId,
    /// The name of an IAM role.
    RoleName,
    /// The name of a function.
    FunctionName,
);
