//! The core of the toolkit.
