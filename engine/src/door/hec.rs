//! An HTTP door for whatever can send to Splunk's HTTP Event Collector.
//!
//! Invariant: an answer of success is given after the events are on disk; a request is taken whole or refused whole,
//! and no answer and no log line quotes what was sent.

mod acks;
mod answer;
mod request;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use crate::clock::{Came, Partition};
use crate::config::Token;
use crate::spool::{Delivery, Spool, SpoolError};
use acks::Acks;
use answer::Answer;
use request::{Parameters, Sorted};

/// Of a request, as it is sent and unpacked.
const BODY_BYTES_MAX: usize = 32 << 20;
/// Requests whose bodies are in memory at once.
const REQUESTS_MAX: usize = 8;
/// A request waits so long for its turn,
const TURN_AFTER_MAX: Duration = Duration::from_secs(2);
/// and may take so long to be sent.
const BODY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Why the door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum HecError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}; free the port or set hec.listen to another")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What the requests share.
struct Door {
    tokens: Vec<Token>,
    spool: Arc<Spool>,
    turns: Semaphore,
    acks: Mutex<Acks>,
    is_troubled: AtomicBool,
    refused: AtomicU64,
}

/// Listens; port 0 takes a free one.
///
/// # Errors
/// When the address is taken.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, HecError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| HecError::Listen { address, source })
}

/// Answers requests.
pub fn router(tokens: Vec<Token>, spool: Arc<Spool>) -> Router {
    let door = Arc::new(Door {
        tokens,
        spool,
        turns: Semaphore::new(REQUESTS_MAX),
        acks: Mutex::default(),
        is_troubled: AtomicBool::new(false),
        refused: AtomicU64::new(0),
    });
    let mut router = Router::new();
    for path in ["", "/event", "/event/1.0", "/1.0"] {
        router = router.route(&format!("/services/collector{path}"), post(events));
    }
    for version in ["", "/1.0"] {
        router = router
            .route(&format!("/services/collector/raw{version}"), post(raw))
            .route(
                &format!("/services/collector/ack{version}"),
                post(acknowledged),
            )
            .route(&format!("/services/collector/health{version}"), get(health));
    }
    router
        .fallback(async || Answer::NotFound.response())
        .with_state(door)
}

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, router: Router) {
    if let Err(error) = axum::serve(listener, router).await {
        error!(%error, "events over HTTP are not taken any more");
    }
}

async fn events(State(door): State<Arc<Door>>, request: Request) -> Response {
    respond(door.take(request, request::sort_events).await)
}

async fn raw(State(door): State<Arc<Door>>, request: Request) -> Response {
    respond(door.take(request, request::sort_lines).await)
}

async fn health(State(door): State<Arc<Door>>) -> Response {
    match door.spool.is_full() {
        true => Answer::Unhealthy.response(),
        false => Answer::Healthy.response(),
    }
}

/// Which of the ids that a channel was given stand for events that are on disk.
async fn acknowledged(State(door): State<Arc<Door>>, request: Request) -> Response {
    let answer = async {
        let parameters = Parameters::of(&request);
        let token = door.token(request.headers())?;
        if !token.ack {
            return Err(Answer::AckDisabled);
        }
        let channel = parameters.channel()?.ok_or(Answer::NoChannel)?;
        let body = body(request).await?;
        let asked = request::asked_ids(&body)?;
        Ok(door.acks().known(&channel, &asked))
    };
    match answer.await {
        Ok(known) => answer::acks(&known),
        Err(answer) => answer.response(),
    }
}

fn respond(answer: Result<Option<u64>, Answer>) -> Response {
    match answer {
        Ok(ack_id) => answer::success(ack_id),
        Err(answer) => answer.response(),
    }
}

