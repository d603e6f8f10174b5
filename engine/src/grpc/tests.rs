use std::collections::BTreeMap;
use std::path::Path;

use nightjar_detectors::alert::{Alert, Severity};
use nightjar_proto::v1 as pb;
use nightjar_proto::v1::alert_service_client::AlertServiceClient;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::client::{Client, ClientError, Event, Events, Gap, Subscription};
use super::*;
use crate::clock::Partition;
use crate::store::alerts::Filter;
use crate::store::alerts::tests::{alert, muted, store};

/// A service on a free port, and how to stop it.
pub(crate) struct Running {
    pub address: String,
    pub store: AlertStore,
    pub status: watch::Sender<Status>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    pub async fn start(folder: &Path) -> Self {
        Self::with(store(folder), 0, Options::default()).await
    }

    pub async fn with(store: AlertStore, port: u16, options: Options) -> Self {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], port)))
            .await
            .unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (status, seen) = watch::channel(Status::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let served = tokio::spawn(serve(listener, store.clone(), seen, options, shutdown));
        Running {
            address,
            store,
            status,
            stop,
            served,
        }
    }

    pub fn port(&self) -> u16 {
        self.address.rsplit(':').next().unwrap().parse().unwrap()
    }

    pub async fn publish(&self, alerts: Vec<Alert>) {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.publish(&alerts, None))
            .await
            .unwrap()
            .unwrap();
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
    }

    async fn subscribe(&self, from_cursor: Option<u64>) -> Events {
        let client = Client::connect(&self.address).await.unwrap();
        let filter = Filter {
            muted: false,
            ..Filter::default()
        };
        let subscription = Subscription {
            from_cursor,
            store_id: String::new(),
            filter,
        };
        client.subscribe(subscription).await.unwrap()
    }
}

async fn next_alert(events: &mut Events) -> Alert {
    loop {
        if let Event::Alert(alert) = events.next().await.unwrap() {
            return *alert;
        }
    }
}

/// Whatever comes up to the next heartbeat: id and cursor of the alerts.
async fn catch_up(events: &mut Events) -> Vec<(String, u64)> {
    let mut seen = Vec::new();
    loop {
        match events.next().await.unwrap() {
            Event::Alert(alert) => seen.push((alert.id, alert.cursor)),
            Event::Heartbeat(heartbeat) => {
                assert_eq!(heartbeat.cursor, events.cursor());
                return seen;
            }
            // Whoever resumes behind it is told of it again, since its alerts are still to come.
            Event::Incident(incident) => {
                assert!(events.cursor() < incident.cursor, "{incident:?}");
            }
            Event::Gap(gap) => panic!("{gap:?}"),
        }
    }
}

/// Stopped at any message and resumed from its cursor: nothing is missed, nothing comes twice.
#[tokio::test]
async fn stop_and_resume() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let alerts = |range: std::ops::Range<u64>| range.map(|n| alert(&format!("{n:03}"), n));
    service.publish(alerts(0..250).collect()).await;
    let mut seen = Vec::new();
    let mut cursor = 0;
    for taken in [1, 7, 0, 150, 60] {
        let mut events = service.subscribe(Some(cursor)).await;
        for _ in 0..taken {
            seen.push(next_alert(&mut events).await.id);
            cursor = events.cursor();
        }
    }
    let mut events = service.subscribe(Some(cursor)).await;
    seen.extend(catch_up(&mut events).await.into_iter().map(|(id, _)| id));
    service.publish(alerts(250..260).collect()).await;
    for _ in 0..10 {
        seen.push(next_alert(&mut events).await.id);
    }
    let expected: Vec<String> = alerts(0..260).map(|alert| alert.id).collect();
    assert_eq!(seen, expected);
    service.stop().await;
}

/// A changed alert comes again, an unchanged one does not.
#[tokio::test]
async fn only_changes_are_sent() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let mut events = service.subscribe(Some(0)).await;
    service.publish(vec![alert("a", 1), alert("b", 1)]).await;
    assert_eq!(next_alert(&mut events).await.revision, 1);
    next_alert(&mut events).await;
    service.publish(vec![alert("a", 1), alert("b", 2)]).await;
    let changed = next_alert(&mut events).await;
    assert_eq!(
        (changed.id.as_str(), changed.revision, changed.cursor),
        ("b", 2, 3)
    );
    service.stop().await;
}

