//! Real pictures of a text: whoever scans them reads it.

use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use qrcode::{Color, QrCode};

/// Modules of white around the code, as the standard asks.
const QUIET: u32 = 4;

/// A QR picture about `width` pixels wide; JPEG, or PNG with `png`.
pub(crate) fn of(text: &str, width: u32, png: bool) -> Vec<u8> {
    let Ok(code) = QrCode::new(text) else {
        return Vec::new();
    };
    let modules = code.width() as u32 + 2 * QUIET;
    let scale = (width / modules).max(2);
    let colors = code.to_colors();
    let picture = GrayImage::from_fn(modules * scale, modules * scale, |x, y| {
        let (column, row) = ((x / scale).wrapping_sub(QUIET), (y / scale).wrapping_sub(QUIET));
        let side = code.width() as u32;
        let dark = column < side && row < side && colors[(row * side + column) as usize] == Color::Dark;
        Luma([if dark { 0 } else { 255 }])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    let format = if png { ImageFormat::Png } else { ImageFormat::Jpeg };
    match DynamicImage::ImageLuma8(picture).write_to(&mut bytes, format) {
        Ok(()) => bytes.into_inner(),
        Err(_) => Vec::new(),
    }
}