impl Door {
    fn acks(&self) -> MutexGuard<'_, Acks> {
        self.acks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token of a request. All are compared, whole, so that the time it takes tells nothing.
    fn token(&self, headers: &HeaderMap) -> Result<&Token, Answer> {
        let Some(header) = headers.get(header::AUTHORIZATION) else {
            return Err(self.refuse(Answer::NoToken));
        };
        let text = header.to_str().unwrap_or_default();
        let Some((scheme, secret)) = text.split_once(' ') else {
            return Err(self.refuse(Answer::BadAuthorization));
        };
        if !["splunk", "bearer"].contains(&&*scheme.to_ascii_lowercase()) {
            return Err(self.refuse(Answer::BadAuthorization));
        }
        let hash = blake3::hash(secret.trim().as_bytes());
        let mut found = None;
        for token in &self.tokens {
            if token.hash == hash {
                found = Some(token);
            }
        }
        found.ok_or_else(|| self.refuse(Answer::BadToken))
    }

    /// Says so with the first, the tenth, the hundredth: a sender that knocks for ever must not fill the log.
    fn refuse(&self, answer: Answer) -> Answer {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        let is_round = refused == 10u64.pow(refused.ilog10());
        if is_round {
            warn!(
                refused,
                "a request without a valid token was refused; check the sender's token"
            );
        }
        answer
    }

    /// Takes a request's events; gives the id to ask for, where the token has such.
    async fn take(
        &self,
        request: Request,
        sort: impl FnOnce(&Token, &Parameters, Vec<u8>) -> Result<Sorted, Answer> + Send + 'static,
    ) -> Result<Option<u64>, Answer> {
        let parameters = Parameters::of(&request);
        let token = self.token(request.headers())?.clone();
        let channel = parameters.channel()?;
        if token.ack && channel.is_none() {
            return Err(Answer::NoChannel);
        }
        let turn = tokio::time::timeout(TURN_AFTER_MAX, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(Answer::Busy);
        };
        let is_packed = request::is_gzip(request.headers())?;
        let body = body(request).await?;
        let came = Came::at(chrono::Utc::now().timestamp_millis());
        let has_ack = token.ack;
        // Unpacking and sorting may take a while, which others should not wait for.
        let sorted = tokio::task::spawn_blocking(move || {
            let body = match is_packed {
                true => request::unpacked(&body, BODY_BYTES_MAX)?,
                false => body.into(),
            };
            sort(&token, &parameters, body)
        });
        let sorted = sorted.await.map_err(|_| Answer::Internal)??;
        self.deliver(sorted, came).await?;
        let channel = channel.filter(|_| has_ack);
        Ok(channel.map(|channel| self.acks().next(channel)))
    }

    async fn deliver(&self, sorted: Sorted, came: Came) -> Result<(), Answer> {
        let mut answers = Vec::new();
        for (source, records) in sorted {
            let partition = Partition {
                topic: source,
                number: Partition::HTTP,
            };
            let offered = self
                .spool
                .offer(Delivery::of_records(partition, came, records));
            answers.push(offered.map_err(|error| self.answer_to(&error))?);
        }
        for answer in answers {
            let kept = answer.await.unwrap_or(Err(SpoolError::Stopped));
            kept.map_err(|error| self.answer_to(&error))?;
        }
        if self.is_troubled.swap(false, Ordering::Relaxed) {
            info!("events over HTTP are taken again");
        }
        Ok(())
    }

    fn answer_to(&self, error: &SpoolError) -> Answer {
        match error {
            SpoolError::Io { .. } => {
                if !self.is_troubled.swap(true, Ordering::Relaxed) {
                    let text = crate::cmd::chain(error);
                    error!("{text}; senders are told to send again later");
                }
                Answer::Busy
            }
            SpoolError::Busy | SpoolError::Stopped => Answer::Busy,
            SpoolError::Format(_) => Answer::Internal,
        }
    }
}

/// The body of a request.
async fn body(request: Request) -> Result<Bytes, Answer> {
    let read = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX);
    match tokio::time::timeout(BODY_AFTER_MAX, read).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Answer::TooLarge),
        Err(_) => Err(Answer::Slow),
    }
}
