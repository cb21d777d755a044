//! A reference without a block.
use ralph_generator::aws::ec2::VpcRef;
use ralph_generator::hcl::Handle;

struct Root;

fn main() {
    let handle = Handle::<Root> { node: "aws_vpc.this", mark: std::marker::PhantomData };
    let _ = VpcRef(handle);
}