/// The first heartbeat comes when everything was sent; the others go on in silence and carry the
/// cursor past what the filter leaves out.
#[tokio::test]
async fn heartbeats_are_signs_of_life() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        heartbeat_every: Duration::from_millis(20),
        ..Options::default()
    };
    let service = Running::with(store(folder.path()), 0, options).await;
    service
        .publish(vec![alert("a", 1), muted(alert("b", 1))])
        .await;
    let partition = |number, position, clock_ms| PartitionStatus {
        partition: Partition {
            topic: "okta".into(),
            number,
        },
        position,
        end: 12,
        clock_ms: Some(clock_ms),
        paused: false,
    };
    let source = SourceStatus {
        source: "okta".into(),
        partitions: vec![partition(0, 2, 5_000), partition(1, 11, 3_000)],
        ..SourceStatus::default()
    };
    service.status.send_replace(Status {
        sources: vec![source],
        ..Status::default()
    });
    let mut events = service.subscribe(Some(0)).await;
    assert_eq!(catch_up(&mut events).await, [("a".to_owned(), 1)]);
    assert_eq!(events.cursor(), 2);
    for _ in 0..3 {
        let Event::Heartbeat(heartbeat) = events.next().await.unwrap() else {
            panic!()
        };
        assert_eq!(heartbeat.lags, BTreeMap::from([("okta".to_owned(), 11)]));
    }
    let mut raw = AlertServiceClient::connect(service.address.clone())
        .await
        .unwrap();
    let request = pb::SubscribeRequest {
        only_new: true,
        ..Default::default()
    };
    let mut stream = raw.subscribe(request).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.cursor, 2);
    let Some(pb::subscribe_response::Message::Heartbeat(heartbeat)) = first.message else {
        panic!()
    };
    assert_eq!(
        heartbeat.sources[0].watermark.as_deref(),
        Some("1970-01-01T00:00:03Z")
    );
    service.stop().await;
}

/// Who reads nothing keeps nobody waiting, and finds everything when he reads on.
#[tokio::test]
async fn a_slow_subscriber_slows_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let mut slow = service.subscribe(Some(0)).await;
    let mut quick = service.subscribe(Some(0)).await;
    let large = |n: u64| Alert {
        summary: "x".repeat(20_000),
        ..alert(&format!("{n:04}"), n)
    };
    for round in 0..20 {
        service
            .publish((round * 20..round * 20 + 20).map(large).collect())
            .await;
        for _ in 0..20 {
            next_alert(&mut quick).await;
        }
    }
    for n in 0..400 {
        assert_eq!(next_alert(&mut slow).await.id, format!("{n:04}"));
    }
    service.stop().await;
}

/// A cursor of another log is told apart, by its size or by the log's name.
#[tokio::test]
async fn gaps_are_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    service.publish(vec![alert("a", 1), alert("b", 1)]).await;
    let reset = |from_cursor| {
        Event::Gap(Gap {
            from_cursor,
            to_cursor: 0,
            is_reset: true,
        })
    };
    let mut events = service.subscribe(Some(9)).await;
    assert_eq!(events.next().await.unwrap(), reset(9));
    assert_eq!(catch_up(&mut events).await.len(), 2);

    let client = Client::connect(&service.address).await.unwrap();
    let from = |cursor, store_id: &str| Subscription {
        from_cursor: Some(cursor),
        store_id: store_id.into(),
        filter: Filter::default(),
    };
    let mut events = client.subscribe(from(1, "other")).await.unwrap();
    assert_eq!(events.next().await.unwrap(), reset(1));
    let store_id = service.store.reader().unwrap().log().unwrap().store_id;
    let mut events = client.subscribe(from(1, &store_id)).await.unwrap();
    assert_eq!(catch_up(&mut events).await, [("b".to_owned(), 2)]);

    service.store.expire_for_test(1);
    let mut events = client.subscribe(from(0, &store_id)).await.unwrap();
    let expired = Gap {
        from_cursor: 0,
        to_cursor: 1,
        is_reset: false,
    };
    assert_eq!(events.next().await.unwrap(), Event::Gap(expired));
    assert_eq!(catch_up(&mut events).await, [("b".to_owned(), 2)]);
    service.stop().await;
}

/// A stop ends streams in a way that makes clients come back, and the port is free again.
#[tokio::test]
async fn a_stop_is_clean_and_passing() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let mut events = service.subscribe(Some(0)).await;
    catch_up(&mut events).await;
    let (port, store) = (service.port(), service.store.clone());
    service.stop().await;
    let error = events.next().await.unwrap_err();
    assert!(error.is_passing(), "{error}");
    let service = Running::with(store, port, Options::default()).await;
    catch_up(&mut service.subscribe(Some(0)).await).await;
    service.stop().await;
}

/// Places for subscribers are limited, and given back.
#[tokio::test]
async fn places_are_limited() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        streams_max: 2,
        ..Options::default()
    };
    let service = Running::with(store(folder.path()), 0, options).await;
    let first = service.subscribe(None).await;
    let _second = service.subscribe(None).await;
    let client = Client::connect(&service.address).await.unwrap();
    let subscription = || Subscription {
        from_cursor: None,
        store_id: String::new(),
        filter: Filter::default(),
    };
    let error = client.subscribe(subscription()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("all 2 places for subscribers are taken"),
        "{error}"
    );
    drop(first);
    while client.subscribe(subscription()).await.is_err() {
        tokio::task::yield_now().await;
    }
    service.stop().await;
}

