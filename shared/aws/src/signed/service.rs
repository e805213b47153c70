//! The services that are called, and how each wants to be spoken to.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// How a service is spoken to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    /// One JSON document in, one out; the action stands in a header.
    Json {
        /// `1.0` or `1.1`.
        version: &'static str,
        /// What stands before the action.
        target: &'static str,
    },
    /// Form parameters in, XML out.
    Query {
        /// The API's date.
        version: &'static str,
    },
    /// Paths and methods.
    Rest,
}

/// One AWS service.
#[derive(Debug)]
pub(crate) struct Service {
    /// What people call it; names the retry budget too.
    pub(crate) name: &'static str,
    /// Its prefix in permissions: `ecs` in `ecs:UpdateService`.
    pub(crate) permission_prefix: &'static str,
    /// The SDK's id, upper-cased with underscores: the `X` in `AWS_ENDPOINT_URL_X`.
    id: &'static str,
    /// First label of its host name.
    host: &'static str,
    /// The name that goes into the signature.
    pub(crate) signing_name: &'static str,
    /// How it is spoken to.
    pub(crate) protocol: Protocol,
    /// Set for services that are the same everywhere.
    pub(crate) fixed_region: Option<&'static str>,
    /// S3 signs in its own way.
    pub(crate) is_object_store: bool,
}

const fn json(
    name: &'static str,
    id: &'static str,
    host: &'static str,
    signing_name: &'static str,
    version: &'static str,
    target: &'static str,
) -> Service {
    Service {
        name,
        permission_prefix: signing_name,
        id,
        host,
        signing_name,
        protocol: Protocol::Json { version, target },
        fixed_region: None,
        is_object_store: false,
    }
}

const fn plain(name: &'static str) -> Service {
    Service {
        name,
        permission_prefix: "",
        id: "",
        host: "",
        signing_name: "",
        protocol: Protocol::Rest,
        fixed_region: None,
        is_object_store: false,
    }
}

/// Services, tasks.
pub(crate) static ECS: Service = json("ECS", "ECS", "ecs", "ecs", "1.1", "AmazonEC2ContainerServiceV20141113");
/// Limits between which services are scaled.
pub(crate) static SCALING: Service = json(
    "Application Auto Scaling",
    "APPLICATION_AUTO_SCALING",
    "application-autoscaling",
    "application-autoscaling",
    "1.1",
    "AnyScaleFrontendService",
);
/// Log groups and Logs Insights.
pub(crate) static LOGS: Service = json("CloudWatch Logs", "CLOUDWATCH_LOGS", "logs", "logs", "1.1", "Logs_20140328");
/// Queues.
pub(crate) static SQS: Service = json("SQS", "SQS", "sqs", "sqs", "1.0", "AmazonSQS");
/// Tables.
pub(crate) static DYNAMODB: Service = json("DynamoDB", "DYNAMODB", "dynamodb", "dynamodb", "1.0", "DynamoDB_20120810");
/// Models and endpoints.
pub(crate) static SAGEMAKER: Service = json("SageMaker", "SAGEMAKER", "api.sagemaker", "sagemaker", "1.1", "SageMaker");
/// Alarms. It speaks JSON beside its older forms.
pub(crate) static CLOUDWATCH: Service = Service {
    permission_prefix: "cloudwatch",
    ..json("CloudWatch", "CLOUDWATCH", "monitoring", "monitoring", "1.0", "GraniteServiceVersion20100801")
};
/// Invocations of an endpoint.
pub(crate) static SAGEMAKER_RUNTIME: Service = Service {
    name: "SageMaker Runtime",
    permission_prefix: "sagemaker",
    id: "SAGEMAKER_RUNTIME",
    host: "runtime.sagemaker",
    signing_name: "sagemaker",
    protocol: Protocol::Rest,
    fixed_region: None,
    is_object_store: false,
};
/// Buckets and what they notify.
pub(crate) static S3: Service = Service {
    name: "S3",
    permission_prefix: "s3",
    id: "S3",
    host: "s3",
    signing_name: "s3",
    protocol: Protocol::Rest,
    fixed_region: None,
    is_object_store: true,
};
/// Who we are.
pub(crate) static STS: Service = Service {
    name: "STS",
    permission_prefix: "sts",
    id: "STS",
    host: "sts",
    signing_name: "sts",
    protocol: Protocol::Query { version: "2011-06-15" },
    fixed_region: None,
    is_object_store: false,
};
/// What we may do.
pub(crate) static IAM: Service = Service {
    name: "IAM",
    permission_prefix: "iam",
    id: "IAM",
    host: "iam",
    signing_name: "iam",
    protocol: Protocol::Query { version: "2010-05-08" },
    fixed_region: Some("us-east-1"),
    is_object_store: false,
};
/// The HTTP inference server: not AWS, not signed.
pub(crate) static INFERENCE: Service = plain("inference server");
/// The agent beside an ECS task: reached over the task's own link, not signed.
pub(crate) static AGENT: Service = plain("ECS agent");

impl Service {
    /// Where it is reached: `AWS_ENDPOINT_URL_<ID>` of environment or profile, the general override, or AWS itself.
    pub(crate) fn endpoint(&self, config: &SdkConfig, region: &str) -> String {
        let own = config.service_config().and_then(|source| {
            let key = ServiceConfigKey::builder()
                .service_id(self.id)
                .env("AWS_ENDPOINT_URL")
                .profile("endpoint_url")
                .build()
                .ok()?;
            source.load_config(key)
        });
        if let Some(set) = own.or_else(|| config.endpoint_url().map(str::to_owned)) {
            return set.trim_end_matches('/').to_owned();
        }
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        match self.fixed_region {
            Some(_) => format!("https://{}.{suffix}", self.host),
            None => format!("https://{}.{region}.{suffix}", self.host),
        }
    }

    /// The permission that an action needs, where it has the action's name; the action alone where none is needed.
    pub(crate) fn permission(&self, action: &str) -> String {
        match self.permission_prefix {
            "" => action.to_owned(),
            prefix => format!("{prefix}:{action}"),
        }
    }
}
