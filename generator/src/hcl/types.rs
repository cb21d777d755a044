//! The types of values: markers that an expression carries at compile time and that a
//! variable declares in HCL.
//!
//! A type is as narrow as what AWS means by it: a [`SubnetId`] is a string in HCL, but a list of
//! subnets takes nothing else. Every string-like type widens to [`Text`]; nothing narrows.

use std::marker::PhantomData;

use hcl::expr::{Expression, FuncCall, Variable};

use super::node::ident;

/// A type constraint of Terraform's.
pub type Constraint = Expression;

/// A string type whose values a person may write in the configuration, such as a VPC's id.
pub trait Configurable: Interpolate {}
impl Configurable for VpcId {}
impl Configurable for SubnetId {}
impl Configurable for SecurityGroupId {}

/// A type that HCL values have.
pub trait Type {
    /// Whether null is a value.
    const NULLABLE: bool = false;

    /// The type constraint, as in `type = list(string)`.
    fn constraint() -> Constraint;

    /// What a test gives for a value that only AWS knows; `None` where any text will do. The
    /// provider checks the form of ARNs and ids even when it is mocked.
    #[must_use]
    fn mock() -> Option<Expression> {
        None
    }
}

/// A type that has a value of nothing.
pub trait Collection: Type {
    #[doc(hidden)]
    fn empty() -> Expression;
}

/// A type whose values can stand inside a template.
pub trait Interpolate: Type {}

/// A string type that widens to [`Text`].
pub trait Textual: Interpolate {}

/// A collection that a resource can be made for each entry of.
pub trait Iterable: Type {
    /// What `each.value` is.
    type Item;
}
impl<T: Type> Iterable for Map<T> {
    type Item = T;
}
impl Iterable for Set<Text> {
    type Item = Text;
}

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
/// A statement of a policy.
pub struct PolicyStatement;
/// A number.
pub struct Number;
/// A boolean.
pub struct Bool;

macro_rules! keyword_types {
    ($($type:ident = $keyword:literal),*) => {$(
        impl Type for $type {
            fn constraint() -> Constraint { keyword($keyword) }
        }
    )*};
}
keyword_types!(Number = "number", Bool = "bool", Any = "any", PolicyStatement = "any");
impl Interpolate for Number {}

macro_rules! collection_types {
    ($($type:ident = $keyword:literal),*) => {$(
        impl<T: Type> Type for $type<T> {
            fn constraint() -> Constraint {
                FuncCall::builder(ident($keyword)).arg(T::constraint()).build().into()
            }
            fn mock() -> Option<Expression> {
                let array = |item| Expression::Array(vec![item]);
                if $keyword == "map" { None } else { T::mock().map(array) }
            }
        }
    )*};
}
collection_types!(List = "list", Set = "set", Map = "map");

impl<T: Type> Collection for List<T> {
    fn empty() -> Expression {
        Expression::Array(Vec::new())
    }
}
impl<T: Type> Collection for Map<T> {
    fn empty() -> Expression {
        Expression::Object(hcl::expr::Object::default())
    }
}

impl<T: Type> Type for Opt<T> {
    const NULLABLE: bool = true;
    fn constraint() -> Constraint {
        T::constraint()
    }
    fn mock() -> Option<Expression> {
        T::mock()
    }
}

/// Any string.
pub struct Text;
impl Type for Text {
    fn constraint() -> Constraint {
        keyword("string")
    }
}
impl Interpolate for Text {}

macro_rules! string_types {
    ($($(#[$doc:meta])* $type:ident $(= $mock:literal)?),* $(,)?) => {$(
        $(#[$doc])*
        pub struct $type;
        impl Type for $type {
            fn constraint() -> Constraint { keyword("string") }
            $(fn mock() -> Option<Expression> { Some(Expression::from($mock)) })?
        }
        impl Interpolate for $type {}
        impl Textual for $type {}
    )*};
}
string_types!(
    /// An Amazon resource name.
    Arn = "arn:aws:mock:us-east-1:123456789012:mock/mock",
    /// An ARN to which an API adds its own prefix and suffix: what an integration calls.
    InvokeArn = "arn:aws:mock:us-east-1:123456789012:mock/invoke",
    /// JSON as a string.
    Json = "{}",
    /// A URL.
    Url = "https://mock.example.com",
    /// The id of a VPC.
    VpcId = "vpc-0123456789abcdef0",
    /// The id of a subnet.
    SubnetId = "subnet-0123456789abcdef0",
    /// The id of a security group.
    SecurityGroupId = "sg-0123456789abcdef0",
    /// The id of a route table.
    RouteTableId = "rtb-0123456789abcdef0",
    /// The id of an internet gateway.
    InternetGatewayId = "igw-0123456789abcdef0",
    /// The id of a NAT gateway.
    NatGatewayId = "nat-0123456789abcdef0",
    /// The id of an elastic address.
    AllocationId = "eipalloc-0123456789abcdef0",
    /// The id of an API.
    ApiId,
    /// The id of an API's integration.
    IntegrationId,
    /// The id of an API's authorizer.
    AuthorizerId,
    /// The id of an API's deployment.
    DeploymentId,
    /// A partition of AWS, the second part of every ARN there.
    PartitionName = "aws",
    /// The name of an IAM role.
    RoleName,
    /// The name of a function.
    FunctionName,
    /// The name of an event rule.
    RuleName,
);
