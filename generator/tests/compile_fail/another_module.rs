//! A reference belongs to the module whose block it names.
use ralph_generator::aws::ec2::{SecurityGroup, Subnet, Vpc};
use ralph_generator::hcl::Module;

struct Network;
struct Tasks;

fn wire(network: &mut Module<Network>, tasks: &mut Module<Tasks>) {
    let vpc = network.add(Vpc::new("this").cidr_block("10.0.0.0/16"));
    network.add(Subnet::new("a").vpc_id(vpc.id()));
    tasks.add(SecurityGroup::new("worker").vpc_id(vpc.id()));
}

fn main() {}
