//! Pictures that can really be scanned: a QR code of a text, at the width asked for.
//!
//! Mini-program codes are drawn as QR codes too: their true look is WeChat's secret, and what a test
//! wants is to read back what was encoded.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageReader, Limits, Rgba, RgbaImage};
use qrcode::{Color, EcLevel, QrCode};
use std::io::Cursor;

/// What to draw.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// What a scanner reads.
    pub(crate) text: String,
    /// Edge in pixels.
    pub(crate) width: u32,
    /// Colour of the dark modules.
    pub(crate) ink: [u8; 3],
    /// A PNG without background, else a JPEG on white.
    pub(crate) transparent: bool,
}

impl Picture {
    /// Black on white.
    pub(crate) fn plain(text: String, width: u32) -> Self {
        Self { text, width, ink: [0; 3], transparent: false }
    }
}

/// Light modules around a code.
const QUIET: u32 = 4;

/// The picture's bytes; `None` if the text is too long for a QR code.
pub(crate) fn draw(picture: &Picture) -> Option<Vec<u8>> {
    let code = [EcLevel::M, EcLevel::L]
        .into_iter()
        .find_map(|level| QrCode::with_error_correction_level(&picture.text, level).ok())?;
    let side = u32::try_from(code.width()).ok()?;
    let scale = (picture.width / (side + 2 * QUIET)).max(1);
    let width = picture.width.max(scale * (side + 2 * QUIET));
    let margin = (width - scale * side) / 2;
    let paper = if picture.transparent { Rgba([255, 255, 255, 0]) } else { Rgba([255; 4]) };
    let [red, green, blue] = picture.ink;
    let modules = code.to_colors();
    let drawn = RgbaImage::from_fn(width, width, |x, y| {
        let module = |at: u32| at.checked_sub(margin).map(|at| at / scale).filter(|at| *at < side);
        let dark = module(x)
            .zip(module(y))
            .and_then(|(x, y)| modules.get((y * side + x) as usize))
            .is_some_and(|color| *color == Color::Dark);
        if dark { Rgba([red, green, blue, 255]) } else { paper }
    });
    encode(&drawn, picture.transparent)
}

/// Width and height of a PNG, a JPEG or a GIF; `None` of anything else.
pub(crate) fn dimensions(bytes: &[u8]) -> Option<(u32, u32)> {
    if let Some([left, right, top, bottom, ..]) = bytes.strip_prefix(b"GIF8").and_then(|rest| rest.get(2..)) {
        return Some((
            u16::from_le_bytes([*left, *right]).into(),
            u16::from_le_bytes([*top, *bottom]).into(),
        ));
    }
    ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?.into_dimensions().ok()
}

fn encode(drawn: &RgbaImage, transparent: bool) -> Option<Vec<u8>> {
    let (width, height) = drawn.dimensions();
    let mut bytes = Vec::new();
    if transparent {
        PngEncoder::new(&mut bytes)
            .write_image(drawn.as_raw(), width, height, ExtendedColorType::Rgba8)
            .ok()?;
    } else {
        let opaque: Vec<u8> = drawn.pixels().flat_map(|p| [p[0], p[1], p[2]]).collect();
        JpegEncoder::new_with_quality(&mut bytes, 90)
            .write_image(&opaque, width, height, ExtendedColorType::Rgb8)
            .ok()?;
    }
    Some(bytes)
}

/// Longest edge of a picture that is read.
const MAX_EDGE: u32 = 4_096;

/// Larger ones are looked at in this size: finding codes takes long in what is full of their corners.
const READ_EDGE: u32 = 1_000;
/// Bytes that a picture may take when it is decoded.
const MAX_DECODED: u64 = 64 << 20;

/// What the first code in a picture says that can be read.
pub(crate) fn read(bytes: &[u8]) -> Option<String> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_EDGE), Some(MAX_EDGE));
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    let picture = reader.decode().ok()?;
    let picture = if picture.width().max(picture.height()) > READ_EDGE {
        picture.thumbnail(READ_EDGE, READ_EDGE)
    } else {
        picture
    };
    let picture = picture.to_luma8();
    let (width, height) = (usize::try_from(picture.width()).ok()?, usize::try_from(picture.height()).ok()?);
    let pixels = picture.as_raw();
    let at = |x: usize, y: usize| pixels.get(y * width + x).copied().unwrap_or(255);
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, at);
    prepared.detect_grids().iter().find_map(|grid| grid.decode().ok().map(|(_, text)| text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_can_be_read() {
        for transparent in [false, true] {
            let asked =
                Picture { transparent, ..Picture::plain("http://weixin.qq.com/q/abc".to_owned(), 300) };
            let read = read(&draw(&asked).unwrap());
            assert_eq!(read.as_deref(), Some("http://weixin.qq.com/q/abc"));
        }
        assert_eq!(read(b"no picture"), None);
    }
}
