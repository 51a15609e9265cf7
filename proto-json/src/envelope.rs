//! The JSON-RPC 2.0 envelope: requests, notifications, batches, responses (<https://www.jsonrpc.org/specification>).
//!
//! It takes bytes apart and puts them together; what a method does with its parameters is the dispatcher's.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Code, ErrorObject, Problem};

/// Most requests one batch may hold.
pub const MAX_BATCH: usize = 100;

/// A request's id: a string, a number or null. Fractions are allowed by the specification, and kept as sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(pub Value);

impl Id {
    /// The id of a response to a request that could not be read.
    pub const NULL: Id = Id(Value::Null);
}

/// A request. Without an id it is a notification, and gets no answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// None for a notification.
    pub id: Option<Id>,
    /// The method's name.
    pub method: String,
    /// An object, or an empty object when the request has none.
    pub params: Value,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Always `2.0`.
    pub jsonrpc: String,
    /// The result, when there is no error.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub result: Option<Value>,
    /// The error, when there is no result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorObject>,
    /// The id of the request.
    pub id: Id,
}

/// `"result": null` is a result, not the absence of one.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Response {
    /// The response to a request, from its outcome.
    pub fn new(id: Id, outcome: Result<Value, Problem>) -> Response {
        let (result, error) = match outcome {
            Ok(value) => (Some(value), None),
            Err(problem) => (None, Some(problem.into())),
        };
        Response { jsonrpc: "2.0".into(), result, error, id }
    }

    /// The outcome that it carries.
    pub fn outcome(self) -> Result<Value, Problem> {
        match (self.result, self.error) {
            (_, Some(error)) => Err(error.into()),
            (Some(value), None) => Ok(value),
            (None, None) => {
                Err(Problem::new(Code::Internal, "the answer holds neither a result nor an error"))
            }
        }
    }
}

/// What a body holds.
#[derive(Debug)]
pub enum Incoming {
    /// One request.
    Single(Result<Request, Box<Response>>),
    /// Several, answered together.
    Batch(Vec<Result<Request, Box<Response>>>),
}

/// Takes a request body apart. Each request that cannot be read becomes the error response it deserves.
pub fn parse(body: &[u8]) -> Incoming {
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => {
            let problem = Problem::new(Code::Parse, "the request is not valid JSON").cause(error.to_string());
            return Incoming::Single(Err(Box::new(Response::new(Id::NULL, Err(problem)))));
        }
    };
    match value {
        Value::Array(items) if items.is_empty() => {
            Incoming::Single(Err(invalid(Id::NULL, "an empty batch holds no request")))
        }
        Value::Array(items) if items.len() > MAX_BATCH => Incoming::Single(Err(invalid(
            Id::NULL,
            &format!("a batch holds at most {MAX_BATCH} requests, this one {}", items.len()),
        ))),
        Value::Array(items) => Incoming::Batch(items.into_iter().map(request).collect()),
        other => Incoming::Single(request(other)),
    }
}

fn invalid(id: Id, message: &str) -> Box<Response> {
    Box::new(Response::new(id, Err(Problem::new(Code::InvalidRequest, message))))
}

fn request(value: Value) -> Result<Request, Box<Response>> {
    let Value::Object(mut object) = value else {
        return Err(invalid(Id::NULL, "a request is a JSON object"));
    };
    let id = match object.remove("id") {
        None => None,
        Some(id @ (Value::String(_) | Value::Number(_) | Value::Null)) => Some(Id(id)),
        Some(_) => return Err(invalid(Id::NULL, "`id` is a string, a number or null")),
    };
    let answer_to = id.clone().unwrap_or(Id::NULL);
    if object.remove("jsonrpc") != Some(Value::String("2.0".into())) {
        return Err(invalid(answer_to, "`jsonrpc` must be \"2.0\""));
    }
    let Some(Value::String(method)) = object.remove("method") else {
        return Err(invalid(answer_to, "`method` must be a string"));
    };
    let params = match object.remove("params") {
        None => Value::Object(serde_json::Map::new()),
        Some(params @ Value::Object(_)) => params,
        Some(Value::Array(items)) if items.is_empty() => Value::Object(serde_json::Map::new()),
        Some(Value::Array(_)) => {
            let problem = Problem::new(Code::InvalidParams, "parameters are given by name, in an object");
            return Err(Box::new(Response::new(answer_to, Err(problem))));
        }
        Some(_) => return Err(invalid(answer_to, "`params` must be an object")),
    };
    if let Some(extra) = object.keys().next() {
        return Err(invalid(answer_to, &format!("a request has no member `{extra}`")));
    }
    Ok(Request { id, method, params })
}

/// The body of a call.
pub fn call(id: u64, method: &str, params: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Call<'a, P> {
        jsonrpc: &'static str,
        id: u64,
        method: &'a str,
        params: &'a P,
    }
    serde_json::to_vec(&Call { jsonrpc: "2.0", id, method, params })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error_code(body: &str) -> i64 {
        match parse(body.as_bytes()) {
            Incoming::Single(Err(response)) => response.error.unwrap().code,
            other => panic!("expected one error, got {other:?}"),
        }
    }

    #[test]
    fn a_body_that_is_not_json_is_a_parse_error() {
        assert_eq!(error_code("{"), -32700);
        assert_eq!(error_code(""), -32700);
    }

    #[test]
    fn what_is_json_but_no_request_is_an_invalid_request() {
        for body in [
            "[]",
            "1",
            r#"{"method":"a","id":1}"#,
            r#"{"jsonrpc":"1.0","method":"a","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","method":"a","id":{}}"#,
            r#"{"jsonrpc":"2.0","method":"a","params":3}"#,
            r#"{"jsonrpc":"2.0","method":"a","extra":3}"#,
        ] {
            assert_eq!(error_code(body), -32600, "{body}");
        }
    }

    #[test]
    fn positional_parameters_are_refused_with_the_request_id() {
        let Incoming::Single(Err(response)) =
            parse(br#"{"jsonrpc":"2.0","method":"a","params":[1],"id":"x"}"#)
        else {
            panic!("accepted");
        };
        assert_eq!(response.id, Id("x".into()));
        assert_eq!(response.error.unwrap().code, -32602);
    }

    #[test]
    fn a_batch_keeps_good_and_bad_requests_apart() {
        let body = br#"[{"jsonrpc":"2.0","method":"a","id":1},3,{"jsonrpc":"2.0","method":"b"}]"#;
        let Incoming::Batch(items) = parse(body) else { panic!("no batch") };
        assert_eq!(items[0].as_ref().unwrap().id, Some(Id(1.into())));
        assert!(items[1].is_err());
        assert_eq!(items[2].as_ref().unwrap().id, None);
    }

    #[test]
    fn a_batch_too_long_is_refused_whole() {
        let body = format!("[{}]", vec!["1"; MAX_BATCH + 1].join(","));
        assert_eq!(error_code(&body), -32600);
    }

    #[test]
    fn a_null_result_is_a_result() {
        let response: Response = serde_json::from_str(r#"{"jsonrpc":"2.0","result":null,"id":1}"#).unwrap();
        assert_eq!(response.outcome().unwrap(), Value::Null);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&body);
        }

        #[test]
        fn what_call_writes_parse_reads(id in any::<u64>(), method in "[a-z.]{1,20}") {
            let body = call(id, &method, &serde_json::json!({"a": 1})).unwrap();
            let Incoming::Single(Ok(request)) = parse(&body) else { panic!("refused") };
            prop_assert_eq!(request.method, method);
            prop_assert_eq!(request.id, Some(Id(id.into())));
        }
    }
}
