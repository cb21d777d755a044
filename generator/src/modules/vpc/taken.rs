//! A network that exists: the account's default VPC, or one that is given. Read, never changed.

use super::{Vpc, VpcInputs};
use crate::aws::ec2::{Filter, SubnetData, SubnetsData, VpcData};
use crate::hcl::prelude::*;

/// What is taken; nothing in mode create.
pub(super) struct Network {
    /// The VPC.
    pub vpc_id: Expr<Vpc, VpcId>,
    /// Its subnets that tasks use.
    pub subnet_ids: Expr<Vpc, List<SubnetId>>,
    /// The zone of each of them.
    pub zones: Expr<Vpc, List<Text>>,
    /// Whether all the given subnets are in the given VPC.
    pub is_whole: Expr<Vpc, Bool>,
    /// What tests give: the given subnets that the given VPC has, and the zone of every subnet.
    pub found: Expr<Vpc, List<SubnetId>>,
    pub zone: Expr<Vpc, Text>,
}

pub(super) fn network(
    m: &mut Module<Vpc>,
    inputs: &VpcInputs<Vpc>,
    create: &Expr<Vpc, Bool>,
) -> Network {
    m.file("existing.tf");
    let options = &inputs.options;
    let is_default = m.local("use_default", options.mode.equals("default"));
    let vpc = m.add_if(&is_default, VpcData::new("default").default(true));
    let default_id = vpc.first(|vpc| vpc.id());
    let in_vpc = |id: Expr<Vpc, VpcId>| Filter::default().name("vpc-id").values([Expr::from(&id)]);
    let in_zones = Filter::default().name("availability-zone").values(&inputs.availability_zones);
    let subnets = SubnetsData::new("default").filter(in_vpc(default_id.clone())).filter(in_zones);
    let subnets = m.add_if(&is_default, subnets);

    let given = &options.existing_subnet_ids;
    let is_given = m.local(
        "use_existing",
        options.mode.equals("existing").and(options.existing_vpc_id.is_set()),
    );
    let named = Filter::default().name("subnet-id").values(given.texts());
    let whole = SubnetsData::new("existing").filter(in_vpc(options.existing_vpc_id.set()));
    let whole = m.add_if(&is_given, whole.filter(named));
    let found = func::flatten(whole.all(|subnets| subnets.ids()));

    let subnet_ids = func::concat(func::flatten(subnets.all(|subnets| subnets.ids())), given);
    // By number: the ids need not be known yet when the subnets are made in the same apply.
    let taken = m.local(
        "taken_subnets",
        subnet_ids.to_map_if(
            ("index", "id"),
            |index, id| (func::to_string(&index), id),
            &create.negate(),
        ),
    );
    let each = m.add_each(&taken, |each| SubnetData::new("taken").id(each.value));
    Network {
        vpc_id: is_default.choose::<VpcId>(default_id, options.existing_vpc_id.set()),
        is_whole: is_given.negate().or(func::length(&found).equals(func::length(given))),
        subnet_ids,
        zones: each.values(|subnet| subnet.availability_zone()),
        found: whole.first(|subnets| subnets.ids()),
        zone: each.at("0", |subnet| subnet.availability_zone()),
    }
}
