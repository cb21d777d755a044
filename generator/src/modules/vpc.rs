//! The network of the tasks: their own VPC, the account's default one, or one that is given.
//!
//! By default no NAT and nothing private: a task has a public address while it runs, accepts no
//! connection and opens only TLS ones. That costs nothing while no task runs.

mod endpoints;
mod existing;
mod flow_logs;
mod own;

use super::{Roles, rules};
use crate::aws::ec2::{EgressRule, SecurityGroup, SecurityGroupRef};
use crate::hcl::prelude::*;
use crate::skips;

/// The module `vpc`.
pub struct Vpc;

type This = Module<Vpc>;
type Inputs = VpcInputs<Vpc>;
type Value<T> = Expr<Vpc, T>;

/// The modes, as the variable `mode` spells them.
pub const MODES: [&str; 3] = ["create", "default", "existing"];
/// The ways out of a VPC of its own, as the variable `nat` spells them.
pub const NATS: [&str; 3] = ["none", "single", "per-az"];
/// The services that tasks use beside S3, as the variable `interface_endpoints` spells them.
pub const ENDPOINTS: [&str; 4] = ["ecr.api", "ecr.dkr", "logs", "secretsmanager"];

fields! {
    /// The inputs of the module `vpc`.
    pub struct VpcInputs {
        /// Availability zones that tasks run in, two to six; mode create makes a subnet in each.
        availability_zones: List<Text>,
        /// Address range of the VPC in mode create, /16 to /24.
        cidr: Text = "10.20.0.0/16",
        /// The network that mode existing uses.
        existing: Existing<()>,
        /// VPC flow logs, in mode create.
        flow_logs: FlowLogs<()>,
        /// Services that get an interface endpoint in mode create: any of ecr.api, ecr.dkr, logs and secretsmanager. Each costs about 7 dollars a month in each zone.
        interface_endpoints: List<Text> = empty(),
        /// ARN of the KMS key that encrypts the flow logs; null for AWS's own. Its policy must let CloudWatch Logs use it.
        kms_key_arn: Opt<Arn>,
        /// Which VPC the tasks use: create makes one, default takes the account's default VPC, existing takes the VPC of the input existing.
        mode: Text = "create",
        /// Prefix of the resources' names.
        name: Text,
        /// NAT gateways in mode create: none gives each task a public IP address while it runs; single and per-az make private subnets with one NAT gateway, or one in each zone, at about 33 dollars a month each.
        nat: Text = "none",
        /// Region of the VPC.
        region: Text,
        /// Path and permissions boundary of the flow logs' IAM role.
        roles: Roles<()>,
    }
    /// A network that exists.
    pub struct Existing {
        /// Whether the subnets are private, with a NAT gateway or another way out: tasks there get no public IP address.
        private: Bool = false,
        /// Ids of the subnets, at least two, in different availability zones.
        subnet_ids: List<SubnetId> = empty(),
        /// Id of the VPC.
        vpc_id: Opt<VpcId>,
    }
    /// Flow logs.
    pub struct FlowLogs {
        /// Whether there are any; each GB costs what any log costs.
        enabled: Bool = false,
        /// Days that they keep a line.
        retention_in_days: Number = 7,
    }
}

fields! {
    /// The outputs of the module `vpc`.
    pub struct VpcOutputs {
        /// Whether each task must get a public IP address.
        assign_public_ip: Bool,
        /// Ids of the subnets for tasks.
        subnet_ids: List<SubnetId>,
        /// Id of the VPC.
        vpc_id: VpcId,
        /// Id of the security group for tasks: nothing in, TLS out.
        worker_security_group_id: SecurityGroupId,
    }
}

impl Published for Vpc {
    fn example() -> VpcInputs<Constant> {
        VpcInputs {
            availability_zones: ["us-east-1a", "us-east-1b"].into(),
            name: "ralph-example".into(),
            region: "us-east-1".into(),
            ..VpcInputs::default()
        }
    }
}

