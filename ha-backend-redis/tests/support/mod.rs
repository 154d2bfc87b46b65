pub(crate) mod forget;
pub(crate) mod gateway;
pub(crate) mod harness;
