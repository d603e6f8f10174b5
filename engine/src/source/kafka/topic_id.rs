//! Ids of topics: one that was deleted and made again under its name has another.
//!
//! The engine's only unsafe code: the safe crate has no call for it.
//!
//! Invariant: what the library gives is destroyed once, and nothing of it outlives the call.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new,
    rd_kafka_AdminOptions_set_request_timeout, rd_kafka_DescribeTopics,
    rd_kafka_DescribeTopics_result_topics, rd_kafka_TopicCollection_destroy,
    rd_kafka_TopicCollection_of_topic_names, rd_kafka_TopicDescription_error,
    rd_kafka_TopicDescription_name, rd_kafka_TopicDescription_t,
    rd_kafka_TopicDescription_topic_id, rd_kafka_Uuid_least_significant_bits,
    rd_kafka_Uuid_most_significant_bits, rd_kafka_admin_op_t, rd_kafka_error_code,
    rd_kafka_event_DescribeTopics_result, rd_kafka_event_destroy, rd_kafka_event_error,
    rd_kafka_event_t, rd_kafka_queue_destroy, rd_kafka_queue_new, rd_kafka_queue_poll,
    rd_kafka_resp_err_t,
};
use rdkafka::consumer::Consumer;

use super::Client;

/// A topic's id, in two halves.
pub type TopicId = (i64, i64);

/// The ids of topics by name. Brokers before 3.1 give none, and so does one that is not asked successfully: then it
/// is known by offsets only that a topic was made again.
pub(super) fn topic_ids(
    client: &Client,
    topics: &[&str],
    timeout: Duration,
) -> BTreeMap<String, TopicId> {
    let names = topics.iter().filter_map(|name| CString::new(*name).ok());
    let names: Vec<CString> = names.collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    if pointers.is_empty() {
        return BTreeMap::new();
    }
    let timeout_ms = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the client outlives the call; `pointers` point into `names`, which do too and are copied by the
    // library; each object is destroyed once, after its last use, and results are read before their event goes.
    unsafe {
        let native = client.client().native_ptr();
        let topics = rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let operation = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = rd_kafka_AdminOptions_new(native, operation);
        let mut said = [0 as c_char; 128];
        rd_kafka_AdminOptions_set_request_timeout(
            options,
            timeout_ms,
            said.as_mut_ptr(),
            said.len(),
        );
        let queue = rd_kafka_queue_new(native);
        rd_kafka_DescribeTopics(native, topics, options, queue);
        let event = rd_kafka_queue_poll(queue, timeout_ms);
        let mut found = BTreeMap::new();
        if !event.is_null() {
            found = read(event);
            rd_kafka_event_destroy(event);
        }
        rd_kafka_queue_destroy(queue);
        rd_kafka_AdminOptions_destroy(options);
        rd_kafka_TopicCollection_destroy(topics);
        found
    }
}

/// # Safety
/// `event` is one that the library gave and that was not destroyed.
unsafe fn read(event: *mut rd_kafka_event_t) -> BTreeMap<String, TopicId> {
    let mut found = BTreeMap::new();
    // SAFETY: the result, its descriptions and their parts belong to the event, which the caller keeps.
    unsafe {
        if rd_kafka_event_error(event) != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return found;
        }
        let result = rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return found;
        }
        let mut count = 0;
        let topics = rd_kafka_DescribeTopics_result_topics(result, &mut count);
        for index in 0..count {
            found.extend(described(*topics.add(index)));
        }
    }
    found
}

/// # Safety
/// `topic` belongs to an event that was not destroyed.
unsafe fn described(topic: *const rd_kafka_TopicDescription_t) -> Option<(String, TopicId)> {
    // SAFETY: as the caller promises; the name ends in a zero.
    unsafe {
        let error = rd_kafka_TopicDescription_error(topic);
        let fine = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        if !error.is_null() && rd_kafka_error_code(error) != fine {
            return None;
        }
        let id = rd_kafka_TopicDescription_topic_id(topic);
        if id.is_null() {
            return None;
        }
        let halves = (
            rd_kafka_Uuid_most_significant_bits(id),
            rd_kafka_Uuid_least_significant_bits(id),
        );
        let name = CStr::from_ptr(rd_kafka_TopicDescription_name(topic));
        let name = name.to_str().ok()?.to_owned();
        (halves != (0, 0)).then_some((name, halves))
    }
}
