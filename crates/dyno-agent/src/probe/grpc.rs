//! The gRPC probe: `grpc.health.v1.Health/Check`, the protocol of gRPC's health checks
//! (<https://github.com/grpc/grpc/blob/master/doc/health-checking.md>).

use crate::error::CallError;
use crate::ready::Sight;
use std::error::Error;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// One server, and the service of it that is to serve.
#[derive(Debug)]
pub(crate) struct GrpcCheck {
    address: String,
    service: String,
    endpoint: Endpoint,
}

impl GrpcCheck {
    pub(crate) fn new(host: &str, port: u16, service: &str) -> Result<Self, CallError> {
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let address = format!("{host}:{port}");
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| {
            CallError::Request(format!("the grpc probe of {address:?}: {error}"))
        })?;
        Ok(Self {
            address,
            service: service.to_owned(),
            endpoint,
        })
    }

    pub(crate) fn name(&self) -> String {
        format!("grpc {}/{}", self.address, self.service)
    }

    /// Asks once.
    pub(crate) async fn attempt(&self) -> Sight {
        let channel = match self.endpoint.connect().await {
            Ok(channel) => channel,
            Err(error) => return Sight::NotYet(root(&error)),
        };
        let request = HealthCheckRequest {
            service: self.service.clone(),
        };
        match HealthClient::new(channel).check(request).await {
            Ok(answer) => match answer.get_ref().status() {
                ServingStatus::Serving => Sight::Met("SERVING".to_owned()),
                other => Sight::NotYet(other.as_str_name().to_owned()),
            },
            Err(status) => Sight::NotYet(self.refusal(&status)),
        }
    }

    fn refusal(&self, status: &Status) -> String {
        match status.code() {
            Code::Unimplemented => {
                "the server has no health service (grpc.health.v1.Health)".to_owned()
            }
            Code::NotFound => format!("the server knows no service {:?}", self.service),
            code => format!("{code}: {}", status.message()),
        }
    }
}

/// What is at the bottom of an error, without the kernel's number: above it stand the layers
/// that it has come through.
fn root(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    let text = last.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}
