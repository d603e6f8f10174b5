//! One port, several services: a request goes to the service that its path names.

use std::convert::Infallible;
use std::task::{Context, Poll};

use nightjar_proto::v1::alert_service_server::AlertServiceServer;
use nightjar_proto::v1::engine_service_server::EngineServiceServer;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};

use super::service::Service as Nightjar;

/// All services. `H`: health; `R` and `A`: reflection, v1 and v1alpha, whose types have no names.
#[derive(Clone)]
pub(super) struct Doors<H, R, A> {
    pub alerts: AlertServiceServer<Nightjar>,
    pub engine: EngineServiceServer<Nightjar>,
    pub health: H,
    pub reflection: R,
    pub reflection_alpha: A,
}

type Answer = BoxFuture<http::Response<Body>, Infallible>;

/// What tonic's generated servers are, by another name.
pub(super) trait Door:
    Service<
        http::Request<Body>,
        Response = http::Response<Body>,
        Error = Infallible,
        Future = Answer,
    > + Clone
    + Send
    + 'static
{
}

impl<S> Door for S where
    S: Service<
            http::Request<Body>,
            Response = http::Response<Body>,
            Error = Infallible,
            Future = Answer,
        > + Clone
        + Send
        + 'static
{
}

impl<H: Door, R: Door, A: Door> Service<http::Request<Body>> for Doors<H, R, A> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Generated servers are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answer {
        let service = request.uri().path().split('/').nth(1).unwrap_or_default();
        match service {
            "nightjar.v1.AlertService" => self.alerts.call(request),
            "nightjar.v1.EngineService" => self.engine.call(request),
            "grpc.health.v1.Health" => self.health.call(request),
            "grpc.reflection.v1.ServerReflection" => self.reflection.call(request),
            "grpc.reflection.v1alpha.ServerReflection" => self.reflection_alpha.call(request),
            _ => {
                let status = tonic::Status::unimplemented("there is no such service here");
                Box::pin(async move { Ok(status.into_http()) })
            }
        }
    }
}
