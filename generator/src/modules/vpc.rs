//! The network of the tasks: their own VPC, the account's default one, or one that is given.
//!
//! By default no NAT and nothing private: a task has a public address while it runs, accepts no
//! connection and opens only TLS ones. That costs nothing while no task runs.

mod endpoints;
mod flow_logs;
mod own;
mod private;
mod taken;

use crate::aws::ec2::{EgressRule, SecurityGroup, SecurityGroupRef};
use crate::hcl::prelude::*;
use crate::skips;

use super::rules;

/// The module `vpc`.
pub struct Vpc;

/// The modes, as the variable `mode` spells them.
pub const MODES: [&str; 3] = ["create", "default", "existing"];
/// The ways out of a VPC of its own, as the variable `nat` spells them.
pub const NATS: [&str; 3] = ["none", "single", "per-az"];
/// The services that tasks use beside S3, as the variable `interface_endpoints` spells them.
pub const ENDPOINTS: [&str; 4] = ["ecr.api", "ecr.dkr", "logs", "secretsmanager"];

inputs! {
    /// What the module `vpc` is told.
    pub struct VpcInputs {
        /// Availability zones of the subnets, two to six; mode create makes a subnet in each.
        availability_zones: List<Text>,
        /// What names begin with.
        name: Text,
        /// Region of the VPC.
        region: Text,
    }
    /// What the module `vpc` may be told.
    pub struct VpcOptions {
        /// Address range of the VPC in mode create, /16 to /24.
        cidr: Text = "10.20.0.0/16",
        /// Ids of the subnets to use in mode existing, at least two, in different availability zones.
        existing_subnet_ids: List<SubnetId> = empty(),
        /// Whether the subnets of mode existing are private, with a way out of their own: tasks there get no public address.
        existing_subnets_are_private: Bool = false,
        /// Id of the VPC to use in mode existing.
        existing_vpc_id: Opt<VpcId>,
        /// Days that the flow logs keep a line.
        flow_log_retention_in_days: Number = 7,
        /// Whether mode create records which addresses talked to each other; each GB costs what any log costs.
        flow_logs: Bool = false,
        /// Services that mode create reaches without leaving AWS, of ecr.api, ecr.dkr, logs and secretsmanager; each costs about 7 dollars a month in each zone.
        interface_endpoints: List<Text> = empty(),
        /// Key that encrypts the flow logs; null for AWS's own.
        kms_key_arn: Opt<Arn>,
        /// Where the network comes from: create makes one, default takes the account's default VPC, existing takes the one that is named.
        mode: Text = "create",
        /// Way out in mode create: none gives each task a public address while it runs; single and per-az make private subnets and one NAT gateway, or one in each zone, at about 33 dollars a month each.
        nat: Text = "none",
        /// Policy that bounds what the role of the flow logs can ever do; null for none.
        permissions_boundary_arn: Opt<Arn>,
        /// Path of the role of the flow logs.
        role_path: Text = "/",
    }
}

outputs! {
    /// What the module `vpc` tells.
    pub struct VpcOutputs {
        /// Whether a task needs a public address to get out.
        assign_public_ip: Bool,
        /// Subnets for tasks.
        subnet_ids: List<SubnetId>,
        /// Id of the VPC.
        vpc_id: VpcId,
        /// Security group for tasks: nothing in, TLS out.
        worker_security_group_id: SecurityGroupId,
    }
}

impl Published for Vpc {
    fn example() -> VpcInputs<Constant> {
        VpcInputs {
            availability_zones: ["us-east-1a", "us-east-1b"].into(),
            name: "ralph-example".into(),
            region: "us-east-1".into(),
            options: VpcOptions::default(),
        }
    }
}

impl Definition for Vpc {
    const NAME: &'static str = "vpc";
    const ABOUT: &'static str = "The network of the tasks.";
    type Inputs<M> = VpcInputs<M>;
    type Outputs<M> = VpcOutputs<M>;

