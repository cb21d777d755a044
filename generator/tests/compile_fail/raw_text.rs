//! Text is a literal; there is no way to make an expression of it.
use ralph_generator::hcl::types::Arn;
use ralph_generator::hcl::Expr;

struct Root;

fn main() {
    let _: Expr<Root, Arn> = Expr::new("aws_vpc.this.arn");
    let _: Expr<Root, Arn> = "aws_vpc.this.arn".into();
}
