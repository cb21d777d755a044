//! Mode create: a VPC with a public subnet in each zone, and private ones where there is NAT.

use super::{Inputs, This, Value, Vpc};
use crate::aws::ec2::{
    self, DefaultSecurityGroup, Eip, InternetGateway, NatGateway, Route, RouteTable,
    RouteTableAssociation, Subnet, VpcEndpoint, VpcRef,
};
use crate::hcl::Maybe;
use crate::hcl::prelude::*;
use crate::skips;

/// Private ranges begin in the second half of the sixteen, behind the public ones.
const FIRST_PRIVATE: i32 = 8;

/// What mode create makes; nothing in the other modes.
pub(super) struct Network {
    /// Whether it is made.
    pub(super) create: Value<Bool>,
    pub(super) vpc: Maybe<Vpc, VpcRef<Vpc>>,
    /// How many NAT gateways there are.
    pub(super) gateways: Value<Number>,
    pub(super) subnet_ids: Value<List<SubnetId>>,
}

pub(super) fn network(m: &mut This, inputs: &Inputs) -> Network {
    let named = |suffix: &str| map([("Name", text![&inputs.name, suffix])]);
    let create = m.local("create", inputs.mode.equals("create"));
    let vpc = m.add_if(
        &create,
        ec2::Vpc::new("this")
            .skip(&[&skips::FLOW_LOGS])
            .cidr_block(&inputs.cidr)
            .enable_dns_support(true)
            .enable_dns_hostnames(true)
            .tags(named("")),
    );
    let vpc_id = vpc.first(|vpc| vpc.id());
    m.add_if(
        &create,
        DefaultSecurityGroup::new("this")
            .why("Adopting the default security group without rules empties it: what is started without a group of its own reaches nothing.")
            .vpc_id(&vpc_id)
            .tags(named("-default-unused")),
    );
    let gateway = m.add_if(&create, InternetGateway::new("this").vpc_id(&vpc_id).tags(named("")));
    let table = m.add_if(&create, RouteTable::new("public").vpc_id(&vpc_id).tags(named("-public")));
    let table_id = table.first(|table| table.id());
    m.add_if(
        &create,
        Route::new("internet")
            .route_table_id(&table_id)
            .destination_cidr_block("0.0.0.0/0")
            .gateway_id(gateway.first(|gateway| gateway.id())),
    );
    let ranges = |first: i32, on: &Value<Bool>| {
        inputs.availability_zones.to_map_where(("index", "zone"), |index, zone| {
            let number = if first == 0 { index } else { index.plus(first) };
            ((zone, func::cidr_subnet(&inputs.cidr, 4, number)), on.clone())
        })
    };
    let public_ranges = m.local_because(
        "public_ranges",
        "A sixteenth of the VPC's range for each subnet.",
        ranges(0, &create),
    );
    let public = m.add_each(&public_ranges, |each| {
        Subnet::new("public")
            .why("A task asks for its public IP address itself. Whatever else is started here gets none.")
            .vpc_id(&vpc_id)
            .availability_zone(&each.key)
            .cidr_block(&each.value)
            .map_public_ip_on_launch(false)
            .tags(map([("Name", text![&inputs.name, "-public-", &each.key])]))
    });
    m.add_each(&public_ranges, |each| {
        RouteTableAssociation::new("public")
            .subnet_id(public.at(&each.key, |subnet| subnet.id()))
            .route_table_id(&table_id)
    });

    m.file("private.tf");
    let named_by =
        |middle: &str, key: &Value<Text>| map([("Name", text![&inputs.name, middle, key])]);
    let has_private = m.local("private", create.and(inputs.nat.differs("none")));
    let private_ranges = m.local("private_ranges", ranges(FIRST_PRIVATE, &has_private));
    let zones = &inputs.availability_zones;
    let one = inputs.nat.equals("single");
    let first = zones.at(0);
    let with_gateway = m.local_because(
        "nat_zones",
        "The zones that have a NAT gateway: none, the first one, or all.",
        has_private.negate().choose::<List<Text>>(Vec::new(), one.choose([first.clone()], zones)),
    );
    let with_gateway = func::to_set(with_gateway);
    let addresses = m.add_each(&with_gateway, |each| {
        Eip::new("nat").domain("vpc").tags(named_by("-nat-", &each.key))
    });
    let gateways = m.add_each(&with_gateway, |each| {
        NatGateway::new("this")
            .allocation_id(addresses.at(&each.key, |address| address.allocation_id()))
            .subnet_id(public.at(&each.key, |subnet| subnet.id()))
            .tags(named_by("-", &each.key))
            .after(&gateway)
    });
    let private = m.add_each(&private_ranges, |each| {
        Subnet::new("private")
            .vpc_id(&vpc_id)
            .availability_zone(&each.key)
            .cidr_block(&each.value)
            .map_public_ip_on_launch(false)
            .tags(named_by("-private-", &each.key))
    });
    let tables = m.add_each(&private_ranges, |each| {
        RouteTable::new("private").vpc_id(&vpc_id).tags(named_by("-private-", &each.key))
    });
    m.add_each(&private_ranges, |each| {
        let zone = one.choose::<Text>(&first, &each.key);
        Route::new("nat")
            .route_table_id(tables.at(&each.key, |table| table.id()))
            .destination_cidr_block("0.0.0.0/0")
            .nat_gateway_id(gateways.at(zone, |gateway| gateway.id()))
    });
    m.add_each(&private_ranges, |each| {
        RouteTableAssociation::new("private")
            .subnet_id(private.at(&each.key, |subnet| subnet.id()))
            .route_table_id(tables.at(&each.key, |table| table.id()))
    });

    m.file("endpoints.tf");
    let services = create.choose::<List<Text>>(["dynamodb", "s3"], Vec::new());
    let tables = func::concat(vec![table_id], tables.values(|table| table.id()));
    m.add_each(&func::to_set(services), |each| {
        VpcEndpoint::new("gateway")
            .why("Gateway endpoints are free, and image layers (S3) then cost no transfer.")
            .vpc_id(&vpc_id)
            .service_name(text!["com.amazonaws.", &inputs.region, ".", &each.key])
            .vpc_endpoint_type("Gateway")
            .route_table_ids(tables)
            .tags(named_by("-", &each.key))
    });
    let (private, public) =
        (private.values(|subnet| subnet.id()), public.values(|subnet| subnet.id()));
    let subnet_ids = m.local("created_subnet_ids", has_private.choose(private, public));
    Network { create, vpc, gateways: gateways.count(), subnet_ids }
}