    fn build(m: &mut Module<Self>, inputs: VpcInputs<Self>) -> VpcOutputs<Self> {
        validations(m, &inputs);
        let options = &inputs.options;
        let own = own::network(m, &inputs);
        let taken = taken::network(m, &inputs, &own.create);
        let vpc_id = own.create.choose(own.vpc.first(|vpc| vpc.id()), &taken.vpc_id);
        let vpc_id = m.local("vpc_id", vpc_id);
        let subnet_ids = func::concat(own.subnet_ids.clone(), &taken.subnet_ids);
        let subnet_ids = m.local("subnet_ids", subnet_ids);

        m.file("security.tf");
        let needs_vpc = options.mode.differs("existing").or(options
            .existing_vpc_id
            .is_set()
            .and(func::length(&options.existing_subnet_ids).at_least(2)));
        let worker = m.add(
            SecurityGroup::new("worker")
                .skip(&skips::GROUP_OF_TASKS)
                .name(text![&inputs.name, "-worker"])
                .description("Tasks: nothing in, TLS out")
                .vpc_id(&vpc_id)
                .tags(map([("Name", text![&inputs.name, "-worker"])]))
                .create_before_destroy()
                .precondition(
                    &needs_vpc,
                    "Mode existing needs existing_vpc_id and at least two existing_subnet_ids, in different availability zones: Spot capacity runs out in one at a time.",
                )
                .precondition(
                    &taken.is_whole,
                    "A subnet of existing_subnet_ids is not in the VPC existing_vpc_id: no task would start in it.",
                )
                .precondition(
                    &own.create.or(func::length(func::distinct(&taken.zones)).at_least(2)),
                    "The VPC has subnets in fewer than two of the availability zones, or they were not named: Spot capacity runs out in one at a time. Name zones that it has subnets in (mode default), subnets in different zones (mode existing), or make a VPC with mode create.",
                ),
        );
        m.add(
            EgressRule::new("worker_tls")
                .why("Git hosts, the model's service and AWS itself have no fixed addresses.")
                .security_group_id(worker.id())
                .description("TLS to anywhere")
                .ip_protocol("tcp")
                .from_port(443)
                .to_port(443)
                .cidr_ipv4("0.0.0.0/0"),
        );
        endpoints::interface(m, &inputs, &own, &worker);
        flow_logs::records(m, &inputs, &own);
        cases(m, &inputs, &own, &taken, &subnet_ids, &worker);
        VpcOutputs {
            assign_public_ip: options
                .mode
                .equals("create")
                .choose(options.nat.equals("none"), options.existing_subnets_are_private.negate()),
            subnet_ids,
            vpc_id,
            worker_security_group_id: worker.id(),
        }
    }
}

fn validations(m: &mut Module<Vpc>, inputs: &VpcInputs<Vpc>) {
    let options = &inputs.options;
    rules::name(m, &inputs.name);
    rules::region(m, &inputs.region);
    let zones = &inputs.availability_zones;
    m.validate(
        zones,
        &func::length(zones).at_least(2),
        "At least two availability zones: Spot capacity runs out in one at a time.",
        ["us-east-1a"],
    );
    let different = func::length(func::distinct(zones)).equals(func::length(zones));
    m.validate(
        zones,
        &different.and(func::length(zones).at_most(6)),
        "At most six availability zones, each named once.",
        ["us-east-1a", "us-east-1a"],
    );
    let range = func::can::<_, Text>(func::cidr_subnet(&options.cidr, 4, 15));
    let size = rules::matches(&options.cidr, "^[0-9.]+/(1[6-9]|2[0-4])$");
    m.validate(
        &options.cidr,
        &range.and(size),
        "The range is IPv4 and from /16 to /24: AWS makes no VPC wider, and a narrower one has no room for the subnets.",
        "10.20.0.0/28",
    );
    let subnets = &options.existing_subnet_ids;
    m.validate(
        subnets,
        &func::all_true(subnets.map("id", |id| rules::matches(id, "^subnet-[0-9a-f]+$"))),
        "A subnet is named by its id, such as subnet-0123456789abcdef0.",
        vec![Expr::from_configuration("vpc-0123456789abcdef0")],
    );
    let vpc = &options.existing_vpc_id;
    m.validate(
        vpc,
        &vpc.is_null().or(rules::matches(vpc.set(), "^vpc-[0-9a-f]+$")),
        "A VPC is named by its id, such as vpc-0123456789abcdef0.",
        Expr::<Constant, VpcId>::from_configuration("main"),
    );
    rules::retention(m, &options.flow_log_retention_in_days);
    rules::some_of(
        m,
        &options.interface_endpoints,
        ENDPOINTS,
        "Tasks use the services ecr.api, ecr.dkr, logs and secretsmanager; S3 has a free endpoint.",
        "s3",
    );
    rules::key(m, &options.kms_key_arn);
    rules::one_of(m, &options.mode, MODES, "The mode is create, default or existing.", "shared");
    rules::one_of(m, &options.nat, NATS, "The way out is none, single or per-az.", "two");
    rules::boundary(m, &options.permissions_boundary_arn);
    rules::role_path(m, &options.role_path);
}

