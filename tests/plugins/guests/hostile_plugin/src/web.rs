//! What it asks of the network, and what it tells there.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use wasip2::io::streams::{InputStream, OutputStream};
use windlass_plugin::bindings::imports::windlass::plugin::types::Error;

use crate::told::said;

/// How much is moved at once.
const PIECE: usize = 64 << 10;

/// `rest` is a method, an authority, a target and headers: `GET jobs.endpoint /x name:value`.
pub(crate) fn act(word: &str, rest: &str) -> Result<(), Error> {
    match word {
        "ask" => Err(said(ask(rest).unwrap_or_else(|refused| refused))),
        "requests" => {
            let mut open = Vec::new();
            loop {
                match send(rest) {
                    Ok((answer, _)) => open.push(answer),
                    Err(refused) => return Err(said(format!("{} requests, then {refused}", open.len()))),
                }
            }
        }
        "endless-answer" => Err(said(read_for_ever(rest).unwrap_or_else(|refused| refused))),
        "endless-request" => Err(said(write_for_ever(rest).unwrap_or_else(|refused| refused))),
        // Asks for something that takes a credential, and then tells all it knows.
        _ => {
            let seen = ask(&format!("GET {rest} /secret")).map_err(said)?;
            let (answer, body) = send(&format!("PUT {rest} /dump")).map_err(said)?;
            let stream = body.write().map_err(|()| said("no stream"))?;
            memory_to(|piece| {
                let _ = write(&stream, piece);
            });
            let _ = write(&stream, seen.as_bytes());
            drop(stream);
            let _ = OutgoingBody::finish(body, None);
            answer.subscribe().block();
            Ok(())
        }
    }
}

/// All of its memory, piece by piece.
#[expect(unsafe_code, reason = "nothing safe reads all of the memory")]
pub(crate) fn memory_to(mut take: impl FnMut(&[u8])) {
    let mut at = 16;
    loop {
        let end = std::arch::wasm32::memory_size::<0>() * 65_536;
        if at >= end {
            return;
        }
        let size = PIECE.min(end - at);
        // SAFETY: within the memory, which only grows; what changes meanwhile is read as it is.
        take(unsafe { std::slice::from_raw_parts(at as *const u8, size) });
        at += size;
    }
}

fn send(asked: &str) -> Result<(FutureIncomingResponse, OutgoingBody), String> {
    let mut words = asked.split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (method, authority, target) = (word(), word(), word());
    let mut headers = Vec::new();
    for header in words {
        let (name, value) = header.split_once(':').unwrap_or_default();
        // What stands for the end of a line, which the words of a test cannot hold.
        headers.push((name.to_owned(), value.replace("%0D%0A", "\r\n").into_bytes()));
    }
    let fields = Fields::from_list(&headers).map_err(|error| format!("header: {error}"))?;
    let request = OutgoingRequest::new(fields);
    request.set_method(&Method::Other(method)).map_err(|()| "no such method")?;
    request.set_scheme(Some(&Scheme::Http)).map_err(|()| "no such scheme")?;
    request.set_authority(Some(&authority)).map_err(|()| "no such authority")?;
    request.set_path_with_query(Some(&target)).map_err(|()| "no such target")?;
    let body = request.body().map_err(|()| "no body")?;
    let answer = handle(request, None).map_err(|code| format!("{code:?}"))?;
    Ok((answer, body))
}

/// The status, the headers and the beginning of the body.
fn ask(asked: &str) -> Result<String, String> {
    let (answer, body) = send(asked)?;
    let _ = OutgoingBody::finish(body, None);
    let (status, headers, body) = receive(&answer)?;
    let text = body.stream.blocking_read(PIECE as u64).unwrap_or_default();
    Ok(format!("{status} {headers} {}", String::from_utf8_lossy(&text)))
}

/// Each part belongs to the next, and is dropped before it.
struct Body {
    stream: InputStream,
    _body: IncomingBody,
    _response: IncomingResponse,
}

fn receive(answer: &FutureIncomingResponse) -> Result<(u16, String, Body), String> {
    answer.subscribe().block();
    let response = answer.get().ok_or("no answer")?.map_err(|()| "twice")?.map_err(|code| format!("{code:?}"))?;
    let headers = response.headers().entries().into_iter();
    let headers: Vec<String> =
        headers.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(&value))).collect();
    let status = response.status();
    let body = response.consume().map_err(|()| "no body")?;
    let stream = body.stream().map_err(|()| "no stream")?;
    Ok((status, headers.join("; "), Body { stream, _body: body, _response: response }))
}

fn read_for_ever(asked: &str) -> Result<String, String> {
    let (answer, body) = send(asked)?;
    let _ = OutgoingBody::finish(body, None);
    let (_, _, body) = receive(&answer)?;
    let mut bytes = 0_u64;
    loop {
        // As much as there is, and as much at once as can be asked for.
        match body.stream.blocking_read(u64::MAX) {
            Ok(piece) => bytes += piece.len() as u64,
            Err(error) => return Err(format!("{bytes} bytes, then {error:?}")),
        }
    }
}

fn write_for_ever(asked: &str) -> Result<String, String> {
    let (answer, body) = send(asked)?;
    let stream = body.write().map_err(|()| "no stream")?;
    let zeros = vec![0; PIECE];
    let mut bytes = 0;
    while write(&stream, &zeros).is_ok() {
        bytes += PIECE;
    }
    let (status, ..) = receive(&answer).map_err(|code| format!("{bytes} bytes, then {code}"))?;
    Ok(format!("{bytes} bytes, then {status}"))
}

fn write(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), ()> {
    while !bytes.is_empty() {
        let room = usize::try_from(stream.check_write().map_err(|_| ())?).unwrap_or(usize::MAX);
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        stream.write(now).map_err(|_| ())?;
        bytes = later;
    }
    stream.blocking_flush().map_err(|_| ())
}
