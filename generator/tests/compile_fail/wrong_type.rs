//! An ARN is not a list of subnets.
use ralph_generator::aws::ec2::{Vpc, VpcEndpoint};
use ralph_generator::hcl::Module;

struct Network;

fn wire(network: &mut Module<Network>) {
    let vpc = network.add(Vpc::new("this").cidr_block("10.0.0.0/16"));
    network.add(VpcEndpoint::new("logs").vpc_id(vpc.id()).subnet_ids(vpc.arn()));
}

fn main() {}