impl Definition for Vpc {
    const NAME: &'static str = "vpc";
    const ABOUT: &'static str =
        "Makes or takes the network of the tasks, and makes their security group.";
    type Inputs<M> = VpcInputs<M>;
    type Outputs<M> = VpcOutputs<M>;

    fn build(m: &mut Module<Self>, inputs: VpcInputs<Self>) -> VpcOutputs<Self> {
        validations(m, &inputs);
        let own = own::network(m, &inputs);
        let existing = existing::network(m, &inputs, &own.create);
        let vpc_id = own.create.choose(own.vpc.first(|vpc| vpc.id()), &existing.vpc_id);
        let vpc_id = m.local("vpc_id", vpc_id);
        let subnet_ids =
            m.local("subnet_ids", own.create.choose(&own.subnet_ids, &existing.subnet_ids));

        m.file("security.tf");
        let given = &inputs.existing;
        let is_given = given.vpc_id.is_set().and(func::length(&given.subnet_ids).at_least(2));
        let worker = m.add(
            SecurityGroup::new("worker")
                .skip(&[&skips::GROUP_OF_TASKS])
                .name(text![&inputs.name, "-worker"])
                .description("Tasks: nothing in, TLS out")
                .vpc_id(&vpc_id)
                .tags(map([("Name", text![&inputs.name, "-worker"])]))
                .create_before_destroy()
                .precondition(
                    &inputs.mode.differs("existing").or(is_given),
                    "Mode existing requires existing.vpc_id and at least two existing.subnet_ids, in different availability zones: Spot capacity runs out in one zone at a time.",
                )
                .precondition(
                    &inputs.mode.differs("existing").or(func::length(&existing.found).equals(func::length(&given.subnet_ids))),
                    "Each of existing.subnet_ids must be in the VPC existing.vpc_id and in one of availability_zones: no task would start in another.",
                )
                .precondition(
                    &own.create.or(existing.zones.at_least(2)),
                    "The VPC must have subnets in at least two of availability_zones: Spot capacity runs out in one zone at a time. Name zones that it has subnets in, or make a VPC with mode create.",
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
        cases(m, &inputs, &own, &existing, &subnet_ids, &worker);
        VpcOutputs {
            assign_public_ip: own.create.choose(inputs.nat.equals("none"), given.private.negate()),
            subnet_ids,
            vpc_id,
            worker_security_group_id: worker.id(),
        }
    }
}

fn validations(m: &mut This, inputs: &Inputs) {
    let zones = &inputs.availability_zones;
    let count = func::length(zones);
    let different = func::length(func::distinct(zones)).equals(&count);
    m.validate(
        zones,
        &count.at_least(2).and(count.at_most(6)).and(different),
        "name two to six different zones: Spot capacity runs out in one zone at a time",
        ["us-east-1a", "us-east-1a"],
    );
    let range = func::can::<_, Text>(func::cidr_subnet(&inputs.cidr, 4, 15));
    let size = rules::matches(&inputs.cidr, "^[0-9.]+/(1[6-9]|2[0-4])$");
    m.validate(
        &inputs.cidr,
        &range.and(size),
        "be an IPv4 range from /16 to /24, such as 10.20.0.0/16: AWS makes no larger VPC, and a smaller one has no room for the subnets",
        "10.20.0.0/28",
    );
    let subnets = &inputs.existing.subnet_ids;
    m.validate(
        subnets,
        &func::all_true(subnets.map("id", |id| rules::matches(id, "^subnet-[0-9a-f]+$"))),
        "be ids of subnets, such as subnet-0123456789abcdef0",
        vec![Expr::from_configuration("vpc-0123456789abcdef0")],
    );
    rules::optional_form(
        m,
        &inputs.existing.vpc_id,
        "^vpc-[0-9a-f]+$",
        "be the id of a VPC, such as vpc-0123456789abcdef0, or null",
        Expr::<Constant, VpcId>::from_configuration("main"),
    );
    rules::retention(m, &inputs.flow_logs.retention_in_days);
    m.validate(
        &inputs.interface_endpoints,
        &rules::are_of(&inputs.interface_endpoints, ENDPOINTS),
        "be any of ecr.api, ecr.dkr, logs and secretsmanager; S3 has a gateway endpoint anyway, which is free",
        ["s3"],
    );
    rules::key(m, &inputs.kms_key_arn);
    rules::one_of(m, &inputs.mode, MODES, "shared");
    rules::name(m, &inputs.name);
    rules::one_of(m, &inputs.nat, NATS, "two");
    rules::region(m, &inputs.region);
    rules::roles(m, &inputs.roles);
}

fn cases(
    m: &mut This,
    inputs: &Inputs,
    own: &own::Network,
    existing: &existing::Network,
    subnet_ids: &Value<List<SubnetId>>,
    worker: &SecurityGroupRef<Vpc>,
) {
    let made = own.vpc.count();
    let id = |id: &str| Expr::<Constant, SubnetId>::from_configuration(id);
    let both = || vec![id("subnet-11111111"), id("subnet-22222222")];
    let given = Expr::<Constant, VpcId>::from_configuration("vpc-11111111");
    m.case("creates", "Mode create makes one VPC, a subnet in each zone and nothing that costs.")
        .expect(&made.equals(1), "one VPC")
        .expect(&func::length(subnet_ids).equals(2), "two subnets")
        .expect(&own.gateways.equals(0), "no NAT gateway");
    m.case("takes_what_exists", "Mode existing makes no VPC and uses the one that is named.")
        .with(&inputs.mode, "existing")
        .with(&inputs.existing.vpc_id, given.clone())
        .with(&inputs.existing.subnet_ids, both())
        .knowing(&existing.in_zone, vec![id("subnet-11111111")])
        .expect(&made.equals(0), "no VPC")
        .expect(
            &subnet_ids.at(0).equals(Expr::from_configuration("subnet-11111111")),
            "the subnet",
        );
    m.case(
        "subnets_elsewhere",
        "Mode existing refuses subnets of another VPC or outside of the zones.",
    )
    .with(&inputs.mode, "existing")
    .with(&inputs.existing.vpc_id, given.clone())
    .with(&inputs.existing.subnet_ids, both())
    .knowing(&existing.in_zone, vec![])
    .refused_by(worker);
    m.case("one_existing_subnet_is_too_few", "Mode existing refuses a single subnet.")
        .with(&inputs.mode, "existing")
        .with(&inputs.existing.vpc_id, given)
        .with(&inputs.existing.subnet_ids, vec![id("subnet-11111111")])
        .refused_by(worker);
    m.case("existing_without_a_vpc", "Mode existing requires a VPC.")
        .with(&inputs.mode, "existing")
        .with(&inputs.existing.subnet_ids, both())
        .refused_by(worker);
    m.case("default_vpc", "Mode default makes no VPC and uses the account's own.")
        .with(&inputs.mode, "default")
        .knowing(&existing.in_zone, vec![id("subnet-11111111")])
        .expect(&made.equals(0), "no VPC")
        .expect(&func::length(subnet_ids).equals(2), "a subnet in each zone");
    m.case("default_vpc_elsewhere", "Mode default refuses zones where the VPC has no subnet.")
        .with(&inputs.mode, "default")
        .knowing(&existing.in_zone, vec![])
        .refused_by(worker);
    m.case("one_nat_gateway", "A single NAT gateway serves the private subnets of all zones.")
        .with(&inputs.nat, "single")
        .expect(&own.gateways.equals(1), "one NAT gateway")
        .expect(&func::length(subnet_ids).equals(2), "two private subnets");
    m.case("a_nat_gateway_each", "Each zone has a NAT gateway of its own.")
        .with(&inputs.nat, "per-az")
        .expect(&own.gateways.equals(2), "two NAT gateways");
    m.case("endpoints_and_flow_logs", "Interface endpoints and flow logs are made when asked for.")
        .with(&inputs.interface_endpoints, ["ecr.api", "logs"])
        .with(&inputs.flow_logs.enabled, true);
}
