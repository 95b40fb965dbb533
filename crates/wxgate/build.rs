//! Says that the console's files are part of the binary.

fn main() {
    println!("cargo::rerun-if-changed=../../console/dist");
}
