//! Requests over `wasi:http`.

use std::io::{self, Read};
use std::time::Duration;

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme, http_error_code,
};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

use super::request::{Content, Request, Timeouts};
use super::response::Response;
use crate::error::{Error, ErrorKind, Result, Retry};

/// How much of a body is moved at once.
const PIECE: usize = 64 << 10;

pub(super) fn send(request: Request) -> Result<Response> {
    let Request { endpoint, method, target, mut headers, content, timeouts } = request;
    if let Content::Bytes(bytes) = &content {
        headers.push(("content-length".to_owned(), bytes.len().to_string().into_bytes()));
    }
    let headers = Fields::from_list(&headers).map_err(|error| Error::invalid(format!("a header: {error}")))?;
    let outgoing = OutgoingRequest::new(headers);
    outgoing
        .set_method(&method_of(&method))
        .and_then(|()| outgoing.set_scheme(Some(&Scheme::Http)))
        .and_then(|()| outgoing.set_authority(Some(&format!("{endpoint}.endpoint"))))
        .and_then(|()| outgoing.set_path_with_query(Some(&target)))
        .map_err(|()| Error::invalid(format!("no request can be made of {method} {target} to {endpoint}")))?;
    let options = options(timeouts);
    // Without content no body is opened: an empty stream would be sent as one of unknown length, which some refuse.
    let mut content: Box<dyn Read> = match content {
        Content::Nothing => return receive(&handle(outgoing, Some(options))?),
        Content::Bytes(bytes) => Box::new(io::Cursor::new(bytes)),
        Content::Stream(read) => read,
    };
    let body = outgoing.body().map_err(|()| Error::internal("the body of a request cannot be opened"))?;
    let answer = handle(outgoing, Some(options))?;
    match send_body(body, &mut content)? {
        Sent::Whole => receive(&answer),
        // The platform may have answered, with a refusal say, without reading it all: then the answer counts.
        Sent::CutOff(error) => receive(&answer).map_err(|_| error),
    }
}

/// What became of a body.
enum Sent {
    Whole,
    CutOff(Error),
}

/// Sends all that is read. An error is one of reading: the request is not to be taken for a whole one.
fn send_body(body: OutgoingBody, content: &mut dyn Read) -> Result<Sent> {
    let stream = body.write().map_err(|()| Error::internal("the body of a request cannot be written"))?;
    let mut buffer = vec![0; PIECE];
    loop {
        // Dropping the body before `finish` ends the request as an incomplete one.
        let size = content.read(&mut buffer)?;
        let Some(piece) = buffer.get(..size).filter(|piece| !piece.is_empty()) else { break };
        if let Err(error) = write(&stream, piece) {
            return Ok(Sent::CutOff(error));
        }
    }
    if let Err(error) = stream.blocking_flush() {
        return Ok(Sent::CutOff(stream_error(error)));
    }
    drop(stream);
    Ok(OutgoingBody::finish(body, None).map_or_else(|code| Sent::CutOff(code.into()), |()| Sent::Whole))
}

fn write(stream: &OutputStream, mut piece: &[u8]) -> Result<()> {
    while !piece.is_empty() {
        let room = stream.check_write().map_err(stream_error)?;
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let size = piece.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        let (now, later) = piece.split_at(size);
        stream.write(now).map_err(stream_error)?;
        piece = later;
    }
    Ok(())
}

fn receive(answer: &FutureIncomingResponse) -> Result<Response> {
    answer.subscribe().block();
    let Some(Ok(response)) = answer.get() else {
        return Err(Error::internal("the answer to a request was taken twice"));
    };
    let response = response?;
    let body = response.consume().map_err(|()| Error::internal("the body of an answer was taken twice"))?;
    let stream = body.stream().map_err(|()| Error::internal("the body of an answer was taken twice"))?;
    let headers = response.headers().entries();
    Ok(Response::new(response.status(), headers, Incoming { stream, _body: body, _response: response }))
}

/// The body of an answer. Each part belongs to the next, and is dropped before it.
struct Incoming {
    stream: InputStream,
    _body: IncomingBody,
    _response: IncomingResponse,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let most = u64::try_from(buffer.len().min(PIECE)).unwrap_or(u64::MAX);
        loop {
            let piece = match self.stream.blocking_read(most) {
                Ok(piece) => piece,
                Err(StreamError::Closed) => return Ok(0),
                Err(error) => return Err(stream_error(error).into()),
            };
            // An empty piece is not the end.
            if let Some(place) = buffer.get_mut(..piece.len()).filter(|place| !place.is_empty()) {
                place.copy_from_slice(&piece);
                return Ok(piece.len());
            }
        }
    }
}

fn options(timeouts: Timeouts) -> RequestOptions {
    let nanos = |it: Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX);
    let options = RequestOptions::new();
    // A host without one of these has its own.
    let _ = options.set_connect_timeout(timeouts.connect.map(nanos));
    let _ = options.set_first_byte_timeout(timeouts.first_byte.map(nanos));
    let _ = options.set_between_bytes_timeout(timeouts.between_bytes.map(nanos));
    options
}

fn method_of(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn stream_error(error: StreamError) -> Error {
    match error {
        StreamError::Closed => Error::unavailable("the connection was closed"),
        StreamError::LastOperationFailed(error) => match http_error_code(&error) {
            Some(code) => code.into(),
            None => Error::unavailable(error.to_debug_string()),
        },
    }
}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Error {
        use ErrorCode as Code;
        let (kind, retry) = match &code {
            Code::HttpRequestDenied | Code::DestinationIpProhibited => (ErrorKind::Denied, Retry::Never),
            Code::DnsTimeout
            | Code::ConnectionTimeout
            | Code::ConnectionReadTimeout
            | Code::ConnectionWriteTimeout
            | Code::HttpResponseTimeout => (ErrorKind::Timeout, Retry::Backoff),
            Code::ConnectionLimitReached => (ErrorKind::Exhausted, Retry::Backoff),
            Code::HttpResponseBodySize(_)
            | Code::HttpResponseHeaderSectionSize(_)
            | Code::HttpResponseHeaderSize(_) => (ErrorKind::Exhausted, Retry::Never),
            Code::TlsCertificateError | Code::ConfigurationError => (ErrorKind::Unavailable, Retry::Never),
            Code::HttpRequestLengthRequired
            | Code::HttpRequestBodySize(_)
            | Code::HttpRequestMethodInvalid
            | Code::HttpRequestUriInvalid
            | Code::HttpRequestUriTooLong
            | Code::HttpRequestHeaderSectionSize(_)
            | Code::HttpRequestHeaderSize(_) => (ErrorKind::Invalid, Retry::Never),
            Code::InternalError(_) => (ErrorKind::Internal, Retry::Backoff),
            _ => (ErrorKind::Unavailable, Retry::Backoff),
        };
        let message = match &code {
            Code::HttpRequestDenied => "the engine does not grant this request".to_owned(),
            Code::InternalError(Some(message)) => message.clone(),
            _ => format!("the platform cannot be asked: {code}"),
        };
        Error::new(kind, message).retry(retry).code(short(&code))
    }
}

/// `ConnectionRefused`, without what is inside.
fn short(code: &ErrorCode) -> String {
    let shown = format!("{code:?}");
    let name = shown.trim_start_matches("ErrorCode::");
    name.split(|it: char| !it.is_alphanumeric()).next().unwrap_or_default().to_owned()
}