#[tokio::test]
async fn lists_and_single_alerts() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let low = Alert {
        severity: Severity::Low,
        ..alert("low", 1)
    };
    let mut alerts: Vec<_> = (0..1_200).map(|n| alert(&format!("{n:04}"), n)).collect();
    alerts.push(low);
    alerts.push(muted(alert("quiet", 1)));
    service.publish(alerts).await;
    let client = Client::connect(&service.address).await.unwrap();
    assert_eq!(client.list(Filter::default()).await.unwrap().len(), 1_202);
    let loud = Filter {
        severity_min: Severity::High,
        muted: false,
        ..Filter::default()
    };
    assert_eq!(client.list(loud).await.unwrap().len(), 1_200);
    let wrong = Filter {
        detectors: vec!["mass_dowload".into()],
        ..Filter::default()
    };
    let error = client.list(wrong).await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Refused { message, .. } if message.contains("mass_download"))
    );

    let mut raw = AlertServiceClient::connect(service.address.clone())
        .await
        .unwrap();
    let get = |id: &str| pb::GetAlertRequest { id: id.into() };
    let found = raw
        .get_alert(get("0007"))
        .await
        .unwrap()
        .into_inner()
        .alert
        .unwrap();
    assert_eq!(
        convert::to_alert(found).unwrap(),
        Alert {
            cursor: 8,
            ..alert("0007", 7)
        }
    );
    assert_eq!(
        raw.get_alert(get("?")).await.unwrap_err().code(),
        tonic::Code::NotFound
    );
    let page = pb::ListAlertsRequest {
        page_token: "x".into(),
        ..Default::default()
    };
    assert_eq!(
        raw.list_alerts(page).await.unwrap_err().code(),
        tonic::Code::InvalidArgument
    );
    service.stop().await;
}

/// Status, health and both reflections answer on the same port; what is not there says so.
#[tokio::test]
async fn every_door_opens() {
    use nightjar_proto::v1::engine_service_client::EngineServiceClient;
    use tonic_health::pb::health_client::HealthClient;
    use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::{v1, v1alpha};

    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    service.status.send_replace(Status {
        zone: chrono_tz::Tz::Europe__Berlin,
        phase: Phase::Live,
        ..Status::default()
    });
    let endpoint = tonic::transport::Endpoint::from_shared(service.address.clone()).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let mut engine = EngineServiceClient::new(channel.clone());
    let status = engine
        .get_status(pb::GetStatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (status.phase(), status.zone.as_str()),
        (pb::Phase::Live, "Europe/Berlin")
    );

    let mut health = HealthClient::new(channel.clone());
    for service in ["", "nightjar.v1.AlertService", "nightjar.v1.EngineService"] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
    }
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(channel.clone());
    let answers = reflection
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!()
    };
    assert!(
        list.service
            .iter()
            .any(|service| service.name == "nightjar.v1.AlertService")
    );

    let mut alpha = v1alpha::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
                "nightjar.v1.Alert".into(),
            ),
        ),
    };
    let answers = alpha
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap();
    assert!(answers.into_inner().message().await.unwrap().is_some());
    service.stop().await;
}

#[tokio::test]
async fn only_this_machine_can_connect() {
    for address in ["127.0.0.1:0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
        check_listen(address.parse().unwrap()).unwrap();
    }
    for address in ["0.0.0.0:7461", "192.168.1.4:7461", "[::]:7461"] {
        let refused = check_listen(address.parse().unwrap())
            .unwrap_err()
            .to_string();
        assert!(refused.contains("listen on 127.0.0.1"), "{refused}");
    }
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let (_status, seen) = watch::channel(Status::default());
    let served = serve(
        listener,
        store(folder.path()),
        seen,
        Options::default(),
        std::future::pending(),
    )
    .await;
    assert!(matches!(served, Err(ServeError::NotLoopback(_))));

    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = listen(taken.local_addr().unwrap())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("free the port or set grpc.listen"),
        "{refused}"
    );
}

#[tokio::test]
async fn addresses_without_a_service() {
    for wrong in [
        "127.0.0.1:7461",
        "https://127.0.0.1:1",
        "ftp://x",
        "",
        "http://",
    ] {
        assert!(
            matches!(Client::connect(wrong).await, Err(ClientError::Address(_))),
            "{wrong}"
        );
    }
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let error = Client::connect(&format!("http://{free}"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("start `nightjar run`"),
        "{error}"
    );
}
