//! Clusters and task definitions.

use crate::hcl::types::*;
use crate::{nested, resource};

resource! {
    /// A cluster.
    Cluster("aws_ecs_cluster") -> ClusterRef {
        required { name: Text } optional { tags: Map<Text> } blocks { setting: Setting }
        exports { id: Text, arn: Arn, name: Text }
    }
    /// Which capacity a cluster has.
    ClusterCapacityProviders("aws_ecs_cluster_capacity_providers") -> ClusterCapacityProvidersRef {
        required { cluster_name: Text } optional { capacity_providers: List<Text> }
        blocks { default_capacity_provider_strategy: Strategy }
    }
    /// A task definition.
    TaskDefinition("aws_ecs_task_definition") -> TaskDefinitionRef {
        required { family: Text, container_definitions: Json }
        optional {
            requires_compatibilities: List<Text>, network_mode: Text, cpu: Text, memory: Text,
            execution_role_arn: Arn, task_role_arn: Arn, tags: Map<Text>,
        }
        blocks {
            runtime_platform: RuntimePlatform, ephemeral_storage: EphemeralStorage, volume: Volume,
        }
        exports { arn: Arn, arn_without_revision: Arn }
    }
}

nested! {
    /// A cluster setting.
    Setting { required { name: Text, value: Text } }
    /// A share of tasks for a capacity provider.
    Strategy { required { capacity_provider: Text } optional { weight: Number } }
    /// Processor and system.
    RuntimePlatform { optional { operating_system_family: Text, cpu_architecture: Text } }
    /// Scratch space.
    EphemeralStorage { required { size_in_gib: Number } }
    /// A volume of the task.
    Volume { required { name: Text } }
}
