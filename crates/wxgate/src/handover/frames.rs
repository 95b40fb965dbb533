//! A call on its way to another node, and its answer: sealed frames, of which none can be repeated, left out, moved or cut
//! off without being noticed. Each direction of each call has a key of its own, which follows from the master key, both
//! nodes, the time and a nonce; a frame's number and whether it is the last are its AES-GCM nonce.
//!
//! The call's frame 0 is empty and goes as a header ([`Opening::line`]), so that a stranger is known before a byte of a body
//! is read.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead as _, KeyInit as _};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::{Buf as _, Bytes, BytesMut};

use crate::keys::Keys;

/// Bytes of a frame's content: with all around it a frame is under 64 KiB.
pub(super) const MOST: usize = 63 << 10;
/// Another is another protocol.
const VERSION: u8 = 1;
const NONCE: usize = 16;
const TAG: usize = 16;
/// Whether it is the last, and the length of what is sealed.
const HEAD: usize = 5;

/// Not made with our key for us, or not what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame between nodes doesn't open, or one is missing")]
pub(super) struct Broken;

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Call,
    Answer,
}

/// What names one call between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// The node that sent it.
    pub(super) from: i32,
    /// When, by the database's time, Unix milliseconds.
    pub(super) time: i64,
    /// Drawn anew for each.
    pub(super) nonce: [u8; NONCE],
}

impl Opening {
    fn cipher(&self, keys: &Keys, to: i32, way: Way) -> Aes256Gcm {
        let way: &[u8] = if way == Way::Call { b"call" } else { b"answer" };
        let (from, to, time) = (self.from.to_be_bytes(), to.to_be_bytes(), self.time.to_be_bytes());
        let key = keys.mac(&[b"frames between nodes", &[VERSION], way, &from, &to, &time, &self.nonce]);
        Aes256Gcm::new(&key.into())
    }

    /// The header that goes with the call to node `to`, and what seals its body.
    pub(super) fn line(&self, keys: &Keys, to: i32) -> (String, Sealer) {
        let mut sealer = self.sealer(keys, to, Way::Call);
        let tag = sealer.sealed(&[], false);
        let mut line = Vec::with_capacity(1 + 4 + 8 + NONCE + TAG);
        line.push(VERSION);
        line.extend_from_slice(&self.from.to_be_bytes());
        line.extend_from_slice(&self.time.to_be_bytes());
        line.extend_from_slice(&self.nonce);
        line.extend_from_slice(&tag);
        (BASE64_URL_SAFE_NO_PAD.encode(line), sealer)
    }

    /// Reads such a header for node `to`; gives what opens the body.
    pub(super) fn read(line: &[u8], keys: &Keys, to: i32) -> Result<(Self, Opener), Broken> {
        let line = BASE64_URL_SAFE_NO_PAD.decode(line).map_err(|_| Broken)?;
        let (version, line) = line.split_first().ok_or(Broken)?;
        let (from, line) = line.split_first_chunk().ok_or(Broken)?;
        let (time, line) = line.split_first_chunk().ok_or(Broken)?;
        let (nonce, tag) = line.split_first_chunk().ok_or(Broken)?;
        let opening =
            Self { from: i32::from_be_bytes(*from), time: i64::from_be_bytes(*time), nonce: *nonce };
        if *version != VERSION || tag.len() != TAG {
            return Err(Broken);
        }
        let mut opener = opening.opener(keys, to, Way::Call);
        opener.open(tag, false)?;
        Ok((opening, opener))
    }

    pub(super) fn sealer(&self, keys: &Keys, to: i32, way: Way) -> Sealer {
        Sealer { cipher: self.cipher(keys, to, way), number: 0 }
    }

    pub(super) fn opener(&self, keys: &Keys, to: i32, way: Way) -> Opener {
        let cipher = self.cipher(keys, to, way);
        Opener { cipher, number: 0, came: BytesMut::new(), is_over: false }
    }
}

fn nonce(number: u64, is_last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(is_last);
    nonce
}

/// Seals one direction of one call.
pub(super) struct Sealer {
    cipher: Aes256Gcm,
    number: u64,
}

impl Sealer {
    fn sealed(&mut self, plain: &[u8], is_last: bool) -> Vec<u8> {
        let nonce = nonce(self.number, is_last);
        self.number += 1;
        self.cipher.encrypt(&nonce.into(), plain).expect("AES-GCM refuses only messages over 64 GiB")
    }

    /// The next frame, as it is written; `plain` is no longer than [`MOST`].
    pub(super) fn frame(&mut self, plain: &[u8], is_last: bool) -> Bytes {
        let sealed = self.sealed(plain, is_last);
        let mut frame = Vec::with_capacity(HEAD + sealed.len());
        frame.push(u8::from(is_last));
        frame.extend_from_slice(&(sealed.len() as u32).to_be_bytes());
        frame.extend_from_slice(&sealed);
        frame.into()
    }

    /// All that follows, and its end.
    pub(super) fn rest(&mut self, plain: &[u8]) -> Bytes {
        let mut pieces = plain.chunks(MOST).peekable();
        let mut all = Vec::with_capacity(plain.len() + (plain.len() / MOST + 1) * (HEAD + TAG));
        while let Some(piece) = pieces.next() {
            all.extend_from_slice(&self.frame(piece, pieces.peek().is_none()));
        }
        if plain.is_empty() {
            all.extend_from_slice(&self.frame(&[], true));
        }
        all.into()
    }
}

/// Opens one direction of one call, in whatever pieces it comes.
pub(super) struct Opener {
    cipher: Aes256Gcm,
    number: u64,
    came: BytesMut,
    is_over: bool,
}