fn cases(
    m: &mut Module<Vpc>,
    inputs: &VpcInputs<Vpc>,
    own: &own::Network,
    taken: &taken::Network,
    subnet_ids: &Expr<Vpc, List<SubnetId>>,
    worker: &SecurityGroupRef<Vpc>,
) {
    let options = &inputs.options;
    let made = own.vpc.count();
    let id = |id: &str| Expr::<Constant, SubnetId>::from_configuration(id);
    let both = || vec![id("subnet-11111111"), id("subnet-22222222")];
    let given = Expr::<Constant, VpcId>::from_configuration("vpc-11111111");
    m.case("creates", "Mode create makes one VPC, a subnet in each zone and nothing that costs.")
        .expect(&made.equals(1), "one VPC")
        .expect(&func::length(subnet_ids).equals(2), "two subnets")
        .expect(&own.gateways.equals(0), "no NAT gateway");
    m.case("takes_what_exists", "Mode existing makes no VPC and uses the one that is named.")
        .with(&options.mode, "existing")
        .with(&options.existing_vpc_id, given.clone())
        .with(&options.existing_subnet_ids, both())
        .knowing(&taken.found, both())
        .expect(&made.equals(0), "no VPC")
        .expect(
            &subnet_ids.at(0).equals(Expr::from_configuration("subnet-11111111")),
            "the subnet",
        );
    m.case("existing_subnets_in_one_zone", "Mode existing refuses subnets of a single zone.")
        .with(&options.mode, "existing")
        .with(&options.existing_vpc_id, given.clone())
        .with(&options.existing_subnet_ids, both())
        .knowing(&taken.found, both())
        .knowing(&taken.zone, "us-east-1a")
        .refused_by(worker);
    m.case("a_subnet_of_another_vpc", "Mode existing refuses a subnet that the VPC does not have.")
        .with(&options.mode, "existing")
        .with(&options.existing_vpc_id, given.clone())
        .with(&options.existing_subnet_ids, both())
        .knowing(&taken.found, vec![id("subnet-11111111")])
        .refused_by(worker);
    m.case("one_existing_subnet_is_too_few", "Mode existing refuses a single subnet.")
        .with(&options.mode, "existing")
        .with(&options.existing_vpc_id, given)
        .with(&options.existing_subnet_ids, vec![id("subnet-11111111")])
        .knowing(&taken.found, vec![id("subnet-11111111")])
        .refused_by(worker);
    m.case("existing_without_a_vpc", "Mode existing requires a VPC.")
        .with(&options.mode, "existing")
        .with(&options.existing_subnet_ids, both())
        .refused_by(worker);
    m.case("one_nat_gateway", "A single NAT gateway serves the private subnets of all zones.")
        .with(&options.nat, "single")
        .expect(&own.gateways.equals(1), "one NAT gateway")
        .expect(&func::length(subnet_ids).equals(2), "two private subnets");
    m.case("a_nat_gateway_each", "Each zone has a NAT gateway of its own.")
        .with(&options.nat, "per-az")
        .expect(&own.gateways.equals(2), "two NAT gateways");
    m.case("endpoints_and_flow_logs", "Interface endpoints and flow logs are made when asked for.")
        .with(&options.interface_endpoints, ["ecr.api", "logs"])
        .with(&options.flow_logs, true);
}
