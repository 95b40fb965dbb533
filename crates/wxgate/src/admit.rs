//! The one admission.

pub mod identify;
