//! A network that exists: the account's default VPC, or one that is given. Read, never changed.

use super::{Inputs, This, Value};
use crate::aws::ec2::{Filter, SubnetsData, VpcData};
use crate::hcl::prelude::*;

/// What is there; nothing in mode create.
pub(super) struct Network {
    /// The VPC.
    pub vpc_id: Value<VpcId>,
    /// Its subnets that tasks use.
    pub subnet_ids: Value<List<SubnetId>>,
    /// Those of them that the VPC has in the zones.
    pub found: Value<List<SubnetId>>,
    /// How many zones have one.
    pub zones: Value<Number>,
    /// What a test gives: the subnets in one zone.
    pub in_zone: Value<List<SubnetId>>,
}

pub(super) fn network(m: &mut This, inputs: &Inputs, create: &Value<Bool>) -> Network {
    m.file("existing.tf");
    let given = &inputs.existing;
    let is_default = inputs.mode.equals("default");
    let vpc = m.add_if(&is_default, VpcData::new("default").default(true));
    let vpc_id = is_default.choose(vpc.first(|vpc| vpc.id()), given.vpc_id.set());
    let vpc_id = m.local("existing_vpc_id", vpc_id);
    let filter =
        |name: &str, values: Value<List<Text>>| Filter::default().name(name).values(values);
    let zones = create.choose::<List<Text>>(Vec::new(), &inputs.availability_zones);
    let in_vpc = func::first_set([Expr::<_, Text>::from(&vpc_id).into(), text!["none"].into()]);
    let subnets = m.add_each(&func::to_set(zones), |each| {
        SubnetsData::new("existing")
            .why("One for each zone, because the ids alone do not say which zones have a subnet.")
            .note("Without an id there is no subnet, and the precondition of the security group says so.")
            .filter(filter("vpc-id", [in_vpc].into()))
            .filter(filter("availability-zone", [each.key].into()))
            .only_if(&is_default.negate(), |subnets| {
                subnets.filter(filter("subnet-id", given.subnet_ids.texts()))
            })
    });
    let by_zone = subnets.values(|subnets| subnets.ids());
    let found = func::flatten(&by_zone);
    let not_empty = by_zone.map_where("ids", |ids| (ids.clone(), func::length(ids).greater(0)));
    let subnet_ids = m.local("existing_subnet_ids", is_default.choose(&found, &given.subnet_ids));
    Network {
        vpc_id,
        subnet_ids,
        zones: func::length(not_empty),
        found,
        in_zone: subnets.at("us-east-1a", |subnets| subnets.ids()),
    }
}
