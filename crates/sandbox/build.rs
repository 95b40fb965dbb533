//! Says that the page's files are part of the crate.

fn main() {
    println!("cargo::rerun-if-changed=../../console/dist-sandbox");
}
