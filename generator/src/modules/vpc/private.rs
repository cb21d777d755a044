//! Private subnets with NAT: for accounts that allow no public address.

use super::own::Public;
use super::{Vpc, VpcInputs};
use crate::aws::ec2::{Eip, NatGateway, Route, RouteTable, RouteTableAssociation, Subnet};
use crate::hcl::prelude::*;

pub(super) struct Private {
    /// Whether there are any.
    pub(super) there: Expr<Vpc, Bool>,
    /// How many NAT gateways there are.
    pub(super) gateways: Expr<Vpc, Number>,
    pub(super) route_table_ids: Expr<Vpc, List<RouteTableId>>,
    pub(super) subnet_ids: Expr<Vpc, List<SubnetId>>,
}

/// Private ranges begin in the second half of the sixteen, behind the public ones.
const FIRST_RANGE: i32 = 8;

pub(super) fn subnets(m: &mut Module<Vpc>, inputs: &VpcInputs<Vpc>, public: &Public) -> Private {
    m.file("private.tf");
    let (zones, options) = (&inputs.availability_zones, &inputs.options);
    let named =
        |middle: &str, key: &Expr<Vpc, Text>| map([("Name", text![&inputs.name, middle, key])]);
    let there = m.local("private", public.create.and(options.nat.differs("none")));
    let ranges = m.local(
        "private_subnet_ranges",
        zones.to_map_if(
            ("index", "zone"),
            |index, zone| (zone, func::cidr_subnet(&options.cidr, 4, index.plus(FIRST_RANGE))),
            &there,
        ),
    );
    let one = options.nat.equals("single");
    let first = zones.at(0);
    let with_gateway = m.local_because(
        "nat_zones",
        "The zones that have a NAT gateway: the first one, or all.",
        zones.to_map_where(("index", "zone"), |index, zone| {
            ((zone.clone(), zone), there.and(one.negate().or(index.equals(0))))
        }),
    );
    let addresses = m.add_each(&with_gateway, |each| {
        Eip::new("nat").domain("vpc").tags(named("-nat-", &each.key))
    });
    let gateways = m.add_each(&with_gateway, |each| {
        NatGateway::new("this")
            .allocation_id(addresses.at(&each.key, |address| address.allocation_id()))
            .subnet_id(public.subnets.at(&each.key, |subnet| subnet.id()))
            .tags(named("-", &each.key))
            .after(&public.gateway)
    });
    let subnets = m.add_each(&ranges, |each| {
        Subnet::new("private")
            .vpc_id(&public.vpc_id)
            .availability_zone(&each.key)
            .cidr_block(&each.value)
            .map_public_ip_on_launch(false)
            .tags(named("-private-", &each.key))
    });
    let tables = m.add_each(&ranges, |each| {
        RouteTable::new("private").vpc_id(&public.vpc_id).tags(named("-private-", &each.key))
    });
    m.add_each(&ranges, |each| {
        let zone = one.choose::<Text>(&first, &each.key);
        Route::new("nat")
            .route_table_id(tables.at(&each.key, |table| table.id()))
            .destination_cidr_block("0.0.0.0/0")
            .nat_gateway_id(gateways.at(zone, |gateway| gateway.id()))
    });
    m.add_each(&ranges, |each| {
        RouteTableAssociation::new("private")
            .subnet_id(subnets.at(&each.key, |subnet| subnet.id()))
            .route_table_id(tables.at(&each.key, |table| table.id()))
    });
    Private {
        there,
        gateways: gateways.count(),
        route_table_ids: tables.values(|table| table.id()),
        subnet_ids: subnets.values(|subnet| subnet.id()),
    }
}
