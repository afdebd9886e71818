//! Frame streams, from the side that writes.
//!
//! ```text
//! writer → READY      0000 0000 | length | type, content type       what it would send
//! writer ← ACCEPT
//! writer → START
//! writer → data       length | octets                               again and again
//! writer → STOP
//! writer ← FINISH                                                  it has read everything
//! ```

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Agrees with a collector on what is sent.
pub(crate) async fn greet<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    stream.write_all(&control(READY)).await?;
    stream.flush().await?;
    let mut head = [0; 8];
    stream.read_exact(&mut head).await?;
    let [0, 0, 0, 0, length @ ..] = head else { return Err(wrong("a control frame is expected")) };
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if !(4..=LONGEST).contains(&length) {
        return Err(wrong("the control frame has no length that makes sense"));
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).await?;
    if frame.first_chunk() != Some(&ACCEPT.to_be_bytes()) {
        return Err(wrong("it does not accept"));
    }
    let is_ours = frame.windows(CONTENT_TYPE.len()).any(|part| part == CONTENT_TYPE);
    if length > 4 && !is_ours {
        return Err(wrong("it does not take dnstap"));
    }
    stream.write_all(&control(START)).await
}

/// Says that there is no more, and comes back when the collector has read everything.
pub(crate) async fn finish<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    stream.write_all(&bare(STOP)).await?;
    stream.flush().await?;
    let mut said = [0; 12];
    stream.read_exact(&mut said).await?;
    if said != bare(FINISH) { Err(wrong("it does not finish")) } else { Ok(()) }
}

/// Adds a frame of these octets to `buffer`.
pub(crate) fn frame(octets: &[u8], buffer: &mut Vec<u8>) {
    // No message is as long as that.
    let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(octets);
}

/// A control frame with the content type.
pub(crate) fn control(kind: u32) -> Vec<u8> {
    let length = u32::try_from(CONTENT_TYPE.len()).unwrap_or_default();
    let fields = [0, 12 + length, kind, FIELD_CONTENT_TYPE, length].map(u32::to_be_bytes);
    [fields.as_flattened(), CONTENT_TYPE].concat()
}

/// A control frame without fields.
pub(crate) fn bare(kind: u32) -> [u8; 12] {
    let mut octets = [0; 12];
    octets
        .as_chunks_mut()
        .0
        .iter_mut()
        .zip([0, 4, kind])
        .for_each(|(word, value)| *word = value.to_be_bytes());
    octets
}

fn wrong(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.to_owned())
}

pub(crate) const ACCEPT: u32 = 1;
const START: u32 = 2;
pub(crate) const STOP: u32 = 3;
const READY: u32 = 4;
pub(crate) const FINISH: u32 = 5;
const FIELD_CONTENT_TYPE: u32 = 1;
const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";
/// Octets of a control frame, as the format has it.
const LONGEST: usize = 512;
