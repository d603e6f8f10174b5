//! Splunk's answers: its codes and words, which its senders act upon.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// An answer other than success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// No header says who asks.
    NoToken,
    /// The header is none of Splunk's.
    BadAuthorization,
    /// Nobody has this token.
    BadToken,
    /// Nothing was sent.
    NoData,
    /// The event of this number is no JSON, or none of Splunk's.
    BadFormat(usize),
    /// Nothing can be understood of what was sent.
    Malformed,
    /// The event of this number has no `event`.
    NoEvent(usize),
    /// The event of this number is empty.
    BlankEvent(usize),
    /// Later there is room again.
    Busy,
    /// Our own fault.
    Internal,
    /// The token wants a channel.
    NoChannel,
    /// It is none.
    BadChannel,
    /// The token has no acknowledgements.
    AckDisabled,
    /// More than is taken at once.
    TooLarge,
    /// Packed in a way that is not known.
    BadEncoding,
    /// It took too long to be sent.
    Slow,
    /// Well.
    Healthy,
    /// Not well: more came than can be taken.
    Unhealthy,
    /// There is nothing at this address.
    NotFound,
}

impl Answer {
    /// Status, code and words.
    fn words(self) -> (StatusCode, u16, &'static str) {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        match self {
            Answer::NoToken => (StatusCode::UNAUTHORIZED, 2, "Token is required"),
            Answer::BadAuthorization => (StatusCode::UNAUTHORIZED, 3, "Invalid authorization"),
            Answer::BadToken => (StatusCode::FORBIDDEN, 4, "Invalid token"),
            Answer::NoData => (BAD, 5, "No data"),
            Answer::BadFormat(_) | Answer::Malformed => (BAD, 6, "Invalid data format"),
            Answer::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                8,
                "Internal server error",
            ),
            Answer::Busy => (StatusCode::SERVICE_UNAVAILABLE, 9, "Server is busy"),
            Answer::NoChannel => (BAD, 10, "Data channel is missing"),
            Answer::BadChannel => (BAD, 11, "Invalid data channel"),
            Answer::NoEvent(_) => (BAD, 12, "Event field is required"),
            Answer::BlankEvent(_) => (BAD, 13, "Event field cannot be blank"),
            Answer::AckDisabled => (BAD, 14, "ACK is disabled"),
            Answer::Healthy => (StatusCode::OK, 17, "HEC is healthy"),
            Answer::Unhealthy => (
                StatusCode::SERVICE_UNAVAILABLE,
                18,
                "HEC is unhealthy, queues are full",
            ),
            Answer::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                27,
                "Request entity too large",
            ),
            Answer::BadEncoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, 6, "Invalid data format"),
            Answer::Slow => (StatusCode::REQUEST_TIMEOUT, 9, "Server is busy"),
            Answer::NotFound => (
                StatusCode::NOT_FOUND,
                404,
                "The requested URL was not found on this server.",
            ),
        }
    }

    /// As Splunk says it.
    pub fn response(self) -> Response {
        let (status, code, text) = self.words();
        let mut body = json!({"text": text, "code": code});
        if let Answer::BadFormat(number) | Answer::NoEvent(number) | Answer::BlankEvent(number) =
            self
        {
            body["invalid-event-number"] = number.into();
        }
        answer(status, &body)
    }
}

/// All of it is on disk.
pub fn success(ack_id: Option<u64>) -> Response {
    let mut body = json!({"text": "Success", "code": 0});
    if let Some(ack_id) = ack_id {
        body["ackId"] = ack_id.into();
    }
    answer(StatusCode::OK, &body)
}

/// What became of the ids that were asked for.
pub fn acks(known: &[(u64, bool)]) -> Response {
    let of = |(id, is_known): &(u64, bool)| (id.to_string(), Value::from(*is_known));
    let acks: Map<String, Value> = known.iter().map(of).collect();
    answer(StatusCode::OK, &json!({"acks": acks}))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let kind = (header::CONTENT_TYPE, "application/json");
    (status, [kind], body.to_string()).into_response()
}