impl Opener {
    fn open(&mut self, sealed: &[u8], is_last: bool) -> Result<Vec<u8>, Broken> {
        let nonce = nonce(self.number, is_last);
        self.number += 1;
        self.cipher.decrypt(&nonce.into(), sealed).map_err(|_| Broken)
    }

    /// Takes what came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.came.extend_from_slice(bytes);
    }

    /// The next frame's content; `None`: more has to come, or it is over.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        if self.is_over {
            return if self.came.is_empty() { Ok(None) } else { Err(Broken) };
        }
        let Some((head, rest)) = self.came.split_first_chunk::<HEAD>() else { return Ok(None) };
        let [is_last, length @ ..] = *head;
        let length = u32::from_be_bytes(length) as usize;
        if is_last > 1 || !(TAG..=MOST + TAG).contains(&length) {
            return Err(Broken);
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.came.advance(HEAD);
        let sealed = self.came.split_to(length);
        let plain = self.open(&sealed, is_last == 1)?;
        self.is_over = is_last == 1;
        Ok(Some(plain.into()))
    }

    /// Whether the last frame came.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const FROM: i32 = 7;
    const TO: i32 = 9;

    fn keys(n: u8) -> Keys {
        Keys::new(&[n; 32], Random::System)
    }

    fn opening() -> Opening {
        Opening { from: FROM, time: 1_800_000_000_000, nonce: [5; NONCE] }
    }

    /// What `wire` says, byte by byte; `None`: it isn't over.
    fn read(opener: &mut Opener, wire: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        let mut all = Vec::new();
        for byte in wire {
            opener.push(&[*byte]);
            while let Some(piece) = opener.next()? {
                all.extend_from_slice(&piece);
            }
        }
        Ok(opener.is_over().then_some(all))
    }

    fn answered(wire: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        read(&mut opening().opener(&keys(1), TO, Way::Answer), wire)
    }

    #[test]
    fn what_is_sealed_is_read_by_the_node_that_it_is_for() {
        let long: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
        for plain in [&b""[..], b"short", &long[..MOST], &long] {
            let (line, mut sealer) = opening().line(&keys(1), TO);
            let wire = sealer.rest(plain);
            let (read_opening, mut opener) = Opening::read(line.as_bytes(), &keys(1), TO).unwrap();
            assert_eq!(read_opening, opening());
            assert_eq!(read(&mut opener, &wire), Ok(Some(plain.to_vec())));
        }
        let (line, mut sealer) = opening().line(&keys(1), TO);
        let wire = sealer.rest(b"x");
        assert!(wire.len() < 64 << 10);
        assert!(Opening::read(line.as_bytes(), &keys(2), TO).is_err(), "another master key");
        assert!(Opening::read(line.as_bytes(), &keys(1), FROM).is_err(), "another node");
        assert_eq!(answered(&wire), Err(Broken), "a call is no answer");
        for garbage in ["", "AAAA", "汉字", &line[1..], &line[..line.len() - 1], &format!("{line}AAAA")] {
            assert!(Opening::read(garbage.as_bytes(), &keys(1), TO).is_err(), "{garbage}");
        }
        // Sender, time and nonce are bound: each bit of the header counts.
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&line).unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            let other = BASE64_URL_SAFE_NO_PAD.encode(other);
            assert!(Opening::read(other.as_bytes(), &keys(1), TO).is_err(), "{at}");
        }
    }

    #[test]
    fn no_frame_is_left_out_moved_repeated_cut_or_added_unseen() {
        let mut sealer = opening().sealer(&keys(1), TO, Way::Answer);
        let frames = [&b"one"[..], b"two", b"three"].map(|plain| (plain, plain == b"three"));
        let [one, two, three] = frames.map(|(plain, last)| sealer.frame(plain, last).to_vec());
        let joined = |parts: &[&Vec<u8>]| parts.iter().copied().flatten().copied().collect::<Vec<u8>>();
        assert_eq!(answered(&joined(&[&one, &two, &three])), Ok(Some(b"onetwothree".to_vec())));
        for wrong in [
            joined(&[&two, &one, &three]),
            joined(&[&one, &three]),
            joined(&[&one, &one, &two, &three]),
            joined(&[&one, &two, &three, &three]),
            joined(&[&one, &two, &three, &vec![0]]),
        ] {
            assert_eq!(answered(&wrong), Err(Broken));
        }
        let whole = joined(&[&one, &two, &three]);
        for cut in 0..whole.len() {
            assert_eq!(answered(&whole[..cut]), Ok(None), "cut at {cut}: it isn't over");
        }
        // To say of an earlier frame that it is the last, or to change anything.
        for at in 0..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 1;
            assert_ne!(answered(&other).ok().flatten(), Some(b"onetwothree".to_vec()), "{at}");
            assert!(!matches!(answered(&other), Ok(Some(_))), "{at}");
        }
    }

    #[test]
    fn a_frame_of_another_call_is_none_of_this() {
        let other = Opening { nonce: [6; NONCE], ..opening() };
        let wire = other.sealer(&keys(1), TO, Way::Answer).rest(b"x");
        assert_eq!(answered(&wire), Err(Broken));
        let later = Opening { time: opening().time + 1, ..opening() };
        let wire = later.sealer(&keys(1), TO, Way::Answer).rest(b"x");
        assert_eq!(answered(&wire), Err(Broken));
        let huge = [&[0_u8][..], &u32::MAX.to_be_bytes()].concat();
        assert_eq!(answered(&huge), Err(Broken), "nobody waits for 4 GiB");
    }
}
